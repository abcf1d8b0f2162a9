/**
 * Following: what changes in a store, in order, once, for all of this process who asked.
 *
 * A hint only makes the next look (follow-look.ts) come soon. Nothing is watched, and no handle is held, while nobody
 * follows.
 */

import { diskError } from '../base/errors.js'
import { POLL_FOLDERS_MS, QUIET_MS, WATCH_LOOK_MS } from '../base/limits.js'
import type { ScopeId } from '../base/scope-id.js'
import type { Committer } from './committer.js'
import type { Following, FollowRequest } from './engine.js'
import { CommitFeed } from './feed.js'
import { FollowClock } from './follow-clock.js'
import { Looker } from './follow-look.js'
import { Follow } from './follow-request.js'
import { FollowedScopes, type FollowSettings } from './followed-scopes.js'
import { Reader, removePast } from './readers.js'
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
  readonly #looker: Looker
  readonly #reader: Reader
  readonly #follows = new Set<Follow>()
  readonly #rescans = new Set<() => void>()
  #feed: CommitFeed | undefined
  #controlWatch: { close(): void } | undefined
  #isLookDue = false
  #hasFailed = false

  constructor(site: Site, committer: Committer, settings: FollowSettings) {
    const monotonicMs = (): number => site.host.monotonicMs()
    this.#site = site
    this.#committer = committer
    this.#settings = settings
    this.#reader = new Reader(site)
    this.#clock = new FollowClock({
      monotonicMs,
      onLook: () => void this.#lookSoon(),
      onSecond: (isLate) => this.#onSecond(isLate),
    })
    this.#scopes = new FollowedScopes(site, settings, {
      stillness: committer,
      onHint: () => this.#clock.wake(0),
      onFolders: () => void this.#discover(),
      onError: (error) => this.#fail(error),
    })
    const tools = { scopes: this.#scopes, clock: this.#clock, follows: this.#follows, monotonicMs }
    this.#looker = new Looker(tools)
  }

  /** See `Engine.follow`. */
  follow(request: FollowRequest): Following {
    const feed = this.#feed ?? this.#start()
    const release = request.persistent ? this.#clock.hold() : NOOP
    const follow = new Follow(request, feed.lastLocal, release)
    this.#follows.add(follow)
    if (request.scope !== undefined) this.#scopes.add(request.scope)
    void this.#begin(follow, feed)
    return {
      rescan: () => this.#rescan(),
      end: () => this.#endSettled(follow),
      close: () => this.#end(follow),
    }
  }

  #start(): CommitFeed {
    const feed = new CommitFeed(this.#site, {
      own: () => this.#committer.own,
      watch: (path) => this.#watch(path, () => this.#clock.wake(0)),
    })
    this.#feed = feed
    this.#committer.listener = {
      onSettled: (group) => {
        feed.addLocal(group)
        this.#clock.wake(0)
      },
      onUnknown: (group) => feed.addUnknown(group),
    }
    this.#clock.start()
    this.#reader.announce()
    this.#controlWatch = this.#watch(this.#site.layout.control, () => {
      feed.noteMoves()
      this.#clock.wake(0)
    })
    return feed
  }

  #watch(path: string, onHint: () => void): { close(): void } {
    return this.#settings.polling ? { close: NOOP } : this.#site.disk.watchFolder(path, onHint)
  }

  #stop(): void {
    this.#committer.listener = undefined
    this.#clock.stop()
    this.#controlWatch?.close()
    this.#feed?.close()
    this.#feed = undefined
    this.#reader.withdraw()
  }

  /** Resolves when nothing is held, nor left in the store; nobody follows any more. */
  async close(): Promise<void> {
    await this.#reader.settled
  }

  /** The same as the process exits, when nothing can be awaited. */
  closeAtExit(): void {
    this.#reader.withdrawAtExit()
  }

  /** Resolves when nothing is missed any more, or it has ended. */
  async #begin(follow: Follow, feed: CommitFeed): Promise<void> {
    while (!follow.isClosed) {
      try {
        await this.#reader.settled
        await feed.begin() // before it is read what is there: what is committed after that is told
        if (follow.isClosed) return
        if (follow.isGeneral) await this.#listScopes(follow, (id) => this.#scopes.add(id))
        await this.#scopes.begin((id) => follow.isFor(id)) // this takes its time, and others are told meanwhile
        await this.#looker.exclusively(() => this.#lookAndTell(follow, feed))
        return
      } catch (error) {
        this.#report(error, [follow])
        await new Promise((resolve) => setTimeout(resolve, WATCH_LOOK_MS).unref())
      }
    }
  }

  /** What this process knows after a look is what was there at first, but for a commit that is not settled. */
  async #lookAndTell(follow: Follow, feed: CommitFeed): Promise<void> {
    const isMeant = (id: ScopeId): boolean => follow.isFor(id)
    for (;;) {
      await this.#scopes.begin(isMeant)
      if (follow.isClosed) return
      await this.#looker.look(feed)
      const ungiven = await feed.findUngiven()
      if (follow.isClosed) return
      const isAnyNew = this.#scopes.isAnyUnknown(isMeant) // one that a commit has brought meanwhile
      if (ungiven !== undefined && !isAnyNew)
        return follow.begin(this.#site.host, this.#scopes.begun, ungiven)
      await new Promise((resolve) => setImmediate(resolve))
    }
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
      await this.#feed?.begin()
      await this.#look()
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

  async #lookSoon(): Promise<void> {
    if (this.#isLookDue) return
    this.#isLookDue = true
    try {
      await this.#look()
    } catch (error) {
      this.#fail(error)
    }
  }

  #look(): Promise<void> {
    return this.#looker.exclusively(async () => {
      this.#isLookDue = false
      const feed = this.#feed
      if (!feed?.isBegun) return
      await this.#looker.look(feed)
      if (!this.#scopes.isCompared) return
      for (const follow of this.#follows) follow.forgetErrors()
      this.#endRescans()
    })
  }

  #onSecond(isLate: boolean): void {
    const hasFailed = this.#hasFailed
    this.#hasFailed = false
    if (hasFailed) this.#scopes.doubt('error')
    else if (isLate) this.#scopes.doubt('late')
    else this.#scopes.doubtFolders()
    this.#feed?.noteMoves()
    this.#clock.wake(0)
    void this.#discover()
    void removePast(this.#site)
  }

  async #rescan(): Promise<void> {
    const release = this.#clock.hold()
    await this.#discover()
    this.#scopes.doubt()
    this.#feed?.noteMoves()
    this.#clock.wake(0)
    if (this.#follows.size > 0) await new Promise<void>((resolve) => this.#rescans.add(resolve))
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
    for (const follow of follows) follow.tellError(error)
  }

  /** One who follows all scopes. */
  #findGeneral(): Follow | undefined {
    return [...this.#follows].find(({ isGeneral }) => isGeneral)
  }
}

const NOOP = (): void => undefined
