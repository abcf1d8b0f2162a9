/**
 * Claims: which process may commit.
 *
 * Definitions. A *claim* is a number; `c<N>` is made by link(2), so one process alone has it, and names a *work
 * folder* with a random name. The holder of the highest claim is the *owner*. A work folder is *fenced* when it was
 * renamed by a later claim. *Settling* a lower claim: fence its work folder, finish what its journal holds, move the
 * journal to a name of its own, empty and remove the folder, remove the claim.
 *
 * Invariants.
 * C1  A key changes only by a rename from or to a work folder.
 * C2  Before the first own commit every lower claim is settled, so no rename into a removed folder can land late.
 * C3  Numbers only rise, names of work folders never come back: a late call finds nothing.
 * C4  Whoever stops half-way leaves names that the next claim settles again; every step may be repeated.
 * C5  The judgement that claim M may be taken over carries the number: it takes M + 1 or nothing.
 * C6  Release adds or renames its own names only; it never removes one that another may have.
 *
 * States: waiting (work folder, no claim) -- tryClaim --> claimed -- settleLower --> owner -- release --> released;
 * a claimed one that finds a higher claim undoes its claim, an owner whose work folder is gone is fenced.
 */

import type { Awaitable } from '../base/awaitable.js'
import { StorageError } from '../base/errors.js'
import { isErrorCode } from '../disk/disk.js'
import { isSameProcess, type ProcessIdentity } from '../disk/host.js'
import {
  type ControlName,
  claimName,
  fencedName,
  parseControlName,
  RECORD_NAME,
  releasedName,
  workName,
} from '../disk/layout.js'
import type { Site } from './site.js'

/** A claim as its owner uses it. */
export interface Claim {
  readonly number: number
  /** The name of its work folder. */
  readonly folder: string
  /** The path of its work folder. */
  readonly path: string
}

/** What `c<N>` holds. */
export interface ClaimRecord {
  readonly folder: string
  readonly owner: ProcessIdentity
}

/** The names in `.plainkeep`, understood. */
export interface ControlNames {
  /** The highest number that was ever claimed, as far as can be seen. */
  readonly top: number
  /** The number of the next claim: above every claim and every fence that can be seen. */
  readonly next: number
  readonly claims: readonly number[]
  readonly released: ReadonlySet<number>
  readonly work: readonly (ControlName & { kind: 'work' })[]
  readonly kept: readonly (ControlName & { kind: 'kept' | 'past' })[]
  readonly past: readonly (ControlName & { kind: 'kept' | 'past' })[]
  /** The names of processes that follow. */
  readonly readers: readonly { readonly name: string }[]
  /** The names of the folders of snapshots. */
  readonly snapshots: readonly string[]
}

/** The work folders that this process uses now: a claim of this process on any other folder is a dead one. */
const usedFolders = new Set<string>()

/** Lists `.plainkeep`. Kept and past journals come oldest first. */
export async function readControlNames(site: Site): Promise<ControlNames> {
  const names = ((await site.disk.listNames(site.layout.control)) ?? []).map(parseControlName)
  const claims = names.flatMap((name) => (name.kind === 'claim' ? [name.number] : []))
  const released = new Set(names.flatMap((name) => (name.kind === 'released' ? [name.number] : [])))
  const work = names.filter((name) => name.kind === 'work')
  const journals = names
    .filter((name) => 'revision' in name)
    .sort((left, right) => left.revision - right.revision)
  const kept = journals.filter(({ kind }) => kind === 'kept')
  const past = journals.filter(({ kind }) => kind === 'past')
  const readers = names.filter(({ kind }) => kind === 'reader')
  const snapshots = names.flatMap((name) => (name.kind === 'snapshot' ? [name.name] : []))
  const top = Math.max(0, ...claims, ...released)
  const next = Math.max(top, ...work.map(({ fencedBy }) => fencedBy ?? 0)) + 1
  return { top, next, claims, released, work, kept, past, readers, snapshots }
}

/** What `c<N>` holds; undefined if it is not there. Rejects with `CORRUPT_JOURNAL` if it makes no sense. */
export async function readClaim(site: Site, number: number): Promise<ClaimRecord | undefined> {
  const bytes = await site.disk.readFile(site.layout.controlPath(claimName(number)))
  if (bytes === undefined) return undefined
  const record = parseClaimRecord(bytes)
  if (record !== undefined) return record
  const message = `The claim ${claimName(number)} in ${site.layout.control} is damaged; remove it if no process uses the store.`
  throw new StorageError('CORRUPT_JOURNAL', message, { store: site.layout.root })
}

