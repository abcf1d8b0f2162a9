/**
 * The committer: owns the store while there is work, and lets it go.
 *
 * O1  One group, one visit, one checkpoint's beginning or end at a time.
 * O2  The store is let go, and a journal retired, only when every change of the journal is published; otherwise it is
 *     dropped as it stands, and the next owner, here or elsewhere, settles it.
 * O3  Nothing keeps the process alive but commits that wait or are under way.
 * O4  Between two groups timers and sockets have their turn every few milliseconds, though all calls are quick ones.
 *
 * States: resting (nothing owned) -- own --> owner -- work --> owner -- letGo --> resting; an owner that is fenced, or
 * whose disk fails outside a commit, rests at once; one whose journal cannot be flushed is broken for good.
 */

import { diskError, locateError, StorageError } from '../base/errors.js'
import { COURTESY_MS, IDLE_MS, PAUSE_MS, POLL_MS, REST_MS, SLICE_MS } from '../base/limits.js'
import type { ScopeId } from '../base/scope-id.js'
import type { Lock } from '../disk/lock.js'
import { Alarm } from './alarm.js'
import { Checkpoints } from './checkpoint.js'
import { abandonClaim, hasWaiters, isStanding } from './claim.js'
import { commitGroup, type GroupListener, type GroupOutcome } from './commit.js'
import type { CommitNow, CommitReceipt, CommitRequest, VisitOptions } from './engine.js'
import { CommitQueue, makePending, type PendingCommit, type PendingVisit } from './group.js'
import { acquire, type KnownJournals, letGo, letGoAtExit, type Ownership, type Waiting } from './own.js'
import { Publisher, type Unpublished } from './publisher.js'
import type { RecordedChange, SettledGroup } from './record.js'
import { type Site, Yielder } from './site.js'
import { UsageBook } from './usage.js'
import { runVisit, type VisitBody } from './visit.js'

/** What an owner has made, and what may be in place of it. */
export interface OwnCommits {
  /** The name of the work folder. */
  readonly folder: string
  /** The last settled revision. */
  readonly revision: number
  /** The group behind it, some of whose files may be in place. */
  readonly underWay: SettledGroup | undefined
  /** Settled changes that could not be put in place yet. */
  readonly unpublished: readonly RecordedChange[]
}

