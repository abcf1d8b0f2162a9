/**
 * The feed: the commits of all processes, one by one in the order of their revisions.
 *
 * Definitions. A commit is *certain* as commit.ts says. It is *settled* when it is certain and its files are in place.
 * The journals *stood still* if the names in `.plainkeep` are the same before and after, and this process is the owner
 * before and after, or is not.
 *
 * Invariants.
 * F1  Every commit is given once, in order of revision, and only when it is settled: who reads a key after that finds
 *     its version or a later one.
 * F2  Commits of this process come from its committer, those of others from journals: the owner's, which grows, and
 *     kept ones. A commit of this process that another owner had to finish is this process's all the same.
 * F3  A record counts if another one stands behind it, since an owner appends only when the one before is settled; or if
 *     its journal got a name that covers it; or if all of its files are in place while the work folder still
 *     stands; or if the next journal begins with its very revision and time. Until then it may be taken back.
 * F4  Where a revision is known to exist and no journal has it any more, there is a *gap*: the feed says so, and goes on
 *     behind it. Only while the journals stand still can it be sure of that.
 * F5  What was not given and yet may be in place is known: it is under way in this process, or it is in a journal, since
 *     a record is there before its files are, and journals that stood still were all followed and read to their end.
 */

import { STILL_ROUNDS } from '../base/limits.js'
import { isSameScope } from '../base/scope-id.js'
import { isStanding } from './claim.js'
import type { OwnCommits } from './committer.js'
import { type FollowedJournal, isNamed, type JournalPlace } from './feed-journal.js'
import { FollowedJournals } from './feed-journals.js'
import type { JournalRecord, RecordedChange, SettledGroup } from './record.js'
import { type Site, Yielder } from './site.js'

/** A commit as the feed gives it. */
export interface FeedCommit {
  readonly revision: number
  readonly writer: string | undefined
  readonly changes: readonly RecordedChange[]
  /** Whether this process made it. */
  readonly isLocal: boolean
  /** What the commits of its group leave at a key that a change of it was superseded at. */
  readonly isSetInTheEnd: (change: RecordedChange) => boolean
}

/** What one look at the journals found. */
export interface FeedState {
  /** Commits are missing; the next read goes on behind them. */
  readonly hasGap: boolean
  /** There is more, but it is not settled: look again soon. */
  readonly isWaiting: boolean
}

/** A change that was not given and yet may be in place; without a revision it was given, but may not be in place. */
export type UngivenChange = RecordedChange & { readonly revision?: number }

type CommitsRecord = JournalRecord & { readonly kind: 'commits' }

type Deliver = (commit: FeedCommit) => void | Promise<void>

/** What a feed asks of its follower. */
export interface FeedSources {
  /** While this process owns the store: what it has made, beside what it adds. */
  own(): OwnCommits | undefined
  /** Watches a journal that grows. */
  watch(path: string): { close(): void }
}

/** Follows the commits of a store. */
export class CommitFeed {
  readonly #site: Site
  readonly #sources: FeedSources
  readonly #journals: FollowedJournals
  #local: FeedCommit[] = []
  /** Groups of this process that another one may have finished. */
  #unknown: SettledGroup[] = []
  #revision = 0
  #lastLocal = 0
  #beginning: Promise<void> | undefined
  #isBegun = false
  #isClosed = false
  /** Journals may have been moved since they were listed. */
  #isListingDue = true
  /** Whether they were listed by the last read: before that a work folder may have got a journal. */
  #isListed = false

  constructor(site: Site, sources: FeedSources) {
    this.#site = site
    this.#sources = sources
    this.#journals = new FollowedJournals(site, (path) => sources.watch(path))
  }

  /** Whether it is known what is behind it. */
  get isBegun(): boolean {
    return this.#isBegun
  }

  /** Whether nobody wants any more commits. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** The last revision that this process has settled, as far as was added. */
  get lastLocal(): number {
    return this.#lastLocal
  }

  /** Commits that this process has settled. */
  addLocal(group: SettledGroup): void {
    this.#local.push(...listCommits(group, true))
    this.#lastLocal = lastOf(group)
  }

  /** Commits of this process of which only a later owner knows what came of them. */
  addUnknown(group: SettledGroup): void {
    this.#unknown.push(group)
  }

  /** Journals may have been moved. */
  noteMoves(): void {
    this.#isListingDue = true
  }