function parseClaimRecord(bytes: Uint8Array): ClaimRecord | undefined {
  try {
    const record = JSON.parse(Buffer.from(bytes).toString('utf8')) as ClaimRecord
    return typeof record.folder === 'string' && typeof record.owner.pid === 'number' ? record : undefined
  } catch {
    return undefined
  }
}

/** The work folder of a claim under its present name, fenced or not. */
export function findWorkFolder(names: ControlNames, folder: string): string | undefined {
  return names.work.find((work) => work.folder === folder)?.name
}

/** Whether the highest claim can be taken over at once: nobody has it, it was released, or its owner is dead. */
export async function isFree(site: Site, names: ControlNames): Promise<boolean> {
  const record = await findOwner(site, names)
  return record === undefined || isDead(site, record.folder, record.owner)
}

/** Whether nobody has the highest claim: there is none, or it was released. */
export function isUnowned({ top, released }: Pick<ControlNames, 'top' | 'released'>): boolean {
  return top === 0 || released.has(top)
}

/** The record of the highest claim, whose owner may have died; undefined if nobody has it, or its work folder is gone. */
export async function findOwner(site: Site, names: ControlNames): Promise<ClaimRecord | undefined> {
  const record = isUnowned(names) ? undefined : await readClaim(site, names.top)
  return record && findWorkFolder(names, record.folder) === undefined ? undefined : record
}

/** Whether somebody owns the store of whom this system does not tell whether they live. */
export async function isOwnerUnknown(site: Site, names: ControlNames): Promise<boolean> {
  const record = await findOwner(site, names)
  if (record === undefined) return false
  return !isDead(site, record.folder, record.owner) && site.host.isAlive(record.owner) === undefined
}

/** Whether nobody owns the store and a work folder of some owner is left: then there may be something to recover. */
export async function isAbandoned(site: Site, names: ControlNames): Promise<boolean> {
  return names.work.length > 0 && (await isFree(site, names)) && hasUnsettled(site, names, names.next)
}

/** Whether a claim below a number still has its work folder. */
export async function hasUnsettled(site: Site, names: ControlNames, below: number): Promise<boolean> {
  for (const number of names.claims.filter((claim) => claim < below)) {
    const record = await readClaim(site, number)
    if (record !== undefined && findWorkFolder(names, record.folder) !== undefined) return true
  }
  return false
}

/** Whether a process that made a work folder is known to be gone. */
function isDead(site: Site, folder: string, owner: ProcessIdentity): boolean {
  return isAlive(site, folder, owner) === false
}

/** Whether a process that made a work folder lives, and uses it still; undefined if that cannot be told from here. */
export function isAlive(site: Site, folder: string, owner: ProcessIdentity): boolean | undefined {
  return isSameProcess(owner, site.host.identity) ? usedFolders.has(folder) : site.host.isAlive(owner)
}

/** Who made a work folder that no claim names; undefined if its record is not there, or makes no sense. */
export async function readMaker(site: Site, name: string): Promise<ProcessIdentity | undefined> {
  const bytes = await site.disk.readFile(`${site.layout.controlPath(name)}/${RECORD_NAME}`)
  return bytes && parseClaimRecord(bytes)?.owner
}

/**
 * Makes a work folder with a record of it, synced; other processes see that one waits. Undefined if an owner swept it
 * before the record was there. Under another name it is a folder with a record of its maker, and nobody waits; it need
 * not be synced then.
 */
export async function makeWorkFolder(
  site: Site,
  { folder = workName(site.host.randomName()), sync = true }: { folder?: string; sync?: boolean } = {},
): Promise<{ folder: string; path: string } | undefined> {
  const path = site.layout.controlPath(folder)
  usedFolders.add(folder)
  const record: ClaimRecord = { folder, owner: site.host.identity }
  const bytes = Buffer.from(`${JSON.stringify(record)}\n`)
  await site.disk.makeFolder(path, site.folderMode)
  try {
    await site.disk.createFile(`${path}/${RECORD_NAME}`, bytes, { mode: site.fileMode, sync })
    return { folder, path }
  } catch (error) {
    await removeWorkFolder(site, folder)
    if (isErrorCode(error, 'ENOENT')) return undefined
    throw error
  }
}

