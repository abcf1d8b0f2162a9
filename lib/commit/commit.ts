/**
 * Committing: all the control flow from a waiting commit to a durable and visible one.
 *
 * Definitions. A *group* is the commits that one flush serves. The *owner* is the process that holds the highest
 * claim (claim.ts). A commit is *certain* once a call through the path of the work folder has succeeded after the
 * flush of its record: from then on whoever fences this owner finds the record and finishes it.
 *
 * Invariants.
 * W1  Nothing is published before the record that names it is flushed; nothing is recorded before it is staged.
 * W2  A promise resolves only when its commit is certain and every file of it is in place.
 * W3  What fails before the flush is undone, outcome `none`. A flush that fails leaves the store broken, `unknown`.
 * W4  A certain commit is published however long it takes; until then its keys are read from memory.
 * W5  Groups are committed one after another; within a group, commits keep the order of their calls.
 * W6  The store is let go, and a journal retired, only when every change of the journal is published.
 *
 * States: resting (nothing owned) -- own --> owner -- commitGroup --> owner -- letGo --> resting;
 * an owner that is fenced rests, and what had not reached the journal waits for the next claim; one whose journal
 * cannot be flushed is broken for good.
 */

import { diskError, StorageError, type WriteOutcome } from '../base/errors.js'
import {
  COURTESY_MS,
  IDLE_MS,
  LOCK_TIMEOUT_MS,
  POLL_MS,
  PUBLISH_RETRY_MS,
  REST_MS,
  SLICE_MS,
  YIELD_MS,
} from '../base/limits.js'
import type { ScopeId } from '../base/scope-id.js'
import type { Lock } from '../disk/lock.js'
import { Alarm } from './alarm.js'
import { Checkpoints } from './checkpoint.js'
import { abandonClaim, type Claim, findWorkFolder, hasWaiters, isStanding, readControlNames } from './claim.js'
import type { CommitReceipt, CommitRequest } from './engine.js'
import { CommitQueue } from './group.js'
import { acquire, type KnownJournals, letGo, letGoAtExit, type Ownership, syncLargeScopes, type Waiting } from './own.js'
import { publishChange } from './publish.js'
import type { RecordedChange } from './record.js'
import { type Site, Yielder } from './site.js'
import { describeFailure, type StagedCommit, stageGroup, unstage } from './stage-group.js'

