/**
 * Following a scope's folder: what was told of each key, and what the folder holds.
 *
 * Definitions. A key is *known* with the version that was told last. It is *dirty* when it is to be looked at, and
 * *suspect* when it was found to differ and no commit explains that: an edit by hand, perhaps one that is under way.
 *
 * Invariants.
 * H1  A look at files comes before the look at the journals, and that before the judgement: so the commit that made a file
 *     which was looked at is given by then, or is one of those that feed.ts knows of though they were not given (F5).
 * H2  What was seen of a key before a commit of it was told says nothing any more: it is forgotten, and looked at again.
 * H3  A key of a commit that was not given is not judged; and no key is where it is not known which those are.
 * H4  An edit is told when the file looked the same at two judgements, so far apart as the quiet time.
 * H5  What is dirty or suspect stays so until it is judged; a doubt makes every key dirty, known or listed.
 */

import { LOOK_SLICE_NAMES } from '../base/limits.js'
import type { ScopeId } from '../base/scope-id.js'
import type { FileStat } from '../disk/disk.js'
import { decodeName } from '../disk/layout.js'
import type { DoubtReason } from './engine.js'
import { FollowedFolder } from './follow-folder.js'
import { listStill, NO_STILLNESS, type Stillness } from './list.js'
import { type Site, Yielder } from './site.js'
import { encodeVersion } from './version.js'

/** A difference that no commit explains. */
export interface Edit {
  readonly key: string
  /** Undefined: it is gone. */
  readonly version: string | undefined
}

/** What a look at the files of some keys has found; without a version there is none. */
export type Looks = ReadonlyMap<string, string | undefined>

interface Suspect {
  readonly version: string | undefined
  readonly sinceMs: number
}

/** What a followed scope needs to know, and whom it tells. */
export interface ScopeWatching {
  /** An edit is told when the file has stood still for so long. */
  readonly quietMs: number
  /** Whether to ask the system for hints. */
  readonly isPolled: boolean
  /** For the listing with which it begins: that one must leave out nothing. */
  readonly stillness: Stillness
  /** There is something to look at. */
  onHint(): void
  /** The folder cannot be listed. */
  onError(error: unknown): void
}

/** One scope that somebody follows. */
export class FollowedScope {
  /** Its name; every change of it that is told has this very object. */
  readonly id: ScopeId
  /** Whether the system gives no hints, so that the folder has to be compared now and then. */
  isPolled: boolean
  /** Whether `known` holds all that was there at first. */
  isBegun = false
  readonly #site: Site
  readonly #path: string
  readonly #watching: ScopeWatching
  readonly #known = new Map<string, string>()
  /** Keys of which a commit was told since the last look, or since it was begun (H2). */
  readonly #told = new Set<string>()
  readonly #dirty = new Set<string>()
  /** In the order of their times. */
  readonly #suspects = new Map<string, Suspect>()
  readonly #uncompared = new Set<string>()
  readonly #reasons = new Set<DoubtReason>()
  readonly #folder: FollowedFolder
  #beginning: Promise<void> | undefined
  #isComparisonDue = false
  #isListing = false
  #isComparing = false
  #hasFailed = false

