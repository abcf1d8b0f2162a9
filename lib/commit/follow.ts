/**
 * Following: what changes in a store, in order, once, for all of this process who asked.
 *
 * One look after another: at the files of dirty keys, at the journals to their end, then what differs is judged
 * (follow-scope.ts has the reason for this order). A hint only makes the next look come soon. Nothing is watched, and no
 * handle is held, while nobody follows.
 */

import { diskError } from '../base/errors.js'
import { POLL_FOLDERS_MS, QUIET_MS, SETTLE_FIRST_MS, SETTLE_MAX_MS, WATCH_LOOK_MS } from '../base/limits.js'
import { isSameScope, type ScopeId } from '../base/scope-id.js'
import type { Committer } from './committer.js'
import type { DoubtReason, FollowedChange, Following, FollowRequest } from './engine.js'
import { CommitFeed, type FeedCommit, type FeedState } from './feed.js'
import { type DescribedChange, describeChange } from './follow-change.js'
import { FollowClock } from './follow-clock.js'
import type { FollowedScope, Looks } from './follow-scope.js'
import { FollowedScopes, type FollowSettings } from './followed-scopes.js'
import type { Site } from './site.js'

/** Hints of the system, and the quiet time of `limits.ts`. */
export const DEFAULT_FOLLOWING: FollowSettings = {
  polling: false,
  intervalMs: POLL_FOLDERS_MS,
  quietMs: QUIET_MS,
}

interface Follow {
  readonly request: FollowRequest
  /** Lets the process go. */
  release: () => void
  isReady: boolean
  isClosed: boolean
  /** Changes up to this revision may have been told as present from the beginning. */
  toldTo: number
}

/** All who follow one store in this process. */
export class Follower {
  readonly #site: Site
  readonly #committer: Committer
  readonly #settings: FollowSettings
  readonly #clock: FollowClock
  readonly #scopes: FollowedScopes
  readonly #follows = new Set<Follow>()
  readonly #rescans = new Set<() => void>()
  #feed: CommitFeed | undefined
  #begun: Promise<void> | undefined
  readonly #watches: { close(): void }[] = []
  #looking: Promise<void> = Promise.resolve()
  #settleMs = SETTLE_FIRST_MS
  #isLookDue = false
  #hasFailed = false
  #reported: string | undefined