/** Removes a work folder that no claim names, and that therefore holds no commit. */
export async function removeWorkFolder(site: Site, folder: string): Promise<void> {
  usedFolders.delete(folder)
  await emptyAndRemove(site, site.layout.controlPath(folder))
}

/** Takes exactly this number for a work folder (C5). False if another has it, or the work folder was swept. */
export async function tryClaim(site: Site, number: number, path: string): Promise<boolean> {
  try {
    await site.disk.link(`${path}/${RECORD_NAME}`, site.layout.controlPath(claimName(number)))
    return true
  } catch (error) {
    if (!isErrorCode(error, 'EEXIST', 'ENOENT')) throw error
    const record = await readClaim(site, number) // the reply may be lost: look at the result
    return record !== undefined && path.endsWith(record.folder)
  }
}

/** Whether a claim above this one was seen, or this one is an old number: then it must be undone. */
export function isOvertaken(names: ControlNames, number: number): boolean {
  const fencers = names.work.map((work) => work.fencedBy ?? 0)
  return names.top > number || names.released.has(number) || Math.max(0, ...fencers) > number
}

/** Takes back a claim that was overtaken before it owned anything. */
export async function undoClaim(site: Site, claim: Claim): Promise<void> {
  await ignoring(['ENOENT'], () => site.disk.unlink(site.layout.controlPath(claimName(claim.number))))
  await removeWorkFolder(site, claim.folder)
}

/**
 * Settles every lower claim, oldest first (C2). `finish` does what a fenced work folder's journal asks for and moves
 * the journal out of it. False if the claim was overtaken, and undone.
 */
export async function settleLower(
  site: Site,
  claim: Claim,
  finish: (fencedPath: string) => Promise<void>,
): Promise<boolean> {
  for (let step = 1; ; step += 1) {
    const names = await readControlNames(site)
    if (isOvertaken(names, claim.number)) {
      await undoClaim(site, claim)
      return false
    }
    if (step > SETTLING_STEPS) throw new Error(`a work folder in ${site.layout.control} cannot be removed`)
    const lowest = Math.min(...names.claims.filter((number) => number < claim.number))
    if (!Number.isFinite(lowest)) {
      await removeReleased(site, names, claim.number)
      return true
    }
    await settleClaim(site, { names, claim, number: lowest, finish })
  }
}

/** More steps than any number of late calls can cause; a folder that cannot be removed must not hold everybody up. */
const SETTLING_STEPS = 1000

interface Settling {
  readonly names: ControlNames
  readonly claim: Claim
  readonly number: number
  readonly finish: (fencedPath: string) => Promise<void>
}

/** One step on one lower claim; the caller looks again in any case (C4). */
async function settleClaim(site: Site, { names, claim, number, finish }: Settling): Promise<void> {
  const record = await readClaim(site, number)
  if (record === undefined) return
  const found = findWorkFolder(names, record.folder)
  if (found !== undefined) {
    const fenced = site.layout.controlPath(fencedName(record.folder, claim.number))
    const present = site.layout.controlPath(found)
    if (present !== fenced && !(await succeeds(['ENOENT'], () => site.disk.rename(present, fenced)))) return
    await finish(fenced)
    if (!(await emptyAndRemove(site, fenced))) return
  }
  await ignoring(['ENOENT'], () => site.disk.unlink(site.layout.controlPath(claimName(number))))
}

/** Removes a work folder with all that is in it. False if something landed in it meanwhile, or a later claim has fenced it again. */
export async function emptyAndRemove(site: Site, path: string): Promise<boolean> {
  for (const name of (await site.disk.listNames(path)) ?? []) {
    await ignoring(['ENOENT'], () => site.disk.unlink(`${path}/${name}`))
  }
  return succeeds(['ENOENT', 'ENOTEMPTY', 'EEXIST'], () => site.disk.removeFolder(path))
}

/** Removes the marks of released claims below a number. */
export async function removeReleased(site: Site, names: ControlNames, below: number): Promise<void> {
  for (const number of names.released) {
    if (number < below)
      await ignoring(['ENOENT'], () => site.disk.unlink(site.layout.controlPath(releasedName(number))))
  }
}

/** Whether the work folder still has its name: then what was flushed before this call is the owner's, for certain. */
export async function isStanding(site: Site, claim: Pick<Claim, 'path'>): Promise<boolean> {
  return (await site.disk.stat(`${claim.path}/${RECORD_NAME}`)) !== undefined
}

