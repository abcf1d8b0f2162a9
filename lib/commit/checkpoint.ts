/**
 * Checkpoint: the plain files of published commits are synced, then their journals are removed.
 *
 * K1  The files, and every folder that they were published into, are synced before the mark that says so.
 * K2  The mark is durable before a journal is removed: so journals may vanish, or come back after a power cut, in any
 *     order, and no older commit is ever recovered over a later one.
 * K3  A file whose flush failed is not flushed again: that would be believed, and the disk may hold anything. A new file
 *     with the bytes from the journal takes its place, flushed, or else not flushed yet. Until a flushed one is there, this
 *     process knows the file, and others know its journal by its time, which is then 1970.
 */

import { CHECKPOINT_BYTES, CHECKPOINT_FLUSHES, IDLE_MS, JOURNALS_LIMIT_BYTES } from '../base/limits.js'
import { isErrorCode, UNTIMED_MODE } from '../disk/disk.js'
import { stagedName } from '../disk/layout.js'
import { isStanding, readControlNames } from './claim.js'
import type { JournalContents, NumberedChange } from './journal.js'
import { lastChanges, readKept } from './kept-journals.js'
import { type KnownJournals, type Ownership, removeSynced, retireJournal, startJournal } from './own.js'
import { publishChange, syncScopeFolders } from './publish.js'
import type { RecordedChange } from './record.js'
import type { Site } from './site.js'
import type { StageState } from './stage.js'

/** Closing flushes what failed once more, by new files (K3). */
const COMPLETE_ATTEMPTS = 2

/** The checkpoints of one process: begun and ended by the owner, run beside its commits. */
export class Checkpoints {
  readonly #site: Site
  readonly #known: KnownJournals
  #running: Promise<void> | undefined
  #found: SyncedFiles | undefined
  /** Files whose flush failed, by their paths, with the revision of their change (K3). */
  readonly #distrusted = new Map<string, number>()
  #failure: unknown
  #notBeforeMs = 0

  /** `known` are the kept journals that this process knows of. */
  constructor(site: Site, known: KnownJournals) {
    this.#site = site
    this.#known = known
  }

