/** Owning: waiting for the turn, taking over from the owner before, and letting the store go. */

import { LOCK_STALE_MS, POLL_MS } from '../base/limits.js'
import { JOURNAL_NAME, keptName } from '../disk/layout.js'
import type { Lock } from '../disk/lock.js'
import {
  abandonClaim,
  type Claim,
  type ControlNames,
  findWorkFolder,
  hasWaiters,
  ignoring,
  isFree,
  isOvertaken,
  makeWorkFolder,
  readControlNames,
  releaseClaim,
  releaseClaimAtExit,
  removeWorkFolder,
  settleLower,
  tryClaim,
  undoClaim,
} from './claim.js'
import { Journal } from './journal.js'
import type { KeptSummary } from './kept-journals.js'
import { syncScopeFolders } from './publish.js'
import { leavePast, removePast } from './readers.js'
import type { SettledGroup } from './record.js'
import { finishJournal, type History, keepJournal, recoverKept } from './recover.js'
import type { Site } from './site.js'
import type { StageState } from './stage.js'

/** The store as its owner has it. */
export interface Ownership {
  readonly claim: Claim
  readonly stage: StageState
  journal: Journal
  /** The last revision. */
  revision: number
  /** Commits up to this revision are synced as plain files. */
  synced: number
  /** The revision that the journal began with. */
  journalStart: number
  /** How long the kept journals are together, in bytes. */
  keptBytes: number
  /** The durable group that is being put in place: some of its files may be there already. */
  underWay: SettledGroup | undefined
}

/** How long, and for whom, a process waits for its turn. */
export interface Waiting {
  /** Asked at every look; false ends the wait. */
  isWanted(): boolean
  /** Whether it is polite to claim above this number, when nobody has it. */
  mayFollow(top: number): boolean
  /** Resolves after so many milliseconds, or sooner when something happened. */
  sleep(ms: number): Promise<void>
}

/** Summaries of kept journals that this process has read; see `KeptSummary`. */
export type KnownJournals = Map<string, KeptSummary>

/**
 * Waits until this process may own the store, takes over, and recovers. Undefined if it was not wanted any more.
 * Rejects with the error of a system call, or `CORRUPT_JOURNAL`; the store is let go again then.
 */
export async function acquire(
  site: Site,
  lock: Lock,
  known: KnownJournals,
  waiting: Waiting,
): Promise<Ownership | undefined> {
  const turn = new Turn(site, lock)
  let place: WaitingPlace | undefined
  let ownership: Ownership | undefined
  try {
    while (ownership === undefined && waiting.isWanted()) {
      place ??= await makeWorkFolder(site)
      const names = await readControlNames(site)
      const claim = await claimNext(site, turn, waiting, names, place)
      if (claim === 'later') continue
      place = undefined
      if (claim !== 'swept') ownership = await takeOver(site, lock, known, claim)
    }
    return ownership
  } finally {
    if (ownership === undefined) lock.release()
    if (place !== undefined) await removeWorkFolder(site, place.folder)
  }
}

type WaitingPlace = Pick<Claim, 'folder' | 'path'>

/** The next claim if the turn has come; otherwise sleeps. `swept`: an owner took us for dead. */
async function claimNext(
  site: Site,
  turn: Turn,
  waiting: Waiting,
  names: ControlNames,
  place: WaitingPlace | undefined,
): Promise<Claim | 'later' | 'swept'> {
  if (place === undefined || findWorkFolder(names, place.folder) !== place.folder) return 'swept'
  if (waiting.mayFollow(names.top) && (await turn.hasCome(names))) {
    const claim = { number: names.next, ...place }
    return (await tryClaim(site, claim.number, claim.path)) ? claim : 'later'
  }
  await waiting.sleep(POLL_MS * (1 + Math.random()))
  return 'later'
}

/** Judges whether the highest claim may be taken over. */
class Turn {
  readonly #site: Site
  readonly #lock: Lock
  #top = -1
  #sinceMs = 0

  constructor(site: Site, lock: Lock) {
    this.#site = site
    this.#lock = lock
  }