/**
 * Whether another process waits for the store: it has a work folder that no claim names. Removes those whose makers
 * are dead, or that are named as left behind, and what a power cut brought back of fenced ones.
 */
export async function hasWaiters(
  site: Site,
  claim: Claim,
  leftBehind: ReadonlySet<string> = new Set(),
): Promise<boolean> {
  const unclaimed = await findUnclaimed(site, claim)
  let isAnySwept = false
  let isAnyWaiting = false
  for (const work of unclaimed) {
    if (!leftBehind.has(work.name) && (await isWaiting(site, work))) isAnyWaiting = true
    else isAnySwept = (await fenceUnclaimed(site, work, claim.number)) || isAnySwept
  }
  if (isAnySwept) await removeFenced(site, claim)
  return isAnyWaiting
}

/** Its maker may live after all, and claim: so its name is taken first, and only then it is looked at again. */
async function fenceUnclaimed(
  site: Site,
  { name, folder, fencedBy }: WorkName,
  number: number,
): Promise<boolean> {
  if (fencedBy !== undefined) return true
  const [from, to] = [site.layout.controlPath(name), site.layout.controlPath(fencedName(folder, number))]
  return succeeds(['ENOENT'], () => site.disk.rename(from, to))
}

async function removeFenced(site: Site, claim: Claim): Promise<void> {
  for (const { name, fencedBy } of await findUnclaimed(site, claim)) {
    if (fencedBy !== undefined) await emptyAndRemove(site, site.layout.controlPath(name))
  }
}

type WorkName = ControlNames['work'][number]

async function findUnclaimed(site: Site, claim: Claim): Promise<WorkName[]> {
  const names = await readControlNames(site)
  if (names.work.length === 1) return [] // the claim's own
  const claimed = new Set([claim.folder])
  for (const number of names.claims) {
    const record = await readClaim(site, number)
    if (record !== undefined) claimed.add(record.folder)
  }
  const unclaimed: WorkName[] = []
  for (const work of names.work) {
    if (claimed.has(work.folder)) continue
    const stat = await site.disk.stat(site.layout.controlPath(work.name)) // anybody may give a file such a name
    if (stat?.kind === 'folder') unclaimed.push(work)
  }
  return unclaimed
}

async function isWaiting(site: Site, work: WorkName): Promise<boolean> {
  if (work.fencedBy !== undefined) return false
  const maker = await readMaker(site, work.name)
  return maker !== undefined && !isDead(site, work.folder, maker)
}

/** Whether the work folder of a fenced claim is gone, and so all that was certain of it is in place. */
export async function isSettled(site: Site, claim: Claim): Promise<boolean> {
  return findWorkFolder(await readControlNames(site), claim.folder) === undefined
}

/** Lets the claim go. Nothing of it may be in flight, and its journal is moved out already (C6). */
export async function releaseClaim(site: Site, claim: Claim): Promise<void> {
  usedFolders.delete(claim.folder)
  if (!(await emptyAndRemove(site, claim.path))) return
  await succeeds(['EEXIST', 'ENOSPC'], () => createReleased(site, claim)) // without it the missing folder says as much
}

/** The same as the process exits, when nothing can be awaited: the disk does these operations at once, or not at all. */
export function releaseClaimAtExit(site: Site, claim: Claim): void {
  void site.disk.unlink(`${claim.path}/${RECORD_NAME}`)
  void site.disk.removeFolder(claim.path)
  void createReleased(site, claim)
}

function createReleased(site: Site, claim: Claim): Awaitable<unknown> {
  const path = site.layout.controlPath(releasedName(claim.number))
  return site.disk.createFile(path, new Uint8Array(), { mode: site.fileMode })
}

/** Gives the work folder up without a release: the next claim settles it. */
export function abandonClaim(claim: Claim): void {
  usedFolders.delete(claim.folder)
}

/** Does it, or not for one of these errors. */
export async function ignoring(codes: readonly string[], operation: () => Awaitable<unknown>): Promise<void> {
  await succeeds(codes, operation)
}

/** Does it; false for one of these errors. */
async function succeeds(codes: readonly string[], operation: () => Awaitable<unknown>): Promise<boolean> {
  try {
    await operation()
    return true
  } catch (error) {
    if (isErrorCode(error, ...codes)) return false
    throw error
  }
}
