/** The journals of a store that are being followed: found by their names, held open, let go. */

import { identifyFile } from '../disk/disk.js'
import { JOURNAL_NAME } from '../disk/layout.js'
import { type ControlNames, readControlNames } from './claim.js'
import { FollowedJournal, isNamed, type JournalPlace } from './feed-journal.js'
import type { Site } from './site.js'

/** Watches a journal that grows. */
type WatchJournal = (path: string) => { close(): void }

/** All journals that may hold commits which were not given. */
export class FollowedJournals {
  readonly #site: Site
  readonly #watch: WatchJournal
  readonly #journals = new Map<string, FollowedJournal>()
  #ownFolder: string | undefined
  #names = ''
  #isClosed = false
  #isFinishing = false

  constructor(site: Site, watch: WatchJournal) {
    this.#site = site
    this.#watch = watch
  }

  /** Those of the last listing, and those that were open before. */
  get all(): readonly FollowedJournal[] {
    return [...this.#journals.values()]
  }

  /** A takeover is under way: what it keeps may not be in place yet. */
  get isFinishing(): boolean {
    return this.#isFinishing
  }

  /**
   * Finds the journals with commits above a revision, and where those are by now that are followed already. What is in
   * `ownFolder` is left out: this process writes it.
   */
  async list(ownFolder: string | undefined, above: number): Promise<void> {
    const names = await readControlNames(this.#site)
    const { work, kept, past } = names
    this.#ownFolder = ownFolder
    this.#names = describeNames(names)
    const unseen = new Set(this.#journals.values())
    this.#isFinishing = work.some(({ fencedBy }) => fencedBy !== undefined)
    for (const { name, fencedBy } of work) {
      if (name === ownFolder) continue
      const folder = this.#site.layout.controlPath(name)
      const place: JournalPlace = { kind: fencedBy === undefined ? 'owned' : 'fenced', folder }
      const journal = await this.#follow(`${folder}/${JOURNAL_NAME}`, place)
      if (journal !== undefined) unseen.delete(journal)
    }
    for (const { kind, name, revision } of [...past, ...kept]) {
      if (revision <= above) continue
      const journal = await this.#follow(this.#site.layout.controlPath(name), { kind, revision })
      if (journal !== undefined) unseen.delete(journal)
    }
    for (const journal of unseen) journal.place = { kind: 'gone' }
  }

  /** Whether the names are those of the last listing still: every journal that was there then is followed. */
  async isStill(): Promise<boolean> {
    return describeNames(await readControlNames(this.#site)) === this.#names
  }

  /** Whether the last listing left out this work folder. */
  isListedFor(ownFolder: string | undefined): boolean {
    return ownFolder === this.#ownFolder
  }

  /** Lets those go that nothing will come of. A listing beside renames can leave a name out: gone is what is gone twice. */
  closeUnneeded(revision: number): void {
    for (const journal of this.#journals.values()) {
      const { place } = journal
      const isOver = place.kind === 'gone' ? journal.wasGone : isNamed(place) && place.revision <= revision
      journal.wasGone = place.kind === 'gone'
      if (isOver) this.#close(journal)
    }
  }

  /** Lets all go; they are found again by the next listing. */
  letGo(): void {
    for (const journal of this.#journals.values()) this.#close(journal)
  }

  /** Lets all go, for good. */
  close(): void {
    this.#isClosed = true
    this.letGo()
  }

  #close(journal: FollowedJournal): void {
    journal.close()
    this.#journals.delete(journal.identity)
  }

  async #follow(path: string, place: JournalPlace): Promise<FollowedJournal | undefined> {
    const stat = await this.#site.disk.stat(path)
    if (stat === undefined) return undefined
    const journal = this.#journals.get(identifyFile(stat)) ?? (await this.#open(path))
    if (journal === undefined || this.#isClosed) return undefined
    journal.place = place
    if (place.kind === 'owned') journal.watchOnce(() => this.#watch(path))
    return journal
  }

  async #open(path: string): Promise<FollowedJournal | undefined> {
    const file = await this.#site.disk.openReader(path)
    if (file === undefined) return undefined
    const known = this.#journals.get(file.identity) // another one came to that name meanwhile
    if (known !== undefined || this.#isClosed) file.close()
    if (this.#isClosed) return undefined
    const journal = known ?? new FollowedJournal(file)
    this.#journals.set(journal.identity, journal)
    return journal
  }
}

function describeNames({ work, kept, past }: ControlNames): string {
  return [...work, ...kept, ...past]
    .map(({ name }) => name)
    .sort()
    .join(' ')
}