  /** Between two groups: ends a checkpoint that has run, and begins one where the journals are long, or it is quiet. */
  async tend(owned: Ownership, isQuiet: boolean): Promise<void> {
    if (this.#found !== undefined) await this.#end(owned, this.#found)
    if (this.#found !== undefined) return
    const bytes = owned.journal.bytes + owned.keptBytes
    if (this.#running !== undefined) {
      if (bytes > JOURNALS_LIMIT_BYTES) await this.#running
      return
    }
    if (this.#site.host.monotonicMs() < this.#notBeforeMs) return
    if (bytes >= CHECKPOINT_BYTES || (isQuiet && this.isNeeded(owned))) await this.#begin(owned)
  }

  /** Whether commits are not yet known to be synced. */
  isNeeded(owned: Ownership): boolean {
    return owned.revision > owned.synced
  }

  /** Does all there is to do. Rejects where the disk refuses, and refuses again: the journals stay then. */
  async complete(owned: Ownership): Promise<void> {
    for (let attempt = 1; this.isNeeded(owned); ) {
      this.#notBeforeMs = 0
      this.#failure = undefined
      await this.tend(owned, true)
      await this.#running
      if (this.#failure === undefined) continue
      if (attempt === COMPLETE_ATTEMPTS) throw this.#failure
      attempt += 1
    }
  }

  async #begin(owned: Ownership): Promise<void> {
    if (owned.revision > owned.journalStart) {
      owned.keptBytes += owned.journal.bytes
      await retireJournal(this.#site, owned)
      owned.journal = await startJournal(this.#site, owned.claim, { ...owned, time: owned.stage.lastTime })
      owned.journalStart = owned.revision
    }
    this.#running = this.#run(owned.synced)
  }

  async #run(synced: number): Promise<void> {
    try {
      this.#found = await syncKeptFiles(this.#site, synced, this.#distrusted)
    } catch (error) {
      this.#postpone(error)
    } finally {
      this.#running = undefined
    }
  }

  async #end(owned: Ownership, found: SyncedFiles): Promise<void> {
    this.#found = undefined
    if (found.revision <= owned.synced) return
    try {
      await replaceFailed(this.#site, owned.stage, found.failed)
    } catch (error) {
      this.#postpone(error) // what failed is known until it is replaced (K3)
      return
    }
    const { revision, stage } = owned
    await owned.journal.append({ kind: 'mark', revision, time: stage.lastTime, synced: found.revision })
    await owned.journal.sync()
    owned.synced = found.revision
    this.#distrusted.clear()
    await removeSynced(this.#site, this.#known, found.revision)
    owned.keptBytes = 0
  }

  /** The journals stay, so nothing is lost; the next checkpoint tries again. */
  #postpone(error: unknown): void {
    this.#failure = error
    this.#notBeforeMs = this.#site.host.monotonicMs() + IDLE_MS
  }
}

/** What a checkpoint has found out. */
interface SyncedFiles {
  /** Commits up to this revision are synced, but for the changes that failed. */
  readonly revision: number
  /** Changes whose file could not be flushed (K3). */
  readonly failed: readonly RecordedChange[]
}

/**
 * Syncs the files of all kept journals, as far as they are not synced up to a revision; needs no ownership, and runs beside
 * commits. `distrusted` are files whose flush failed before; those that fail now are added.
 */
async function syncKeptFiles(
  site: Site,
  synced: number,
  distrusted: Map<string, number>,
): Promise<SyncedFiles> {
  const journals = await readJournals(site)
  const changes = lastChanges(site, journals, synced)
  const doubtful = new Set(journals.flatMap((journal) => (journal.isDistrusted ? journal.changes : [])))
  const failed: NumberedChange[] = []
  const queue = changes.entries()
  const flushNext = async (): Promise<void> => {
    for (const [path, change] of queue) {
      if (change.kind !== 'set') continue
      const isKnown = distrusted.get(path) === change.revision || doubtful.has(change)
      if (!isKnown && (await flushFile(site, path))) continue
      distrusted.set(path, change.revision)
      failed.push(change)
    }
  }
  await Promise.all(Array.from({ length: CHECKPOINT_FLUSHES }, flushNext))
  if (failed.length > 0) await distrust(site, journals, failed)
  await syncScopeFolders(site, new Set([...changes.values()].map((change) => change.scope)))
  return { revision: Math.max(0, ...journals.map(({ revision }) => revision)), failed }
}

/** A kept journal. */
interface KeptJournal extends JournalContents {
  readonly path: string
  /** Some of its files could not be flushed (K3). */
  readonly isDistrusted: boolean
}

/** The time of a kept journal that is distrusted. */
const DISTRUSTED = 0n

async function readJournals(site: Site): Promise<KeptJournal[]> {
  const journals: KeptJournal[] = []
  for (const { name, revision } of (await readControlNames(site)).kept) {
    const path = site.layout.controlPath(name)
    const contents = await readKept(site, name, revision)
    const isDistrusted = (await site.disk.stat(path))?.time === DISTRUSTED
    if (contents !== undefined) journals.push({ ...contents, path, isDistrusted })
  }
  return journals
}

/** Tells whoever makes the next checkpoint. If that cannot be, this process knows it still. */
async function distrust(
  site: Site,
  journals: readonly KeptJournal[],
  failed: readonly NumberedChange[],
): Promise<void> {
  for (const { path, isDistrusted, changes } of journals) {
    if (isDistrusted || !failed.some((change) => changes.includes(change))) continue
    try {
      await site.disk.setTime(path, DISTRUSTED)
    } catch {
      // The disk refuses everything.
    }
  }
}

/** False if the flush failed, or the file cannot be opened for it. */
async function flushFile(site: Site, path: string): Promise<boolean> {
  try {
    await site.disk.syncFile(path)
    return true
  } catch (error) {
    if (isErrorCode(error, 'EIO', 'ENOSPC', 'EDQUOT', 'EACCES', 'EPERM', 'EROFS')) return false
    throw error
  }
}

/**
 * Puts new files in the place of failed ones, where those still are the ones of the commit (K3). For the owner. Rejects if
 * one of the new ones could not be flushed either; it is in place all the same.
 */
async function replaceFailed(
  site: Site,
  stage: StageState,
  failed: readonly RecordedChange[],
): Promise<void> {
  let failure: unknown
  for (const change of failed) {
    const present = await site.disk.stat(site.layout.keyPath(change.scope, change.key))
    if (change.kind !== 'set' || present?.time !== change.time) continue
    const { bytes } = change.value
    if (bytes === undefined) continue // synced when it was staged
    stage.lastStaged += 1
    const path = `${stage.folder}/${stagedName(stage.lastStaged)}`
    const options = { mode: present.mode, exactMode: true, time: change.time }
    try {
      await site.disk.createFile(path, bytes, { ...options, sync: true })
    } catch (error) {
      failure ??= error
      await site.disk.createFile(path, bytes, { ...options, mode: present.mode | UNTIMED_MODE })
    }
    const value = { ...change.value, staged: stage.lastStaged }
    await publishChange(site, stage.folder, { ...change, value })
  }
  // Otherwise the old files may have been taken for the new ones.
  if (failed.length > 0 && !(await isStanding(site, { path: stage.folder })))
    throw new Error(`the work folder ${stage.folder} was taken over`)
  await syncScopeFolders(site, new Set(failed.map((change) => change.scope)))
  if (failure !== undefined) throw failure
}
