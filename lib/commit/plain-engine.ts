/** The engine over plain files, as one who opened the store holds it. */

import type { Awaitable } from '../base/awaitable.js'
import { diskError, StorageError } from '../base/errors.js'
import { describeScope, type ScopeId } from '../base/scope-id.js'
import type { Committer } from './committer.js'
import { checkUnowned } from './conditions.js'
import type {
  CommitNow,
  CommitReceipt,
  CommitRequest,
  Engine,
  EntryBytes,
  Following,
  FollowRequest,
  Snapshot,
  SnapshotRequest,
  ValueStat,
  VisitOptions,
} from './engine.js'
import type { Follower } from './follow.js'
import { inspectStore } from './inspect.js'
import { type Listing, listFolders, listKeys } from './list.js'
import { type Reading, readEntry, readUnpublished, readValue, statValue } from './read.js'
import { repairStore } from './repair.js'
import type { CheckOptions, CheckReport, RepairOptions, RepairReport } from './report.js'
import type { Site } from './site.js'
import { takeSnapshot } from './snapshot.js'

/** What the holders of a store share. */
export interface OpenStore extends Reading, Listing {
  readonly committer: Committer
  readonly follower: Follower
}

/** One holder's use of a store; several in a process share its committer. */
export class PlainEngine implements Engine {
  /** See `Engine`. */
  readonly root: string
  readonly #store: OpenStore
  readonly #site: Site
  readonly #committer: Committer
  readonly #follower: Follower
  readonly #onClose: () => Promise<void>
  readonly #followings = new Set<Following>()
  readonly #pending = new Set<Promise<unknown>>()
  #closing: Promise<void> | undefined

  /** `onClose` gives the use of the store back. */
  constructor(store: OpenStore, onClose: () => Promise<void>) {
    this.root = store.site.layout.root
    this.#store = store
    this.#site = store.site
    this.#committer = store.committer
    this.#follower = store.follower
    this.#onClose = onClose
  }

  /** See `Engine`. */
  scopePath(scope: ScopeId): string {
    return this.#site.layout.scopePath(scope)
  }

  /** See `Engine`. */
  keyPath(scope: ScopeId, key: string): string {
    return this.#site.layout.keyPath(scope, key)
  }

  /** See `Engine`. */
  read(scope: ScopeId, key: string): Awaitable<Uint8Array | undefined> {
    this.#checkOpen()
    const unpublished = this.#readUnpublished(scope, key)
    return unpublished === undefined
      ? readValue(this.#store, scope, key)
      : unpublished.then((entry) => entry?.bytes)
  }

  /** See `Engine`. */
  readEntry(scope: ScopeId, key: string): Promise<EntryBytes | undefined> {
    this.#checkOpen()
    return this.#readUnpublished(scope, key) ?? readEntry(this.#store, scope, key)
  }

  /** See `Engine`. */
  stat(scope: ScopeId, key: string): Promise<ValueStat | undefined> {
    this.#checkOpen()
    return this.#readUnpublished(scope, key) ?? statValue(this.#site, scope, key)
  }

  /** See `Engine`. */
  async list(scope: ScopeId, signal?: AbortSignal): Promise<string[]> {
    this.#checkOpen()
    signal?.throwIfAborted()
    const keys = listKeys(this.#store, this.#committer, scope, signal)
    return this.#describing(keys, `list ${describeScope(scope)}`, { scope, signal })
  }

  /** See `Engine`. */
  async listWorkspaces(): Promise<string[]> {
    this.#checkOpen()
    return this.#describing(listFolders(this.#site, this.root), 'list the workspaces')
  }

  /** See `Engine`. */
  async listPlugins(workspace: string): Promise<string[]> {
    this.#checkOpen()
    const folder = this.#site.layout.pluginsPath(workspace)
    return this.#describing(listFolders(this.#site, folder), `list the plugins of workspace ${workspace}`)
  }

  /** See `Engine`. */
  commit(request: CommitRequest): Promise<CommitReceipt> {
    this.#checkOpen()
    return this.#track(request.changes.length > 0 ? this.#committer.commit(request) : this.#confirm(request))
  }

  /** See `Engine`. */
  visit<T>(body: (commit: CommitNow) => Promise<T>, options: VisitOptions): Promise<T> {
    this.#checkOpen()
    return this.#track(this.#committer.visit(body, options))
  }

  /** See `Engine`. Closing waits until it is closed. */
  async snapshot(request: SnapshotRequest): Promise<Snapshot> {
    this.#checkOpen()
    let end = (): void => undefined
    void this.#track(new Promise<void>((resolve) => (end = resolve)))
    const taking = takeSnapshot(this.#site, this.#committer, request, end)
    return this.#describing(taking, 'take a snapshot of the store', request)
  }

  /** See `Engine`. */
  follow(request: FollowRequest): Following {
    this.#checkOpen()
    const following = this.#follower.follow(request)
    const close = (): void => {
      this.#followings.delete(following)
      following.close()
    }
    this.#followings.add(following)
    return { ...following, close }
  }

  /** See `Engine`. */
  check(options?: CheckOptions): Promise<CheckReport> {
    this.#checkOpen()
    return this.#track(this.#describing(inspectStore(this.#site, options), 'check the store', options))
  }

  /** See `Engine`. */
  repair(options: RepairOptions): Promise<RepairReport> {
    this.#checkOpen()
    const repairing = repairStore(this.#site, this.#committer, options)
    return this.#track(this.#describing(repairing, 'repair the store', options))
  }

  /** See `Engine`. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Whether expectations hold at one moment; owning the store is not needed while nobody does. */
  async #confirm(request: CommitRequest): Promise<CommitReceipt> {
    const { expectations = [] } = request
    if (
      await this.#describing(
        checkUnowned(this.#site, expectations),
        'look whether what was read is still there',
      )
    )
      return { revision: undefined, results: [] }
    return this.#committer.commit(request)
  }

  /** Closing waits for it. */
  #track<T>(call: Promise<T>): Promise<T> {
    const forget = (): void => void this.#pending.delete(call)
    this.#pending.add(call)
    call.then(forget, forget)
    return call
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#pending)
    await Promise.all([...this.#followings].map((following) => following.end()))
    await this.#onClose()
  }

  #readUnpublished(scope: ScopeId, key: string): Promise<EntryBytes | undefined> | undefined {
    const found = this.#committer.findUnpublished(scope, key)
    return found && readUnpublished(this.#site, found.folder, found.change)
  }

  /** The error of a system call becomes a `StorageError`; that of an abort stays the signal's reason. */
  async #describing<T>(
    listing: Promise<T>,
    action: string,
    place: { readonly scope?: ScopeId | undefined; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<T> {
    try {
      return await listing
    } catch (error) {
      if (place.signal?.aborted) throw error
      throw diskError(error, action, { store: this.root, scope: place.scope })
    }
  }

  #checkOpen(): void {
    if (this.#closing === undefined) return
    throw new StorageError('STORE_CLOSED', `The store ${this.root} was closed; open it again to use it.`, {
      store: this.root,
    })
  }
}
