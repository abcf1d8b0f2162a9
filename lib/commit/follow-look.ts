/**
 * Looking: at the files of dirty keys, at the journals to their end, then what differs is judged, and told to all who
 * follow. follow-scope.ts has the reason for this order.
 */

import { SETTLE_FIRST_MS, SETTLE_MAX_MS } from '../base/limits.js'
import { isSameScope, type ScopeId } from '../base/scope-id.js'
import type { FollowedChange } from './engine.js'
import type { CommitFeed, FeedCommit, FeedState, UngivenChange } from './feed.js'
import { describeChange } from './follow-change.js'
import type { FollowClock } from './follow-clock.js'
import type { Follow } from './follow-request.js'
import type { FollowedScope, Looks } from './follow-scope.js'
import type { FollowedScopes } from './followed-scopes.js'

/** What looks work with. */
export interface LookTools {
  readonly scopes: FollowedScopes
  readonly clock: FollowClock
  /** All who follow. */
  readonly follows: ReadonlySet<Follow>
  monotonicMs(): number
}

/** One look after another, never two at a time. */
export class Looker {
  readonly #tools: LookTools
  /** Scopes that a commit was told of since the last look. */
  readonly #told = new Set<FollowedScope>()
  #looking: Promise<unknown> = Promise.resolve()
  #settleMs = SETTLE_FIRST_MS

  constructor(tools: LookTools) {
    this.#tools = tools
  }

  /** Runs something while nobody looks. */
  exclusively<T>(body: () => Promise<T>): Promise<T> {
    const looking = this.#looking.then(body)
    this.#looking = looking.catch(() => undefined)
    return looking
  }

  /** Looks, and plans the next look. To be called exclusively, by a feed that has begun. */
  async look(feed: CommitFeed): Promise<void> {
    const { scopes } = this.#tools
    const looks = new Map<FollowedScope, Looks>()
    scopes.poll(this.#now())
    for (const scope of scopes.begun) {
      scope.wakeSuspects(this.#now())
      if (!scope.isDirty) continue
      await scope.checkFolder()
      looks.set(scope, await scope.look())
    }
    const state = await feed.read((commit) => this.#tell(feed, commit))
    const isAnyDifferent = [...looks].some(([scope, found]) => scope.isDifferent(found))
    const ungiven = isAnyDifferent ? await feed.findUngiven() : undefined
    if (feed.isClosed) return
    if (state.hasGap) this.#doubt()
    for (const [scope, found] of looks) this.#judge(scope, found, ungiven)
    for (const scope of this.#told) scope.forgetTold()
    this.#told.clear()
    for (const scope of scopes.begun) this.#tellCompared(scope)
    this.#plan(state)
  }

  /** Commits are missing, or the revisions begin anew. */
  #doubt(): void {
    this.#tools.scopes.doubt('gap')
    for (const follow of this.#tools.follows) follow.settledTo = 0
  }

  async #tell(feed: CommitFeed, commit: FeedCommit): Promise<void> {
    const { scopes, follows } = this.#tools
    const described: FollowedChange[] = []
    const general = [...follows].find(({ isGeneral }) => isGeneral)
    for (const change of commit.changes) {
      const scope = general === undefined ? scopes.find(change.scope) : this.#meet(change.scope, general)
      if (scope === undefined) continue
      this.#told.add(scope)
      described.push(await describeChange(scope, commit, change))
    }
    if (described.length === 0 || feed.isClosed) return // who follows by now has another feed
    for (const follow of [...follows]) follow.tellCommit(commit, described)
  }

  /** A scope, which may have appeared with this commit. */
  #meet(id: ScopeId, { isReady }: Follow): FollowedScope {
    return isReady ? this.#tools.scopes.openNew(id) : this.#tools.scopes.add(id)
  }

  #judge(scope: FollowedScope, found: Looks, ungiven: readonly UngivenChange[] | undefined): void {
    const own = ungiven?.filter((change) => isSameScope(change.scope, scope.id))
    const keys = own && new Set(own.map(({ key }) => key))
    for (const { key, version } of scope.judge(found, keys, this.#now())) {
      const change: FollowedChange = {
        type: version === undefined ? 'delete' : 'set',
        ...{ scope: scope.id, key, version, revision: undefined, by: undefined, source: 'external' },
      }
      for (const follow of [...this.#tools.follows]) follow.tellEdit(change)
    }
  }

  #tellCompared(scope: FollowedScope): void {
    for (const reason of scope.takeCompared())
      for (const follow of [...this.#tools.follows]) follow.tellResync(reason, scope.id)
  }

  /** The next look: at once, when an edit has been quiet for long enough, when a commit may be settled, or to compare. */
  #plan({ isWaiting }: FeedState): void {
    const { clock, scopes } = this.#tools
    this.#settleMs = isWaiting ? Math.min(2 * this.#settleMs, SETTLE_MAX_MS) : SETTLE_FIRST_MS
    if (isWaiting) clock.wake(this.#settleMs)
    const nowMs = this.#now()
    for (const scope of scopes.begun) {
      const waitMs = scope.wakeSuspects(nowMs)
      if (waitMs !== undefined) clock.wake(Math.ceil(waitMs))
      if (scope.isDirty && !scope.isListing) clock.wake(0)
    }
    const pollMs = scopes.planPoll(nowMs)
    if (pollMs !== undefined) clock.wake(pollMs)
  }

  #now(): number {
    return this.#tools.monotonicMs()
  }
}
