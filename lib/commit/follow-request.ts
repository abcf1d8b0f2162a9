/** One who follows: what was asked for, and what was told. */

import type { StorageError } from '../base/errors.js'
import { isSameScope, type ScopeId } from '../base/scope-id.js'
import type { Host } from '../disk/host.js'
import type { DoubtReason, FollowedChange, FollowRequest } from './engine.js'
import type { FeedCommit, UngivenChange } from './feed.js'
import type { FollowedScope } from './follow-scope.js'
import { Yielder } from './site.js'
import { decodeTime } from './version.js'

/** One follower of a scope, or of all. */
export class Follow {
  /** What was asked for. */
  readonly request: FollowRequest
  /** Nothing is missed any more. */
  isReady = false
  /** Nothing is told any more. */
  isClosed = false
  /** Commits up to this revision were settled before it followed, as far as is known. */
  settledTo: number
  readonly #release: () => void
  /** Of keys that were told as present: the revision of the commit that had left them so, where it is given later. */
  readonly #present = new Map<string, number>()
  /** The message of the error that was told last. */
  #told: string | undefined

  /** `release` lets the process go. */
  constructor(request: FollowRequest, settledTo: number, release: () => void) {
    this.request = request
    this.settledTo = settledTo
    this.#release = release
  }

  /** Whether it is told of a scope. */
  isFor(id: ScopeId): boolean {
    const { scope } = this.request
    return scope === undefined || isSameScope(scope, id)
  }

  /** Whether it is told of all scopes. */
  get isGeneral(): boolean {
    return this.request.scope === undefined
  }

  /** From now on nothing is missed. Tells what is present first, if that was asked for. To be called while nobody looks. */
  async begin(
    host: Host,
    scopes: readonly FollowedScope[],
    ungiven: readonly UngivenChange[],
  ): Promise<void> {
    const yielder = new Yielder(host)
    const told = this.request.initial ? scopes.filter(({ id }) => this.isFor(id)) : []
    for (const scope of told) {
      for (const change of ungiven) this.#notePresent(scope, change)
      await this.#tellPresent(scope, yielder)
    }
    if (this.isClosed) return
    this.isReady = true
    this.request.onReady()
  }

  /** Tells of the changes of a commit. */
  tellCommit({ revision }: FeedCommit, changes: readonly FollowedChange[]): void {
    if (this.request.initial && !this.isReady) return // it will be told what is present
    if (revision <= this.settledTo) return
    const told = changes.filter(
      ({ scope, key }) => this.isFor(scope) && revision > (this.#present.get(describeKey(scope, key)) ?? 0),
    )
    if (told.length > 0) this.request.onChanges(told)
  }

  /** Tells of an edit. */
  tellEdit(change: FollowedChange): void {
    if (this.isFor(change.scope) && (this.isReady || !this.request.initial)) this.request.onChanges([change])
  }

  /** Tells that a folder was compared. */
  tellResync(reason: DoubtReason, id: ScopeId): void {
    if (this.isFor(id) && (this.isReady || !this.request.initial)) this.request.onResync(reason, id)
  }

  /** Tells that something failed, once until all is well again. */
  tellError(error: StorageError): void {
    if (error.message === this.#told) return
    this.#told = error.message
    this.request.onError(error)
  }

  /** All is well again. */
  forgetErrors(): void {
    this.#told = undefined
  }

  /** Nothing is told any more. */
  close(): void {
    this.isClosed = true
    this.#release()
  }

  async #tellPresent({ id, known }: FollowedScope, yielder: Yielder): Promise<void> {
    for (const [key, version] of known) {
      if (this.isClosed) return
      const change = { type: 'set', scope: id, key, version, revision: undefined, by: undefined } as const
      this.request.onChanges([{ ...change, source: 'initial' }])
      if (yielder.isDue()) await yielder.yield()
    }
  }

  /** Where a key is as a change has left it, neither that nor those before are to be told again. */
  #notePresent({ id, known }: FollowedScope, { scope, key, kind, time, revision = 0 }: UngivenChange): void {
    if (!isSameScope(scope, id)) return
    const version = known.get(key)
    const isThere = version === undefined ? kind === 'delete' : decodeTime(version) === time
    if (isThere) this.#present.set(describeKey(id, key), revision)
  }
}

function describeKey({ workspace, plugin }: ScopeId, key: string): string {
  return JSON.stringify([workspace, plugin, key])
}
