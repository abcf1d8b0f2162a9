/** One who follows: what was asked for, and what was told. */

import { isSameScope, type ScopeId } from '../base/scope-id.js'
import type { DoubtReason, FollowedChange, FollowRequest } from './engine.js'
import type { FeedCommit, UngivenChange } from './feed.js'
import type { FollowedScope } from './follow-scope.js'
import { decodeTime } from './version.js'

/** One follower of a scope, or of all. */
export class Follow {
  /** What was asked for. */
  readonly request: FollowRequest
  /** Nothing is missed any more. */
  isReady = false
  /** Nothing is told any more. */
  isClosed = false
  readonly #release: () => void
  /** Commits up to this revision were settled by this process before it followed. */
  readonly #ownedTo: number
  /** Of keys that were told as present: the revision of the commit that had left them so, where it is given later. */
  readonly #present = new Map<string, number>()

  /** `release` lets the process go. */
  constructor(request: FollowRequest, ownedTo: number, release: () => void) {
    this.request = request
    this.#ownedTo = ownedTo
    this.#release = release
  }

  /** Whether it is told of a scope. */
  isFor(id: ScopeId): boolean {
    const { scope } = this.request
    return scope === undefined || isSameScope(scope, id)
  }

  /** From now on nothing is missed. Tells what is present first, if that was asked for. */
  begin(scopes: readonly FollowedScope[], ungiven: readonly UngivenChange[]): void {
    const told = this.request.initial ? scopes.filter(({ id }) => this.isFor(id)) : []
    for (const scope of told) {
      for (const change of ungiven) if (isSameScope(change.scope, scope.id)) this.#notePresent(scope, change)
      for (const [key, version] of scope.known) {
        const change = {
          type: 'set',
          scope: scope.id,
          key,
          version,
          revision: undefined,
          by: undefined,
        } as const
        this.request.onChanges([{ ...change, source: 'initial' }])
      }
    }
    this.isReady = true
    this.request.onReady()
  }

  /** Tells of the changes of a commit. */
  tellCommit({ revision, isLocal }: FeedCommit, changes: readonly FollowedChange[]): void {
    if (this.request.initial && !this.isReady) return // it will be told what is present
    if (isLocal && revision <= this.#ownedTo) return
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

  /** Nothing is told any more. */
  close(): void {
    this.isClosed = true
    this.#release()
  }

  /** Where a key is as a change has left it, neither that nor those before are to be told again. */
  #notePresent({ id, known }: FollowedScope, change: UngivenChange): void {
    const version = known.get(change.key)
    const isThere = version === undefined ? change.kind === 'delete' : decodeTime(version) === change.time
    if (isThere) this.#present.set(describeKey(id, change.key), change.revision ?? 0)
  }
}

function describeKey({ workspace, plugin }: ScopeId, key: string): string {
  return JSON.stringify([workspace, plugin, key])
}