  /** At once if nobody lives who has it; otherwise when its holder let the lock go stale, or never had it for as long. */
  async hasCome(names: ControlNames): Promise<boolean> {
    const now = this.#site.host.monotonicMs()
    if (names.top !== this.#top) {
      this.#top = names.top
      this.#sinceMs = now
    }
    if (await isFree(this.#site, names)) return true
    const state = this.#lock.tryAcquire()
    return state === 'stale' || (state === 'free' && now - this.#sinceMs > LOCK_STALE_MS)
  }
}

/** Undefined if another process took over meanwhile. */
async function takeOver(
  site: Site,
  lock: Lock,
  known: KnownJournals,
  claim: Claim,
): Promise<Ownership | undefined> {
  lock.seize()
  try {
    const isOwner = await settleLower(site, claim, (fenced) => finishJournal(site, fenced, known))
    if (isOwner) return await begin(site, claim, known)
  } catch (error) {
    abandonClaim(claim)
    if (!(await retreat(site, claim).catch(() => false))) throw error
  }
  lock.release()
  return undefined
}

/** Ends a takeover that failed. True if that was no more than being overtaken: another way to say that it is not ours. */
async function retreat(site: Site, claim: Claim): Promise<boolean> {
  const names = await readControlNames(site)
  if (isOvertaken(names, claim.number)) {
    await undoClaim(site, claim)
    return true
  }
  if (findWorkFolder(names, claim.folder) !== claim.folder) return true // swept: the claim is free without it
  await releaseClaim(site, claim)
  return false
}

/** The last steps before the first own commit: recover what is left, a journal of one's own, everything synced (C2). */
async function begin(site: Site, claim: Claim, known: KnownJournals): Promise<Ownership> {
  const history = await recoverKept(site, claim.path, known)
  const journal = await startJournal(site, claim, history)
  await site.disk.syncFolder(site.layout.control)
  await removeSynced(site, known, history.synced)
  await hasWaiters(site, claim) // sweeps what dead ones left
  return {
    claim,
    stage: {
      folder: claim.path,
      lastTime: history.time,
      lastStaged: 0,
      lastRemoved: 0,
      lastSpare: 0,
      inlineBytes: 0,
      largeScopes: new Set(),
      firmScopes: new Set(),
      readyScopes: new Map(),
      checkedScopes: new Set(),
    },
    journal,
    revision: history.revision,
    synced: history.synced,
    journalStart: history.revision,
    keptBytes: history.keptBytes,
    underWay: undefined,
  }
}

/** A fresh journal in the work folder, it and its name synced. */
export async function startJournal(
  site: Site,
  claim: Claim,
  { revision, time, synced }: Pick<History, 'revision' | 'time' | 'synced'>,
): Promise<Journal> {
  const mark = { kind: 'mark', revision, time, synced } as const
  const journal = await Journal.create(site, `${claim.path}/${JOURNAL_NAME}`, mark)
  await site.disk.syncFolder(claim.path)
  return journal
}

/**
 * Removes kept journals whose commits are known to be synced; the present journal must say so durably. The newest stays
 * until another has a higher revision: a name that another process may use again is never removed (C6).
 */
export async function removeSynced(site: Site, known: KnownJournals, synced: number): Promise<void> {
  const names = await readControlNames(site)
  for (const { name, revision } of names.kept.slice(0, -1)) {
    if (revision > synced) continue
    known.delete(name)
    await leavePast(site, names, revision)
    await ignoring(['ENOENT'], () => site.disk.unlink(site.layout.controlPath(name)))
  }
  if (names.past.length > 0) await removePast(site)
}

/**
 * Moves the present journal to its kept name. Large values are in no journal: before the work folder that they came from
 * can be gone, it must be certain that they are found at their keys.
 */
export async function retireJournal(site: Site, ownership: Ownership): Promise<void> {
  const { claim, stage, journal, revision, synced, journalStart } = ownership
  journal.close()
  await syncScopeFolders(site, stage.largeScopes)
  stage.largeScopes.clear()
  const changes = { length: revision - journalStart }
  await keepJournal(site, `${claim.path}/${JOURNAL_NAME}`, { revision, synced, changes })
}

/** Lets the store go; every change of the journal must be published. */
export async function letGo(site: Site, lock: Lock, ownership: Ownership): Promise<void> {
  try {
    await retireJournal(site, ownership)
    await site.disk.removeSpares(ownership.claim.path)
    await releaseClaim(site, ownership.claim)
  } finally {
    abandonClaim(ownership.claim)
    lock.release()
  }
}

/** The same while the process exits and nothing can be awaited. Whatever fails is settled by the next owner. */
export function letGoAtExit(site: Site, ownership: Ownership): void {
  const { claim, revision, synced, journalStart } = ownership
  const path = `${claim.path}/${JOURNAL_NAME}`
  try {
    if (revision > journalStart || synced === revision)
      void site.disk.rename(path, site.layout.controlPath(keptName(revision)))
    else void site.disk.unlink(path)
    void site.disk.removeSpares(claim.path) // one that is still being made may keep the folder: the next owner empties it
    releaseClaimAtExit(site, claim)
  } catch {
    // The next owner finds a dead one.
  }
}