/** Commits to one store, for all of this process. */
export class Committer {
  readonly #site: Site
  readonly #lock: Lock
  readonly #queue: CommitQueue
  readonly #known: KnownJournals = new Map()
  readonly #checkpoints: Checkpoints
  readonly #alarm = new Alarm()
  /** Certain changes that could not be published yet, by the file of their key (W4). */
  readonly #unpublished = new Map<string, RecordedChange>()
  #owned: Ownership | undefined
  #running: Promise<void> | undefined
  #watch: { close(): void } | undefined
  #broken: StorageError | undefined
  #publications = 0
  #isClosing = false
  #isAsleep = false
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
  }

  /** Whether the journal could not be flushed: the store must be opened anew. */
  get isBroken(): boolean {
    return this.#broken !== undefined
  }

  /** Whether commits wait, are under way, or the store is owned. */
  get isActive(): boolean {
    return this.#running !== undefined
  }

  /** See `Engine.commit`. Throws for keys that cannot be one. */
  commit(request: CommitRequest): Promise<CommitReceipt> {
    const paths = request.changes.map(({ scope, key }) => this.#site.layout.keyPath(scope, key))
    request.signal?.throwIfAborted()
    if (this.#broken !== undefined) throw this.#describeBroken()
    const receipt = this.#queue.add(request, paths, this.#now())
    this.#start()
    return receipt
  }

  /** Runs something while this process owns the store and nothing is being committed; takes over first if need be. */
  visit<T>(body: () => Promise<T>): Promise<T> {
    if (this.#broken !== undefined) return Promise.reject(this.#describeBroken())
    return new Promise<T>((resolve, reject) => {
      const run = (): Promise<void> => body().then(resolve, reject)
      this.#queue.addVisit({ sinceMs: this.#now(), run, reject })
      this.#start()
    })
  }

  /** A certain change that is not at its key yet: what a read must give (W4). */
  findUnpublished(scope: ScopeId, key: string): { change: RecordedChange; folder: string } | undefined {
    if (this.#unpublished.size === 0 || this.#owned === undefined) return undefined
    const change = this.#unpublished.get(this.#site.layout.keyPath(scope, key))
    return change && { change, folder: this.#owned.claim.path }
  }

  /** Two equal numbers mean that nothing was published between them; undefined while this process is not the owner. */
  get publications(): number | undefined {
    return this.#owned === undefined ? undefined : this.#publications
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
    if (this.#isAsleep && this.#owned !== undefined && this.#unpublished.size === 0) letGoAtExit(this.#site, this.#owned)
  }

  #start(): void {
    this.#alarm.ring()
    this.#running ??= this.#run()
  }

  async #run(): Promise<void> {
    await undefined // what is called in the same turn of the event loop makes one group
    while (await this.#step());
    this.#running = undefined
  }

  /** One step; false when nothing waits and nothing is owned. */
  async #step(): Promise<boolean> {
    try {
      if (this.#queue.isEmpty) return await this.#rest()
      const owned = await this.#own()
      if (owned === undefined) return true
      await this.#commitGroup(owned)
      for (const visit of this.#queue.takeVisits()) await visit.run()
      if (this.#owned === owned) await this.#checkpoints.tend(owned, false)
    } catch (error) {
      this.#giveUp(error)
    }
    return true
  }

  /** Nothing waits: checkpoint when it has been quiet for a while, then let the store go. */
  async #rest(): Promise<boolean> {
    const owned = this.#owned
    if (owned === undefined) {
      this.#drop()
      return false
    }
    await this.#publishLate(owned)
    if (this.#isClosing) await this.#checkpoints.complete(owned)
    else await this.#checkpoints.tend(owned, this.#isQuiet())
    const isDone = this.#isClosing || (this.#isQuiet() && !this.#checkpoints.isNeeded(owned))
    if (isDone || (await this.#isWantedByOthers(owned))) await this.#letGo(owned)
    else await this.#sleep(REST_MS, false)
    return true
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
    this.#watch ??= this.#site.disk.watchFolder(this.#site.layout.control, () => this.#alarm.ring())
    try {
      this.#owned = await acquire(this.#site, this.#lock, this.#known, this.#waiting())
    } catch (cause) {
      const store = this.#site.layout.root
      this.#queue.rejectAll(() => diskError(cause, `take over the store ${store}`, { store, outcome: 'none' }))
    }
    this.#ownedSinceMs = this.#now()
    return this.#owned
  }

  #waiting(): Waiting {
    return {
      isWanted: () => {
        this.#queue.expire(this.#now())
        return !this.#queue.isEmpty
      },
      mayFollow: (top) => top !== this.#courtesy.top || this.#now() > this.#courtesy.untilMs,
      sleep: (ms) => this.#sleep(ms, true),
    }
  }

  async #commitGroup(owned: Ownership): Promise<void> {
    const group = this.#queue.takeGroup()
    if (group.length === 0) return
    let outcome: WriteOutcome = 'none'
    try {
      const firstStaged = owned.stage.lastStaged + 1
      const staged = await stageGroup(this.#site, owned.stage, group)
      if (!Array.isArray(staged)) {
        this.#queue.putBack(staged.fenced)
        this.#drop()
      } else if (await this.#journal(owned, staged, firstStaged)) {
        outcome = 'unknown'
        await this.#publish(owned, staged, firstStaged)
      }
    } catch (error) {
      for (const pending of group) pending.reject(describeFailure(this.#site, pending, error, outcome))
      throw error
    } finally {
      this.#lastWriteMs = this.#now()
    }
  }

  /** Makes a staged group durable. False if it cannot be: then it is undone, and its commits are rejected (W3). */
  async #journal(owned: Ownership, staged: readonly StagedCommit[], firstStaged: number): Promise<boolean> {
    const commits = staged.filter(({ changes }) => changes.length > 0)
    if (commits.length === 0) return true
    try {
      await this.#syncLarge(owned, commits)
      const recorded = commits.map(({ pending, changes }) => ({ writer: pending.request.writer, changes }))
      const { revision, stage } = owned
      await owned.journal.append({ kind: 'commits', revision: revision + 1, time: stage.lastTime, commits: recorded })
    } catch (error) {
      await unstage(this.#site, owned.stage, firstStaged)
      for (const { pending } of staged) pending.reject(describeFailure(this.#site, pending, error))
      return false
    }
    await owned.journal.sync()
    return true
  }

  /** The names of large staged files are synced; their bytes are, since they were staged. */
  async #syncLarge(owned: Ownership, commits: readonly StagedCommit[]): Promise<void> {
    const large = commits.flatMap(({ changes }) => changes.filter(isLarge))
    if (large.length === 0) return
    await syncLargeScopes(this.#site, owned.stage)
    await this.#site.disk.syncFolder(owned.claim.path)
    for (const { scope } of large) owned.stage.largeScopes.add(scope)
  }

  /** Puts every file of a durable group in place, and settles its promises (W2). */
  async #publish(owned: Ownership, staged: readonly StagedCommit[], firstStaged: number): Promise<void> {
    const changes = staged.flatMap((commit) => commit.changes.filter((change) => change.kind !== 'superseded'))
    const failures = new Map<RecordedChange, unknown>()
    const yielder = new Yielder(this.#site.host, YIELD_MS)
    for (const [index, change] of changes.entries()) {
      const outcome = await this.#tryPublish(owned, change)
      if (outcome === 'gone') return this.#endFenced(owned, staged, index > 0)
      if (outcome !== 'published' && index === 0) return this.#takeBack(owned, staged, firstStaged, outcome.error)
      if (outcome !== 'published') failures.set(change, await this.#publishPatiently(owned, change, outcome.error))
      if (yielder.isDue()) await yielder.yield()
    }
    this.#settle(owned, staged, failures)
  }

  async #tryPublish(owned: Ownership, change: RecordedChange): Promise<'published' | 'gone' | { error: unknown }> {
    try {
      const outcome = await publishChange(this.#site, owned.claim.path, change)
      this.#publications += 1
      this.#unpublished.delete(this.#site.layout.keyPath(change.scope, change.key))
      return outcome
    } catch (error) {
      owned.stage.readyScopes.clear()
      return { error }
    }
  }

  /** Tries again for a while; after that the change is read from memory, and tried again with every later group (W4). */
  async #publishPatiently(owned: Ownership, change: RecordedChange, first: unknown): Promise<unknown> {
    const untilMs = this.#now() + PUBLISH_RETRY_MS
    let error = first
    while (this.#now() < untilMs) {
      await this.#sleep(POLL_MS, true)
      const outcome = await this.#tryPublish(owned, change)
      if (typeof outcome === 'string') return undefined
      error = outcome.error
    }
    this.#unpublished.set(this.#site.layout.keyPath(change.scope, change.key), change)
    return error
  }

  async #publishLate(owned: Ownership): Promise<void> {
    for (const change of [...this.#unpublished.values()]) await this.#tryPublish(owned, change)
  }

  /** The very first file of a group could not be put in place: nothing is visible, so the record is taken back (W3). */
  async #takeBack(
    owned: Ownership,
    staged: readonly StagedCommit[],
    firstStaged: number,
    error: unknown,
  ): Promise<void> {
    await owned.journal.takeBack()
    if (!(await isStanding(this.#site, owned.claim))) return this.#endFenced(owned, staged, false)
    await unstage(this.#site, owned.stage, firstStaged)
    const group = staged.map(({ pending }) => pending)
    if (group.length === 1) return group[0]?.reject(describeFailure(this.#site, group[0], error))
    for (const pending of group) pending.isAlone = true
    this.#queue.putBack(group)
  }

  #settle(owned: Ownership, staged: readonly StagedCommit[], failures: ReadonlyMap<RecordedChange, unknown>): void {
    for (const { pending, changes, results } of staged) {
      if (changes.length > 0) owned.revision += 1
      const failed = changes.find((change) => failures.get(change) !== undefined)
      if (failed !== undefined) pending.reject(describeFailure(this.#site, pending, failures.get(failed), 'committed'))
      else pending.resolve({ revision: changes.length > 0 ? owned.revision : undefined, results })
    }
  }

  /** Another process has fenced this one after the flush: it finishes the group, or it never saw the record. */
  async #endFenced(owned: Ownership, staged: readonly StagedCommit[], isCertain: boolean): Promise<void> {
    this.#drop()
    await this.#waitUntilSettled(owned.claim)
    if (isCertain || (await this.#isRecovered(staged))) return this.#settle(owned, staged, new Map())
    const store = this.#site.layout.root
    const message = `Another process took the store ${store} over in the middle of this commit; read the keys to see what came of it.`
    for (const { pending } of staged) pending.reject(new StorageError('FENCED', message, { store, outcome: 'unknown' }))
  }

  async #waitUntilSettled(claim: Claim): Promise<void> {
    const untilMs = this.#now() + LOCK_TIMEOUT_MS
    while (this.#now() < untilMs) {
      if (findWorkFolder(await readControlNames(this.#site), claim.folder) === undefined) return
      await this.#sleep(POLL_MS, true)
    }
  }

  /** One file of the group in place proves that its record was seen, and so the whole group is committed. */
  async #isRecovered(staged: readonly StagedCommit[]): Promise<boolean> {
    for (const change of staged.flatMap(({ changes }) => changes)) {
      if (change.kind !== 'set') continue
      const present = await this.#site.disk.stat(this.#site.layout.keyPath(change.scope, change.key))
      if (present?.time === change.time) return true
    }
    return false
  }

  /** Something failed that no commit is to blame for. Nothing is lost: the journal stays, and the next owner settles it. */
  #giveUp(error: unknown): void {
    if (this.#isClosing) this.#closeFailure ??= error
    if (error instanceof StorageError && error.code === 'STORE_BROKEN') {
      this.#broken = error
      this.#queue.rejectAll(() => this.#describeBroken())
    }
    this.#drop()
  }

  async #isWantedByOthers(owned: Ownership): Promise<boolean> {
    if (this.#unpublished.size > 0 || this.#now() - this.#lastLookMs < POLL_MS) return false
    this.#lastLookMs = this.#now()
    return hasWaiters(this.#site, owned.claim)
  }

  async #letGo(owned: Ownership): Promise<void> {
    this.#courtesy = { top: owned.claim.number, untilMs: this.#now() + COURTESY_MS }
    if (this.#unpublished.size === 0) await letGo(this.#site, this.#lock, owned)
    this.#drop()
  }

  /** Is no owner any more, whatever stands on the disk: the next owner settles it. */
  #drop(): void {
    this.#watch?.close()
    this.#watch = undefined
    if (this.#owned === undefined) return
    this.#owned.journal.close()
    abandonClaim(this.#owned.claim)
    this.#owned = undefined
    this.#unpublished.clear()
    this.#lock.release()
  }

  #describeBroken(): StorageError {
    const store = this.#site.layout.root
    const message = `The store ${store} is broken since its journal could not be flushed; close it and open it again.`
    return new StorageError('STORE_BROKEN', message, { store, outcome: 'none', cause: this.#broken })
  }

  async #sleep(ms: number, keepAlive: boolean): Promise<void> {
    this.#isAsleep = true
    await this.#alarm.sleep(ms, keepAlive)
    this.#isAsleep = false
  }

  #now(): number {
    return this.#site.host.monotonicMs()
  }
}

function isLarge(change: RecordedChange): boolean {
  return change.kind === 'set' && change.value.bytes === undefined
}