  constructor(site: Site, id: ScopeId, watching: ScopeWatching) {
    this.id = Object.freeze({ ...id })
    this.isPolled = watching.isPolled
    this.#site = site
    this.#path = site.layout.scopePath(this.id)
    this.#watching = watching
    this.#folder = new FollowedFolder(site, this.id, !watching.isPolled, {
      onName: (name) => this.#touchName(name),
      onDoubt: () => this.#watching.onHint(),
      onOverflow: () => this.doubt('overflow'),
      onSilence: () => this.#poll(),
    })
  }

  /** The versions that were told last; one entry for each present key. */
  get known(): ReadonlyMap<string, string> {
    return this.#known
  }

  /** Whether something is to be looked at, or is being listed for that. */
  get isDirty(): boolean {
    return this.#dirty.size > 0 || this.#isComparisonDue || this.#folder.isDoubtful || this.#isListing
  }

  /** Whether every key of the last comparison was judged. */
  get isCompared(): boolean {
    return !this.#isComparisonDue && !this.#isListing && !this.#hasFailed && this.#uncompared.size === 0
  }

  /** Whether names are being read, for a comparison. */
  get isListing(): boolean {
    return this.#isListing
  }

  /** Watches the folder, then knows all that is in it. */
  begin(): Promise<void> {
    this.#beginning ??= this.#begin().catch((error: unknown) => this.#giveUp(error))
    return this.#beginning
  }

  /** The same, but all that is in it is new. */
  beginEmpty(): void {
    this.#beginning = Promise.resolve()
    this.isBegun = true
    this.doubt()
  }

  #giveUp(error: unknown): never {
    this.#beginning = undefined
    throw error
  }

  async #begin(): Promise<void> {
    await this.checkFolder()
    this.#isComparisonDue = this.#reasons.size > 0 // the system gives no hints: that is to be told
    const yielder = new Yielder(this.#site.host)
    const listed = await this.#listKeys(this.#watching.stillness)
    for (const key of new Set([...listed, ...this.#known.keys()])) {
      const version = await this.#look(key)
      if (!this.#told.has(key)) this.#know(key, version)
      if (yielder.isDue()) await yielder.yield()
    }
    this.isBegun = true
    this.forgetTold()
  }

  /** Nobody follows it any more. */
  close(): void {
    this.#folder.close()
  }

  /** A key is to be looked at. */
  touch(key: string): void {
    this.#dirty.add(key)
    this.#watching.onHint()
  }

  /** All keys are to be looked at; without a reason nobody is told of it. */
  doubt(reason?: DoubtReason): void {
    if (reason !== undefined) this.#reasons.add(reason)
    this.#isComparisonDue = true
    this.#folder.doubt()
  }

  /** It is to be looked at whether the folder still is the one that is watched. */
  doubtFolder(): void {
    this.#folder.doubt()
  }

  /** If another folder is there than the one that is watched, watches that one, and compares. */
  async checkFolder(): Promise<void> {
    const state = await this.#folder.check()
    if (state === 'same') return
    if (state === 'replaced') this.#reasons.add('folder')
    this.#isComparisonDue = true
  }

  /** A commit has set a key to a version, or deleted it, and that is told. */
  noteTold(key: string, version: string | undefined): void {
    this.#know(key, version)
    this.#told.add(key)
    this.#suspects.delete(key)
    if (this.#uncompared.has(key)) this.touch(key)
  }

  /** What is seen from now on is seen after all that was told. */
  forgetTold(): void {
    if (this.isBegun) this.#told.clear()
  }

  /** Looks at the files of some dirty keys. */
  async look(): Promise<Looks> {
    if (this.#isComparisonDue && !this.#isListing) void this.#beginComparison()
    const looks = new Map<string, string | undefined>()
    for (const key of this.#dirty) {
      this.#dirty.delete(key)
      looks.set(key, await this.#look(key))
      if (looks.size === LOOK_SLICE_NAMES) break
    }
    return looks
  }

  /** Whether a look has found anything to judge. */
  isDifferent(looks: Looks): boolean {
    for (const [key, version] of looks) if (version !== this.#known.get(key)) return true
    return false
  }

  /**
   * The edits among what a look has found. `ungiven` are the keys that commits may have changed which were not given;
   * undefined if it is not known which those are (H3).
   */
  judge(looks: Looks, ungiven: ReadonlySet<string> | undefined, nowMs: number): Edit[] {
    const edits: Edit[] = []
    for (const [key, version] of looks) {
      if (version === this.#known.get(key)) this.#settle(key)
      else if (ungiven === undefined || this.#told.has(key)) this.#dirty.add(key)
      else if (ungiven.has(key)) this.#suspect(key, version, nowMs)
      else if (this.#isQuiet(key, version, nowMs)) {
        this.#settle(key)
        this.#know(key, version)
        edits.push({ key, version })
      }
    }
    return edits
  }

  /** Makes suspects dirty whose quiet time is over. In how many milliseconds the next one's is; undefined: there is none. */
  wakeSuspects(nowMs: number): number | undefined {
    for (const [key, { sinceMs }] of this.#suspects) {
      const leftMs = sinceMs + this.#watching.quietMs - nowMs
      if (leftMs > 0) return leftMs
      this.#dirty.add(key)
    }
    return undefined
  }

  /** The reasons of a comparison that has just ended. */
  takeCompared(): readonly DoubtReason[] {
    if (!this.#isComparing || !this.isCompared) return []
    this.#isComparing = false
    const reasons = [...this.#reasons]
    this.#reasons.clear()
    return reasons
  }

  /** What the file of a key says now. */
  async stat(key: string): Promise<FileStat | undefined> {
    const found = this.#site.disk.stat(this.#site.layout.keyPath(this.id, key))
    const stat = found instanceof Promise ? await found : found
    return stat?.kind === 'file' ? stat : undefined
  }

  async #look(key: string): Promise<string | undefined> {
    const stat = await this.stat(key)
    return stat && encodeVersion(stat)
  }

  #touchName(name: string): void {
    const key = decodeName(name)
    if (key !== undefined) this.touch(key)
  }

  /** The system does not tell of everything: compare now and then, and say so. */
  #poll(): void {
    if (this.isPolled) return
    this.isPolled = true
    this.doubt('polling')
  }

  #know(key: string, version: string | undefined): void {
    if (version === undefined) this.#known.delete(key)
    else this.#known.set(key, version)
  }

  #settle(key: string): void {
    this.#suspects.delete(key)
    this.#uncompared.delete(key)
  }

  #suspect(key: string, version: string | undefined, nowMs: number): void {
    this.#suspects.delete(key)
    this.#suspects.set(key, { version, sinceMs: nowMs })
  }

  #isQuiet(key: string, version: string | undefined, nowMs: number): boolean {
    const suspect = this.#suspects.get(key)
    if (suspect === undefined || suspect.version !== version) {
      this.#suspect(key, version, nowMs)
      return false
    }
    return nowMs - suspect.sinceMs >= this.#watching.quietMs
  }

  async #beginComparison(): Promise<void> {
    this.#isComparisonDue = false
    this.#isListing = true
    this.#isComparing = true
    this.#hasFailed = false
    try {
      // What is known is looked at in any case; what is left out beside renames comes with a hint or the next time.
      for (const key of [...(await this.#listKeys(NO_STILLNESS)), ...this.#known.keys()]) {
        this.#dirty.add(key)
        this.#uncompared.add(key)
      }
      this.#isListing = false
      this.#watching.onHint()
    } catch (error) {
      this.#isListing = false
      this.#hasFailed = true
      this.#watching.onError(error)
    }
  }

  async #listKeys(stillness: Stillness): Promise<string[]> {
    const yielder = new Yielder(this.#site.host)
    const keys: string[] = []
    for (const name of await listStill(this.#site, stillness, this.#path)) {
      const key = decodeName(name)
      if (key !== undefined) keys.push(key)
      if (yielder.isDue()) await yielder.yield()
    }
    return keys
  }
}