  /** Begins behind the last settled commit, but before the first local one that was added. Once; rejects if it failed. */
  begin(): Promise<void> {
    this.#beginning ??= this.#begin().catch((error: unknown) => {
      this.#beginning = undefined
      throw error
    })
    return this.#beginning
  }

  async #begin(): Promise<void> {
    for (let round = 0; round < STILL_ROUNDS; round += 1) {
      const own = this.#sources.own()
      await this.#listJournals()
      for (const journal of this.#journals.all) await journal.read()
      this.#revision = Math.max(this.#lastKnown(), own?.revision ?? 0)
      while (await this.#readJournals(() => undefined));
      if (await this.#isStill()) break
    }
    this.#isBegun = true
    const [first] = this.#local
    if (first === undefined || first.revision > this.#revision) return
    this.#revision = first.revision - 1
    this.#journals.letGo() // what others made after it is to be read once more
  }

  /** Gives all commits that are settled by now. */
  async read(deliver: Deliver): Promise<FeedState> {
    this.#isListed = false
    if (await this.#isAllLocal(deliver)) return { hasGap: false, isWaiting: false }
    const from = this.#revision
    for (let round = 1; ; round += 1) {
      const { isWaiting, goOn } = await this.#readOnce(deliver, from)
      const isMissing = goOn !== this.#revision
      // At first its journal may have been made since the listing.
      const hasGap = isMissing && round > 1 && (await this.#isStill())
      if (isMissing && !hasGap && round < STILL_ROUNDS) continue
      if (hasGap) this.#revision = goOn
      this.#journals.closeUnneeded(this.#revision)
      return { hasGap, isWaiting: isWaiting || isMissing }
    }
  }

  /** One listing of the journals, all that they prove, and behind which revision it goes on then. */
  async #readOnce(deliver: Deliver, from: number): Promise<{ isWaiting: boolean; goOn: number }> {
    await this.#listJournals()
    while ((await this.#readLocal(deliver)) || (await this.#readJournals(deliver)));
    const next = await this.#findNext()
    const isWaiting = next !== undefined && next <= this.#revision + 1
    return {
      isWaiting,
      goOn: this.#findReset(from) ?? (isWaiting ? this.#revision : this.#lastBefore(next)),
    }
  }

  /**
   * Right after `read`: what was not given and yet may have been in place before it, in the order of revisions. Undefined
   * if the journals did not stand still since: then nobody can tell (F5).
   */
  async findUngiven(): Promise<readonly UngivenChange[] | undefined> {
    const recorded = await this.#readRecorded()
    const isStill = this.#isListed && (await this.#journals.isStill())
    // From here on at one moment: what is settled is no more under way, but added.
    const own = this.#sources.own()
    if (!isStill || !this.#journals.isListedFor(own?.folder)) {
      this.#isListingDue = true
      return undefined
    }
    const underWay = own?.underWay === undefined ? [] : listCommits(own.underWay, true)
    const commits = [...recorded, ...this.#local, ...underWay].filter(
      ({ revision }) => revision > this.#revision,
    )
    commits.sort((left, right) => left.revision - right.revision)
    const ungiven: UngivenChange[] = [...(own?.unpublished ?? [])]
    for (const { revision, changes } of commits)
      for (const change of changes) ungiven.push({ ...change, revision })
    return ungiven
  }

  /** Lets all journals go, and gives nothing more. */
  close(): void {
    this.#isClosed = true
    this.#journals.close()
  }

  /** While this process is the owner nobody else commits: if no name has changed either, its own commits are all. */
  async #isAllLocal(deliver: Deliver): Promise<boolean> {
    const folder = this.#sources.own()?.folder
    if (this.#isListingDue || folder === undefined || !this.#journals.isListedFor(folder)) return false
    while (await this.#readLocal(deliver));
    const own = this.#sources.own()
    return own?.folder === folder && own.revision === this.#revision
  }

  async #listJournals(): Promise<void> {
    this.#isListed = true
    this.#isListingDue = false
    await this.#journals.list(this.#sources.own()?.folder, this.#revision)
  }

  /** F5. */
  async #isStill(): Promise<boolean> {
    return (await this.#journals.isStill()) && this.#journals.isListedFor(this.#sources.own()?.folder)
  }

  /** A revision that is certain, and that all of this process's knowledge does not go beyond. */
  #lastKnown(): number {
    const known = this.#journals.all.map(({ place, first }) =>
      Math.max(isNamed(place) ? place.revision : 0, first?.revision ?? 0),
    )
    const [local] = this.#local
    return Math.max(this.#revision, ...known, local === undefined ? 0 : local.revision - 1)
  }

  async #readLocal(deliver: Deliver): Promise<boolean> {
    if (!this.#isBegun) return false
    this.#local = this.#local.filter(({ revision }) => revision > this.#revision)
    const [first] = this.#local
    for (const commit of [...this.#local]) await this.#give(commit, deliver)
    return first !== undefined && first.revision <= this.#revision
  }

  async #readJournals(deliver: Deliver): Promise<boolean> {
    let hasRead = false
    const yielder = new Yielder(this.#site.host)
    for (const journal of this.#journals.all) {
      while (await this.#readJournal(journal, deliver)) {
        hasRead = true
        if (yielder.isDue()) await yielder.yield()
      }
    }
    return hasRead
  }

  /** Gives what a piece of a journal proves; false if that is nothing. */
  async #readJournal(journal: FollowedJournal, deliver: Deliver): Promise<boolean> {
    const found = await journal.read()
    for (const [index, each] of found.entries()) {
      if (!(await this.#giveRecord(journal, each.record, index + 1 < found.length, deliver))) return index > 0
      journal.pass(each)
    }
    return found.length > 0
  }

  /** False if it does not count, or not yet. */
  async #giveRecord(
    journal: FollowedJournal,
    record: JournalRecord,
    isFollowed: boolean,
    deliver: Deliver,
  ): Promise<boolean> {
    if (isBehind(journal.place, record)) return false // appended late, by a fenced owner
    if (record.kind === 'mark') return true
    if (this.#local.length > 0) await this.#readLocal(deliver) // a journal that was kept may hold them, too (F2)
    if (lastOf(record) <= this.#revision) return true
    if (record.revision > this.#revision + 1) return false
    if (!isFollowed && !(await this.#isProven(journal, record))) return false
    for (const commit of listCommits(record, this.#isOwn(record))) await this.#give(commit, deliver)
    return true
  }

  async #give(commit: FeedCommit, deliver: Deliver): Promise<void> {
    if (commit.revision !== this.#revision + 1 || this.#isClosed) return
    await deliver(commit)
    this.#revision = commit.revision // if that fails, it is given again
  }

  /** Whether a record in another owner's hands is a group of this process (F2). */
  #isOwn(record: CommitsRecord): boolean {
    if (this.#local.some(({ revision }) => revision === record.revision)) return true
    this.#unknown = this.#unknown.filter((group) => lastOf(group) > this.#revision)
    const underWay = this.#sources.own()?.underWay
    const own = underWay === undefined ? this.#unknown : [...this.#unknown, underWay]
    return own.some((group) => group.revision === record.revision && describe(group) === describe(record))
  }

  /** F3, for the last record of a journal. */
  async #isProven({ place }: FollowedJournal, record: CommitsRecord): Promise<boolean> {
    const { time } = record
    const isNext = ({ first }: FollowedJournal): boolean =>
      first?.revision === lastOf(record) && first.time === time
    if (this.#journals.all.some(isNext)) return true
    if (place.kind === 'past') return true
    if (place.kind === 'kept') return !this.#journals.isFinishing || (await isInPlace(this.#site, record))
    if (place.kind !== 'owned') return false
    return (await isInPlace(this.#site, record)) && (await isStanding(this.#site, { path: place.folder }))
  }

  /** The commits that stand in journals and were not given. */
  async #readRecorded(): Promise<FeedCommit[]> {
    const commits: FeedCommit[] = []
    for (const journal of this.#journals.all) {
      for (const record of await journal.readRest()) {
        if (record.kind === 'commits' && !isBehind(journal.place, record))
          commits.push(...listCommits(record, false))
      }
    }
    return commits
  }

  /** The lowest revision of a record that was not given. */
  async #findNext(): Promise<number | undefined> {
    const revisions: number[] = []
    for (const journal of this.#journals.all) {
      if (journal.place.kind === 'gone') continue
      const record = (await journal.read())[0]?.record
      if (record?.kind === 'commits' && !isBehind(journal.place, record)) revisions.push(record.revision)
    }
    return revisions.length === 0 ? undefined : Math.min(...revisions)
  }

  /** The last revision that nobody can give any more, as far as is known, where the next one is that. */
  #lastBefore(next: number | undefined): number {
    const last = this.#lastKnown()
    return last > this.#revision && next !== undefined ? Math.min(last, next - 1) : last
  }

  /** The end of the owner's journal is behind what was given: somebody put an older store in the place of this one. */
  #findReset(from: number): number | undefined {
    for (const { place, end } of this.#journals.all)
      if (place.kind === 'owned' && end !== undefined && end < from) return end
    return undefined
  }
}

function isBehind(place: JournalPlace, record: JournalRecord): boolean {
  return isNamed(place) && record.revision > place.revision
}

function lastOf({ revision, commits }: SettledGroup): number {
  return revision + commits.length - 1
}

/** What tells a group from all others of the same revision. */
function describe({ commits }: SettledGroup): string {
  const changes = commits.flatMap(({ writer, changes }) => changes.map((change) => ({ writer, ...change })))
  return changes
    .map((change) => {
      const { writer, kind, key, time } = change
      return JSON.stringify([writer, kind, key, String(time), change.kind === 'set' && change.value.crc])
    })
    .join()
}

/** Looks at the last one first, since they are put in place in order. */
async function isInPlace(site: Site, { commits }: CommitsRecord): Promise<boolean> {
  const changes = commits.flatMap((commit) => commit.changes)
  for (const change of changes.reverse()) {
    if (change.kind === 'superseded') continue
    const stat = await site.disk.stat(site.layout.keyPath(change.scope, change.key))
    if (change.kind === 'set' ? stat?.time !== change.time : stat !== undefined) return false
  }
  return true
}

function listCommits({ revision, commits }: SettledGroup, isLocal: boolean): FeedCommit[] {
  const isSetInTheEnd = ({ scope, key }: RecordedChange): boolean =>
    commits
      .flatMap(({ changes }) => changes)
      .findLast((change) => change.key === key && isSameScope(change.scope, scope))?.kind === 'set'
  return commits.map(({ writer, changes }, index) => ({
    revision: revision + index,
    writer,
    changes,
    isLocal,
    isSetInTheEnd,
  }))
}
