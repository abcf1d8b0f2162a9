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
import type { FollowedChange, Following, FollowRequest } from './engine.js'
import { CommitFeed, type FeedCommit, type FeedState, type UngivenChange } from './feed.js'
import { describeChange } from './follow-change.js'
import { FollowClock } from './follow-clock.js'
import { Follow } from './follow-request.js'
import type { FollowedScope, Looks } from './follow-scope.js'
import { FollowedScopes, type FollowSettings } from './followed-scopes.js'
import type { Site } from './site.js'

/** Hints of the system, and the quiet time of `limits.ts`. */
export const DEFAULT_FOLLOWING: FollowSettings = {
  polling: false,
  intervalMs: POLL_FOLDERS_MS,
  quietMs: QUIET_MS,
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
    const follow = new Follow(request, this.#committer.own?.revision ?? 0, release)
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
    this.#committer.listener = {
      onSettled: (group) => {
        feed.addLocal(group)
        this.#clock.wake(0)
      },
      onUnknown: (group) => feed.addUnknown(group),
    }
    this.#clock.start()
    this.#watches.push(watch(layout.control))
  }

  #stop(): void {
    this.#committer.listener = undefined
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
        if (follow.request.scope === undefined) await this.#listScopes(follow, (id) => this.#scopes.add(id))
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
    let ungiven: readonly UngivenChange[] | undefined
    while (ungiven === undefined) {
      await this.#look()
      if (follow.isClosed) return
      ungiven = await this.#feed?.findUngiven()
    }
    follow.begin(this.#scopes.begun, ungiven)
  }

  #end(follow: Follow): void {
    if (follow.isClosed) return
    follow.close()
    this.#follows.delete(follow)
    const follows = [...this.#follows]
    this.#scopes.keep((id) => follows.some((one) => one.isFor(id)), this.#findGeneral() !== undefined)
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
      await this.#listScopes(follow, (id) => this.#scopes.openNew(id))
    } catch (error) {
      this.#fail(error)
    }
  }

  /** For one who follows all scopes. */
  async #listScopes(follow: Follow, add: (id: ScopeId) => void): Promise<void> {
    const listed = await this.#scopes.list()
    if (follow.isClosed) return
    this.#scopes.watchFolders(listed)
    for (const id of listed.scopes) add(id)
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
  async #look(): Promise<void> {
    const feed = this.#feed
    if (!feed?.isBegun) return
    const looks = new Map<FollowedScope, Looks>()
    this.#scopes.poll(this.#now())
    for (const scope of this.#scopes.begun) {
      await scope.checkFolder()
      scope.wakeSuspects(this.#now())
      looks.set(scope, await scope.look())
    }
    const state = await feed.read((commit) => (this.#feed === feed ? this.#tell(commit) : undefined))
    const isAnyDifferent = [...looks].some(([scope, found]) => scope.isDifferent(found))
    const ungiven = isAnyDifferent ? await feed.findUngiven() : undefined
    if (this.#feed !== feed) return
    if (state.hasGap) this.#scopes.doubt('gap')
    for (const [scope, found] of looks) this.#judge(scope, found, ungiven)
    for (const scope of this.#scopes.begun) {
      for (const reason of scope.takeCompared())
        for (const follow of [...this.#follows]) follow.tellResync(reason, scope.id)
    }
    this.#plan(state)
  }

  #judge(scope: FollowedScope, found: Looks, ungiven: readonly UngivenChange[] | undefined): void {
    const own = ungiven?.filter((change) => isSameScope(change.scope, scope.id))
    const keys = own && new Set(own.map(({ key }) => key))
    for (const { key, version } of scope.judge(found, keys, this.#now())) {
      const change: FollowedChange = {
        type: version === undefined ? 'delete' : 'set',
        ...{ scope: scope.id, key, version, revision: undefined, by: undefined, source: 'external' },
      }
      for (const follow of [...this.#follows]) follow.tellEdit(change)
    }
  }

  async #tell(commit: FeedCommit): Promise<void> {
    const described: FollowedChange[] = []
    const general = this.#findGeneral()
    for (const change of commit.changes) {
      const scope =
        general === undefined ? this.#scopes.find(change.scope) : this.#meet(change.scope, general)
      if (scope !== undefined) described.push(await describeChange(scope, commit, change))
    }
    for (const follow of [...this.#follows]) follow.tellCommit(commit, described)
  }

  /** A scope, which may have appeared with this commit. */
  #meet(id: ScopeId, { isReady }: Follow): FollowedScope {
    return isReady ? this.#scopes.openNew(id) : this.#scopes.add(id)
  }

  /** The next look: at once, when an edit has been quiet for long enough, when a commit may be settled, or to compare. */
  #plan({ isWaiting }: FeedState): void {
    this.#settleMs = isWaiting ? Math.min(2 * this.#settleMs, SETTLE_MAX_MS) : SETTLE_FIRST_MS
    if (isWaiting) this.#clock.wake(this.#settleMs)
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

  #now(): number {
    return this.#site.host.monotonicMs()
  }
}

const NOOP = (): void => undefined