  constructor(site: Site, committer: Committer, settings: FollowSettings) {
    this.#site = site
    this.#committer = committer
    this.#settings = settings
    this.#clock = new FollowClock({
      monotonicMs: () => site.host.monotonicMs(),
      onLook: () => void this.#lookSoon(),
      onSecond: (isLate) => this.#onSecond(isLate),
    })
    this.#scopes = new FollowedScopes(site, settings, {
      onHint: () => this.#clock.wake(0),
      onFolders: () => void this.#discover(),
      onError: (error) => this.#fail(error),
    })
  }

  /** See `Engine.follow`. */
  follow(request: FollowRequest): Following {
    const release = request.persistent ? this.#clock.hold() : NOOP
    const follow: Follow = { request, release, isReady: false, isClosed: false, toldTo: 0 }
    if (this.#follows.size === 0) this.#start()
    this.#follows.add(follow)
    if (request.scope !== undefined) this.#scopes.add(request.scope)
    void this.#begin(follow)
    return {
      rescan: () => this.#rescan(),
      end: () => this.#endSettled(follow),
      close: () => this.#end(follow),
    }
  }

  #start(): void {
    const onHint = (): void => this.#clock.wake(0)
    const { disk, layout } = this.#site
    const watch = (path: string): { close(): void } =>
      this.#settings.polling ? { close: () => undefined } : disk.watchFolder(path, onHint)
    const feed = new CommitFeed(this.#site, { own: () => this.#committer.own, watch })
    this.#feed = feed
    this.#committer.onSettled = (group) => {
      feed.addLocal(group)
      this.#clock.wake(0)
    }
    this.#clock.start()
    this.#watches.push(watch(layout.control))
  }

  #stop(): void {
    this.#committer.onSettled = undefined
    this.#clock.stop()
    for (const watch of this.#watches.splice(0)) watch.close()
    this.#feed?.close()
    this.#feed = this.#begun = undefined
  }

  async #begin(follow: Follow): Promise<void> {
    while (!follow.isClosed) {
      try {
        const feed = this.#feed as CommitFeed
        this.#begun ??= feed.begin()
        await this.#begun
        if (follow.request.scope === undefined)
          for (const id of await this.#scopes.list()) this.#scopes.add(id)
        await this.#scopes.begin()
        await this.#exclusively(() => this.#lookAndTell(follow))
        return
      } catch (error) {
        this.#begun = undefined
        this.#report(error, [follow])
        await new Promise((resolve) => setTimeout(resolve, WATCH_LOOK_MS).unref())
      }
    }
  }

  /** What this process knows after a look is what was there at first, but for a commit that is not settled. */
  async #lookAndTell(follow: Follow): Promise<void> {
    if (follow.isClosed) return
    const { unsettledTo } = await this.#look()
    const { request } = follow
    for (const scope of request.initial ? this.#scopes.begun : []) {
      if (!isFor(request, scope.id)) continue
      for (const [key, version] of scope.known) request.onChanges([describePresent(scope.id, key, version)])
    }
    if (request.initial) follow.toldTo = unsettledTo
    follow.isReady = true
    request.onReady()
  }

  #end(follow: Follow): void {
    if (follow.isClosed) return
    follow.isClosed = true
    follow.release()
    this.#follows.delete(follow)
    const requests = [...this.#follows].map(({ request }) => request)
    this.#scopes.keep(
      (id) => requests.some((request) => isFor(request, id)),
      this.#findGeneral() !== undefined,
    )
    if (this.#follows.size === 0) this.#stop()
    this.#endRescans()
  }

  async #endSettled(follow: Follow): Promise<void> {
    try {
      await this.#exclusively(() => this.#look())
    } catch (error) {
      this.#report(error, [follow])
    }
    this.#end(follow)
    follow.request.onEnd()
  }

  /** Scopes that have appeared; all that is in them is new. */
  async #discover(): Promise<void> {
    const follow = this.#findGeneral()
    if (follow?.isReady !== true) return
    try {
      for (const id of await this.#scopes.list()) if (!follow.isClosed) this.#scopes.openNew(id)
    } catch (error) {
      this.#fail(error)
    }
  }

  /** One look at a time. */
  #exclusively(body: () => Promise<unknown>): Promise<unknown> {
    const looking = this.#looking.then(body)
    this.#looking = looking.then(NOOP, NOOP)
    return looking
  }

  async #lookSoon(): Promise<void> {
    if (this.#isLookDue || this.#begun === undefined) return
    this.#isLookDue = true
    try {
      await this.#begun
      await this.#exclusively(() => {
        this.#isLookDue = false
        return this.#look()
      })
    } catch (error) {
      this.#isLookDue = false
      this.#fail(error)
    }
  }

  /** Files, journals, judgement: in this order. */
  async #look(): Promise<FeedState> {
    const feed = this.#feed
    if (feed === undefined) return NOTHING
    const looks = new Map<FollowedScope, Looks>()
    this.#scopes.poll(this.#now())
    for (const scope of this.#scopes.begun) {
      await scope.checkFolder()
      scope.wakeSuspects(this.#now())
      if (scope.isDirty) looks.set(scope, await scope.look())
    }
    const state = await feed.read((commit) => this.#tell(commit))
    if (this.#feed !== feed) return NOTHING
    if (state.hasGap) this.#scopes.doubt('gap')
    for (const [scope, found] of looks) this.#judge(scope, found, state)
    for (const scope of this.#scopes.begun) {
      for (const reason of scope.takeCompared()) this.#tellResync(scope, reason)
    }
    this.#plan(state)
    return state
  }

  #judge(scope: FollowedScope, found: Looks, { unsettled }: FeedState): void {
    const own = unsettled.filter((change) => isSameScope(change.scope, scope.id))
    for (const { key, version } of scope.judge(found, own, this.#now())) {
      const change: FollowedChange = {
        type: version === undefined ? 'delete' : 'set',
        ...{ scope: scope.id, key, version, revision: undefined, by: undefined, source: 'external' },
      }
      for (const follow of this.#followsOf(scope)) follow.request.onChanges([change])
    }
  }

  async #tell(commit: FeedCommit): Promise<void> {
    const described: DescribedChange[] = []
    const general = this.#findGeneral()
    for (const change of commit.changes) {
      const scope =
        general === undefined ? this.#scopes.find(change.scope) : this.#meet(change.scope, general)
      if (scope !== undefined) described.push(await describeChange(scope, commit, change))
    }
    for (const { request, isReady, toldTo } of [...this.#follows]) {
      if (request.initial && !isReady) continue // it will be told what is present
      const isOld = commit.revision <= toldTo
      const told = described
        .filter(({ change, wasKnown }) => isFor(request, change.scope) && !(wasKnown && isOld))
        .map(({ change }) => change)
      if (told.length > 0) request.onChanges(told)
    }
  }

  /** A scope, which may have appeared with this commit. */
  #meet(id: ScopeId, { isReady }: Follow): FollowedScope {
    return isReady ? this.#scopes.openNew(id) : this.#scopes.add(id)
  }

  #tellResync(scope: FollowedScope, reason: DoubtReason): void {
    for (const { request } of this.#followsOf(scope)) request.onResync(reason, scope.id)
  }

  /** The next look: at once, when an edit has been quiet for long enough, when a commit may be settled, or to compare. */
  #plan({ unsettled }: FeedState): void {
    this.#settleMs = unsettled.length === 0 ? SETTLE_FIRST_MS : Math.min(2 * this.#settleMs, SETTLE_MAX_MS)
    if (unsettled.length > 0) this.#clock.wake(this.#settleMs)
    const nowMs = this.#now()
    for (const scope of this.#scopes.begun) {
      const waitMs = scope.wakeSuspects(nowMs)
      if (waitMs !== undefined) this.#clock.wake(Math.ceil(waitMs))
      if (scope.isDirty && !scope.isListing) this.#clock.wake(0)
    }
    const pollMs = this.#scopes.planPoll(nowMs)
    if (pollMs !== undefined) this.#clock.wake(pollMs)
    if (this.#scopes.begun.every((scope) => scope.isCompared)) {
      this.#reported = undefined
      this.#endRescans()
    }
  }

  #onSecond(isLate: boolean): void {
    const hasFailed = this.#hasFailed
    this.#hasFailed = false
    if (hasFailed) this.#scopes.doubt('error')
    else if (isLate) this.#scopes.doubt('late')
    else for (const scope of this.#scopes.begun) scope.doubtFolder()
    this.#clock.wake(0)
    void this.#discover()
  }

  async #rescan(): Promise<void> {
    const release = this.#clock.hold()
    await this.#discover()
    this.#scopes.doubt()
    this.#clock.wake(0)
    await new Promise<void>((resolve) => this.#rescans.add(resolve))
    release()
  }

  #endRescans(): void {
    for (const resolve of this.#rescans) resolve()
    this.#rescans.clear()
  }

  /** It is tried again within a second. */
  #fail(error: unknown): void {
    this.#hasFailed = true
    this.#report(error, [...this.#follows])
  }

  #report(cause: unknown, follows: readonly Follow[]): void {
    const store = this.#site.layout.root
    const error = diskError(cause, `follow the changes of the store ${store}`, { store })
    if (error.message === this.#reported) return
    this.#reported = error.message
    for (const { request } of follows) request.onError(error)
  }

  /** One who follows all scopes. */
  #findGeneral(): Follow | undefined {
    return [...this.#follows].find(({ request }) => request.scope === undefined)
  }

  #followsOf(scope: FollowedScope): Follow[] {
    return [...this.#follows].filter(
      ({ request, isReady }) => isFor(request, scope.id) && (isReady || !request.initial),
    )
  }

  #now(): number {
    return this.#site.host.monotonicMs()
  }
}

const NOOP = (): void => undefined

const NOTHING: FeedState = { hasGap: false, unsettled: [], unsettledTo: 0 }

function isFor({ scope }: FollowRequest, id: ScopeId): boolean {
  return scope === undefined || isSameScope(scope, id)
}

function describePresent(scope: ScopeId, key: string, version: string): FollowedChange {
  return { type: 'set', scope, key, version, revision: undefined, by: undefined, source: 'initial' }
}
