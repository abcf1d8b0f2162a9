/**
 * The feed: the commits of all processes, one by one in the order of their revisions.
 *
 * Definitions. A commit is *certain* as commit.ts says. It is *settled* when it is certain and its files are in place.
 *
 * Invariants.
 * F1  Every commit is given once, in order of revision, and only when it is settled: who reads a key after that finds
 *     its version or a later one.
 * F2  Commits of this process come from its committer, those of others from journals: the owner's, which grows, and kept ones.
 * F3  A record counts if another one stands behind it, since an owner appends only when the one before is settled; or if
 *     its journal was kept under a name that covers it; or if all of its files are in place while the work folder still
 *     stands; or if the next journal begins with its very revision and time. Until then it may be taken back.
 * F4  Where a revision is known to exist and no journal has it any more, there is a *gap*: the feed says so, and goes on
 *     behind it.
 */

import { isSameScope } from '../base/scope-id.js'
import { identifyFile } from '../disk/disk.js'
import { JOURNAL_NAME } from '../disk/layout.js'
import { isStanding, readControlNames } from './claim.js'
import { FollowedJournal, type JournalPlace } from './feed-journal.js'
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
  /** Commits are missing; the feed goes on behind them. */
  readonly hasGap: boolean
  /** Changes whose files may be in place already, of a commit that is not settled. */
  readonly unsettled: readonly RecordedChange[]
  /** The last revision that these changes may belong to. */
  readonly unsettledTo: number
}

type CommitsRecord = JournalRecord & { readonly kind: 'commits' }

type Deliver = (commit: FeedCommit) => void | Promise<void>

/** What a feed asks of its follower. */
export interface FeedSources {
  /** While this process owns the store: its work folder, and the last revision it has settled. It adds its commits. */
  own(): { readonly folder: string; readonly revision: number } | undefined
  /** Watches a journal that grows. */
  watch(path: string): { close(): void }
}

/** Follows the commits of a store. */
export class CommitFeed {
  readonly #site: Site
  readonly #sources: FeedSources
  readonly #journals = new Map<string, FollowedJournal>()
  #local: FeedCommit[] = []
  #revision = 0
  /** A takeover is under way: what it keeps may not be in place yet. */
  #isFinishing = false

  constructor(site: Site, sources: FeedSources) {
    this.#site = site
    this.#sources = sources
  }

  /** The last revision that was given, or that was settled when the feed began. */
  get revision(): number {
    return this.#revision
  }

  /** Commits that this process has settled. */
  addLocal(group: SettledGroup): void {
    this.#local.push(...listCommits(group, true))
  }