/** Commits to one store, for all of this process. */
export class Committer {
  /** Is told what becomes of each group. */
  listener: GroupListener | undefined
  /** Whoever listens when it happens is told, not who listened when the group began. */
  readonly #teller: GroupListener = {
    onSettled: (group) => this.listener?.onSettled(group),
    onUnknown: (group) => this.listener?.onUnknown(group),
  }
  readonly #site: Site
  readonly #lock: Lock
  readonly #queue: CommitQueue
  readonly #known: KnownJournals = new Map()
  readonly #checkpoints: Checkpoints
  readonly #alarm = new Alarm()
  readonly #publisher: Publisher
  readonly #usage: UsageBook
  #owned: Ownership | undefined
  #running: Promise<void> | undefined
  #watch: { close(): void } | undefined
  #broken: StorageError | undefined
  #isClosing = false
  #isResting = false
  #ownedSinceMs = 0
  #lastWriteMs = 0
  #lastLookMs = 0
  /** After letting the store go to others, this process does not claim again at once. */
  #courtesy = { top: 0, untilMs: 0 }
  #closeFailure: unknown

  /** `lockTimeoutMs` is how long a commit may wait for its turn. */
  constructor(site: Site, lock: Lock, lockTimeoutMs: number) {
    this.#site = site
    this.#lock = lock
    this.#queue = new CommitQueue(site.layout.root, lockTimeoutMs)
    this.#checkpoints = new Checkpoints(site, this.#known)
    this.#publisher = new Publisher(site, (ms) => this.#alarm.sleep(ms, true))
    this.#usage = new UsageBook(site)
  }

  /** Whether the journal could not be flushed: the store must be opened anew. */
  get isBroken(): boolean {
    return this.#broken !== undefined
  }

  /** Whether commits wait, are under way, or the store is owned. */
  get isActive(): boolean {
    return this.#running !== undefined
  }

  /** What those must know who follow the commits of all processes; undefined while this one does not own the store. */
  get own(): OwnCommits | undefined {
    if (this.#owned === undefined) return undefined
    const { claim, revision, underWay } = this.#owned
    return { folder: claim.folder, revision, underWay, unpublished: this.#publisher.all }
  }

  /** See `Engine.commit`. Throws for keys that cannot be one. */
  commit(request: CommitRequest): Promise<CommitReceipt> {
    const paths = this.#findPaths(request)
    request.signal?.throwIfAborted()
    if (this.#broken !== undefined) throw this.#describeBroken()
    const receipt = this.#queue.add(request, paths, this.#now())
    this.#start()
    return receipt
  }

  /** Runs something while this process owns the store and nothing else is committed; takes over first if need be. */
  async visit<T>(body: VisitBody<T>, options: Partial<VisitOptions> = {}): Promise<T> {
    const { limitMs = Number.POSITIVE_INFINITY, signal } = options
    signal?.throwIfAborted()
    if (this.#broken !== undefined) throw this.#describeBroken()
    return new Promise<T>((resolve, reject) => {
      const run = (commit: CommitNow, owned: Ownership): Promise<void> =>
        runVisit((now) => body(now, owned), commit, limitMs).then(resolve, reject)
      this.#queue.addVisit({ sinceMs: this.#now(), run, reject }, signal)
      this.#start()
    })
  }

  /** A certain change that is not at its key yet: what a read must give. */
  findUnpublished(scope: ScopeId, key: string): Unpublished | undefined {
    return this.#publisher.find(scope, key)
  }

  /** The certain changes of a scope that are not in place yet. */
  unpublishedOf(scope: ScopeId): Iterable<RecordedChange> {
    return this.#publisher.ofScope(scope)
  }

  /** Two equal numbers mean that nothing was published between them; undefined while this process is not the owner. */
  get publications(): number | undefined {
    return this.#owned === undefined ? undefined : this.#publisher.publications
  }

  /** Whether this process still is the owner: false once another has fenced it. */
  async isOwner(): Promise<boolean> {
    return this.#owned !== undefined && (await isStanding(this.#site, this.#owned.claim))
  }

  /** Commits what waits, checkpoints, lets the store go. Rejects if the last flush failed; nothing is lost then. */
  async close(): Promise<void> {
    this.#isClosing = true
    this.#start()
    await this.#running
    if (this.#closeFailure === undefined) return
    throw diskError(this.#closeFailure, 'finish the last checkpoint', { store: this.#site.layout.root })
  }

  /** Lets the store go while the process exits, if nothing is under way; otherwise the next owner recovers. */
  releaseAtExit(): void {
    if (this.#isResting && this.#owned !== undefined && this.#publisher.isDone)
      letGoAtExit(this.#site, this.#owned)
  }

  #findPaths({ changes }: CommitRequest): string[] {
    try {
      return changes.map(({ scope, key }) => this.#site.layout.keyPath(scope, key))
    } catch (error) {
      throw locateError(error, { outcome: 'none' })
    }
  }

  #start(): void {
    this.#alarm.ring()
    this.#running ??= this.#run()
  }

  async #run(): Promise<void> {
    await Promise.resolve() // what is called in the same turn of the event loop makes one group
    const yielder = new Yielder(this.#site.host)
    while (await this.#step()) if (yielder.isDue()) await yielder.yield() // O4
    this.#running = this.#queue.isEmpty ? undefined : this.#run()
    await this.#running
  }

  /** One step; false when nothing waits and nothing is owned. */
  async #step(): Promise<boolean> {
    try {
      if (this.#queue.isEmpty) return await this.#rest()
      const owned = await this.#own()
      if (owned !== undefined) await this.#work(owned)
    } catch (error) {
      await this.#giveUp(error)
    }
    return true
  }

  async #work(owned: Ownership): Promise<void> {
    const group = this.#queue.takeGroup()
    if (group.length > 0) {
      const { again, isFenced } = await this.#commitGroup(owned, group)
      this.#queue.putBack(again)
      if (isFenced) return this.#drop()
    }
    const visit = this.#queue.takeVisit()
    if (visit !== undefined && (await this.#receive(owned, visit))) return this.#drop()
    if (this.#publisher.isDone) await this.#checkpoints.tend(owned, false)
  }

  async #commitGroup(owned: Ownership, group: readonly PendingCommit[]): Promise<GroupOutcome> {
    const sleep = (ms: number): Promise<void> => this.#alarm.sleep(ms, true)
    const tools = {
      site: this.#site,
      owned,
      publisher: this.#publisher,
      usage: this.#usage,
      sleep,
      listener: this.#teller,
    }
    const outcome = await commitGroup(tools, group)
    this.#lastWriteMs = this.#now()
    return outcome
  }

  /** Lets a visit run, with commits of its own. True if the store was lost meanwhile. */
  async #receive(owned: Ownership, visit: PendingVisit): Promise<boolean> {
    const groups: Promise<GroupOutcome>[] = []
    const isLost = async (): Promise<boolean> => (await Promise.all(groups)).some(({ isFenced }) => isFenced)
    await visit.run(async (request) => {
      const paths = this.#findPaths(request)
      if (await isLost()) throw this.#describeFenced()
      return new Promise((resolve, reject) => {
        const pending = makePending(request, paths, this.#now(), { resolve, reject })
        const group = this.#commitGroup(owned, [pending])
        group.then(({ again }) => again.length > 0 && reject(this.#describeFenced())).catch(() => undefined)
        groups.push(group) // awaited below, where its failure ends the ownership
      })
    }, owned)
    return (await isLost()) || !(await isStanding(this.#site, owned.claim))
  }

  /** Nothing waits: checkpoint when it has been quiet for a while, then let the store go. */
  async #rest(): Promise<boolean> {
    const owned = this.#owned
    if (owned === undefined) {
      this.#drop()
      return false
    }
    await this.#publisher.publishLate()
    if (await this.#isDone(owned)) await this.#letGo(owned)
    else await this.#restFor(this.#hasPaused() ? REST_MS : PAUSE_MS)
    return true
  }

  /** Whether the store can be let go: all is synced and it is quiet, or others wait. */
  async #isDone(owned: Ownership): Promise<boolean> {
    const isClosing = this.#isClosing // it may be closed in the meantime: then there is more to do the next time
    if (!this.#publisher.isDone) return isClosing
    if (isClosing) await this.#checkpoints.complete(owned)
    else await this.#checkpoints.tend(owned, this.#isQuiet())
    const isSynced = this.#isQuiet() && !this.#checkpoints.isNeeded(owned)
    return isClosing || isSynced || (this.#hasPaused() && this.#isWantedByOthers(owned))
  }

  /** Nothing is under way meanwhile, so the store can be let go if the process exits. */
  async #restFor(ms: number): Promise<void> {
    this.#isResting = true
    await this.#alarm.sleep(ms, false)
    this.#isResting = false
  }

  /** Whoever writes one thing after another keeps the store in between, until its slice is over. */
  #hasPaused(): boolean {
    return this.#now() - this.#lastWriteMs >= PAUSE_MS
  }

  #isQuiet(): boolean {
    return this.#now() - this.#lastWriteMs >= IDLE_MS
  }

  /** The store in this process's hands; undefined if nothing waits for it any more. */
  async #own(): Promise<Ownership | undefined> {
    if (this.#owned !== undefined && this.#now() - this.#ownedSinceMs > SLICE_MS) {
      if (await this.#isWantedByOthers(this.#owned)) await this.#letGo(this.#owned)
    }
    if (this.#owned !== undefined) return this.#owned
    try {
      this.#watch ??= this.#site.disk.watchFolder(this.#site.layout.control, () => this.#alarm.ring())
      this.#owned = await acquire(this.#site, this.#lock, this.#known, this.#waiting())
    } catch (cause) {
      const store = this.#site.layout.root
      this.#queue.rejectAll((place) =>
        diskError(cause, `take over the store ${store}`, { ...place, store, outcome: 'none' }),
      )
    }
    this.#ownedSinceMs = this.#now()
    return this.#owned
  }

  #waiting(): Waiting {
    let hasLooked = false
    return {
      isWanted: () => {
        if (hasLooked) this.#queue.expire(this.#now()) // nothing is too late that nobody looked after
        hasLooked = true
        return !this.#queue.isEmpty
      },
      mayFollow: (top) => top !== this.#courtesy.top || this.#now() > this.#courtesy.untilMs,
      sleep: (ms) => this.#alarm.sleep(ms, true),
    }
  }

  /** Something failed that no commit is to blame for. Nothing is lost: the journal stays, and the next owner settles it. */
  async #giveUp(error: unknown): Promise<void> {
    const wasBroken = this.#broken !== undefined
    if (error instanceof StorageError && error.code === 'STORE_BROKEN') {
      this.#broken = error
      this.#queue.rejectAll(() => this.#describeBroken())
    }
    const isFenced =
      this.#owned !== undefined && !(await isStanding(this.#site, this.#owned.claim).catch(() => true))
    if (this.#isClosing && !isFenced && !wasBroken) this.#closeFailure ??= error
    this.#drop()
  }

  async #isWantedByOthers(owned: Ownership): Promise<boolean> {
    if (!this.#publisher.isDone || this.#now() - this.#lastLookMs < POLL_MS) return false
    this.#lastLookMs = this.#now()
    return hasWaiters(this.#site, owned.claim)
  }

  async #letGo(owned: Ownership): Promise<void> {
    this.#courtesy = { top: owned.claim.number, untilMs: this.#now() + COURTESY_MS }
    if (this.#publisher.isDone) await letGo(this.#site, this.#lock, owned)
    this.#drop()
  }

  /** Is no owner any more, whatever stands on the disk: the next owner settles it. */
  #drop(): void {
    this.#watch?.close()
    this.#watch = undefined
    if (this.#owned === undefined) return
    this.#owned.journal.close()
    abandonClaim(this.#owned.claim)
    void this.#site.disk.removeSpares(this.#owned.claim.path)
    this.#owned = undefined
    this.#publisher.forget()
    this.#lock.release()
  }

  #describeFenced(): StorageError {
    const store = this.#site.layout.root
    const message = `Another process took the store ${store} over before this commit; try again.`
    return new StorageError('FENCED', message, { store, outcome: 'none' })
  }

  #describeBroken(): StorageError {
    const store = this.#site.layout.root
    const message = `The store ${store} is broken since its journal could not be flushed; close it and open it again.`
    return new StorageError('STORE_BROKEN', message, { store, outcome: 'none', cause: this.#broken })
  }

  #now(): number {
    return this.#site.host.monotonicMs()
  }
}