  /** Begins behind the last settled commit, but before the first local one that was added. */
  async begin(): Promise<void> {
    const own = this.#sources.own()
    await this.#listJournals(own?.folder)
    for (const journal of this.#journals.values()) await journal.read()
    this.#revision = Math.max(this.#lastKnown(), own?.revision ?? 0)
    while (await this.#readJournals(() => undefined));
    const [first] = this.#local
    if (first !== undefined) this.#revision = Math.min(this.#revision, first.revision - 1)
  }

  /** Gives all commits that are settled by now. */
  async read(deliver: Deliver): Promise<FeedState> {
    const from = this.#revision
    let hasGap = false
    for (let isSuspected = false; ; isSuspected = true) {
      await this.#listJournals(this.#sources.own()?.folder)
      while ((await this.#readLocal(deliver)) || (await this.#readJournals(deliver)));
      const rest = await this.#findUnsettled()
      const goOn = this.#findReset(from) ?? (rest.unsettled.length > 0 ? this.#revision : this.#lastKnown())
      if (goOn === this.#revision || hasGap) {
        this.#closeRead()
        return { hasGap, ...rest }
      }
      hasGap = isSuspected // at first its journal may have been made since the listing: look once more
      if (hasGap) this.#revision = goOn
    }
  }

  /** Lets all journals go. */
  close(): void {
    for (const journal of this.#journals.values()) journal.close()
    this.#journals.clear()
  }

  /** A revision that is certain, and that all of this process's knowledge does not go beyond. */
  #lastKnown(): number {
    const known = [...this.#journals.values()].map(({ place, first }) =>
      Math.max(place.kind === 'kept' ? place.revision : 0, first?.revision ?? 0),
    )
    const [local] = this.#local
    return Math.max(this.#revision, ...known, local === undefined ? 0 : local.revision - 1)
  }

  async #readLocal(deliver: Deliver): Promise<boolean> {
    this.#local = this.#local.filter(({ revision }) => revision > this.#revision)
    const [first] = this.#local
    for (const commit of [...this.#local]) await this.#give(commit, deliver)
    return first !== undefined && first.revision <= this.#revision
  }

  async #readJournals(deliver: Deliver): Promise<boolean> {
    let hasRead = false
    const yielder = new Yielder(this.#site.host)
    for (const journal of this.#journals.values()) {
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
    if (record.kind === 'mark' || lastOf(record) <= this.#revision) return true
    if (record.revision > this.#revision + 1) return false
    if (!isFollowed && !(await this.#isProven(journal, record))) return false
    for (const commit of listCommits(record, false)) await this.#give(commit, deliver)
    return true
  }

  async #give(commit: FeedCommit, deliver: Deliver): Promise<void> {
    if (commit.revision !== this.#revision + 1) return
    this.#revision = commit.revision
    await deliver(commit)
  }

  /** F3, for the last record of a journal. */
  async #isProven(journal: FollowedJournal, record: CommitsRecord): Promise<boolean> {
    const { place } = journal
    if (place.kind === 'kept') return !this.#isFinishing || (await isInPlace(this.#site, record))
    if (place.kind === 'owned')
      return (await isInPlace(this.#site, record)) && (await isStanding(this.#site, { path: place.folder }))
    if (place.kind === 'fenced') return false
    const { time } = record
    return [...this.#journals.values()].some(
      ({ first }) => first?.revision === lastOf(record) && first.time === time,
    )
  }

  /** The record that comes next and is not proven. */
  async #findUnsettled(): Promise<Omit<FeedState, 'hasGap'>> {
    const unsettled: RecordedChange[] = []
    let unsettledTo = this.#revision
    for (const journal of this.#journals.values()) {
      if (journal.place.kind === 'gone') continue
      const record = (await journal.read())[0]?.record
      if (record?.kind !== 'commits' || isBehind(journal.place, record)) continue
      if (record.revision > this.#revision + 1) continue
      for (const { changes } of record.commits) unsettled.push(...changes)
      unsettledTo = Math.max(unsettledTo, lastOf(record))
    }
    return { unsettled, unsettledTo }
  }

  /** Finds the journals that may hold commits to come, and where those are by now that are followed already. */
  async #listJournals(ownFolder: string | undefined): Promise<void> {
    const { work, kept } = await readControlNames(this.#site)
    const unseen = new Set(this.#journals.values())
    this.#isFinishing = work.some(({ fencedBy }) => fencedBy !== undefined)
    for (const { name, fencedBy } of work) {
      if (name === ownFolder) continue
      const folder = this.#site.layout.controlPath(name)
      const place: JournalPlace = { kind: fencedBy === undefined ? 'owned' : 'fenced', folder }
      const journal = await this.#follow(`${folder}/${JOURNAL_NAME}`, place)
      if (journal !== undefined) unseen.delete(journal)
    }
    for (const { name, revision } of kept) {
      if (revision <= this.#revision) continue
      const journal = await this.#follow(this.#site.layout.controlPath(name), { kind: 'kept', revision })
      if (journal !== undefined) unseen.delete(journal)
    }
    for (const journal of unseen) journal.place = { kind: 'gone' }
  }

  async #follow(path: string, place: JournalPlace): Promise<FollowedJournal | undefined> {
    const stat = await this.#site.disk.stat(path)
    if (stat === undefined) return undefined
    let journal = this.#journals.get(identifyFile(stat))
    if (journal === undefined) {
      const file = await this.#site.disk.openReader(path)
      if (file === undefined) return undefined
      journal = this.#journals.get(file.identity)
      if (journal !== undefined) file.close()
      journal ??= new FollowedJournal(file)
      this.#journals.set(journal.identity, journal)
    }
    journal.place = place
    if (place.kind === 'owned') journal.watchOnce(() => this.#sources.watch(path))
    return journal
  }

  /** A listing beside renames can leave a name out, so one that is gone twice is gone. */
  #closeRead(): void {
    for (const [identity, journal] of this.#journals) {
      const { place } = journal
      const isOver =
        place.kind === 'gone' ? journal.wasGone : place.kind === 'kept' && place.revision <= this.#revision
      journal.wasGone = place.kind === 'gone'
      if (!isOver) continue
      journal.close()
      this.#journals.delete(identity)
    }
  }

  /** The end of the owner's journal is behind what was given: somebody put an older store in the place of this one. */
  #findReset(from: number): number | undefined {
    for (const { place, end } of this.#journals.values())
      if (place.kind === 'owned' && end !== undefined && end < from) return end
    return undefined
  }
}

function isBehind(place: JournalPlace, record: JournalRecord): boolean {
  return place.kind === 'kept' && record.revision > place.revision
}

function lastOf({ revision, commits }: SettledGroup): number {
  return revision + commits.length - 1
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
