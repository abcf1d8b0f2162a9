/**
 * Staging: a value is written completely to a private file before anything can be replaced.
 *
 * S1  A staged file holds all bytes, has its mode and its modification time; a large one is synced.
 * S2  The time is later than any that the store set before, and later than that of the file it replaces: so versions
 *     never come back, and recovery can tell an edit made by hand from an older commit.
 * S3  Of several changes of a key in one group only the last is staged; nobody could have seen the others.
 * S4  A file may be made ahead, as a spare, under the next numbers. It is empty until its value is staged, and no record
 *     names it before that; staging it fails where the work folder lost its name, as it does without a spare.
 */

import { crc32 } from 'node:zlib'
import { StorageError } from '../base/errors.js'
import { SMALL_VALUE_BYTES, SPARE_FILES } from '../base/limits.js'
import { describeScope, type ScopeId } from '../base/scope-id.js'
import { type FileStat, isErrorCode } from '../disk/disk.js'
import { stagedName } from '../disk/layout.js'
import { type Change, type ChangeResult, readSource } from './engine.js'
import { makeScopeFolders } from './publish.js'
import type { RecordedChange } from './record.js'
import type { Site } from './site.js'
import { encodeVersion } from './version.js'

/** The smallest difference between two times that the system call for setting them can tell apart. */
const TIME_STEP_NS = 1000n

/** A scope that is removed while it is made fit is made again so often. */
const ATTEMPTS = 10

/** What staging needs to know and remembers while a process owns the store. */
export interface StageState {
  /** The path of the work folder. */
  readonly folder: string
  /** The latest time that the store ever set. */
  lastTime: bigint
  /** The number of the last staged file. */
  lastStaged: number
  /** The number of the last name of a deleted value. */
  lastRemoved: number
  /** The highest number of a staged file that a spare was wanted for (S4). */
  lastSpare: number
  /** How many bytes of values the present group may still put into the journal. */
  inlineBytes: number
  /** Scopes that large values were published into, whose folders are not synced since. */
  readonly largeScopes: Set<ScopeId>
  /** Scopes whose folders have synced names, by their paths. */
  readonly firmScopes: Set<string>
  /** Scopes that were found fit to publish into, by their paths, with their folders as they were found. */
  readonly readyScopes: Map<string, readonly FileStat[]>
  /** Those of them that the present group has looked at. */
  readonly checkedScopes: Set<string>
}

/** What became of a change in staging. */
export interface StagedChange {
  /** For the journal; undefined where there is nothing to do, as for the delete of a missing key. */
  readonly recorded: RecordedChange | undefined
  readonly result: ChangeResult
}

/** Where a change belongs, and how it stands among the others of its group. */
export interface ChangePlace {
  /** The file of its key. */
  readonly path: string
  /** Whether an earlier change that is not in place yet leaves a value there; undefined if there is none. */
  readonly wasPresent: boolean | undefined
  /** A later change of the group replaces it. */
  readonly isSuperseded: boolean
}

/** Writes what a change needs to the work folder. Rejects with the system call's error, or a `StorageError`. */
export async function stageChange(
  site: Site,
  state: StageState,
  change: Change,
  place: ChangePlace,
): Promise<StagedChange> {
  const existing = await findExisting(site, state, change, place.path)
  const existed = place.wasPresent ?? existing !== undefined
  if (change.value === undefined && !existed && existing === undefined) {
    return { recorded: undefined, result: { version: undefined, existed } }
  }
  const time = nextTime(site, state, existing)
  const mode = existing?.mode ?? narrowMode(site, change.mode)
  const target: Target = { scope: change.scope, key: change.key, time, existing, existed, mode }
  if (place.isSuperseded) return supersede(target, change.value?.byteLength)
  if (change.value !== undefined) return stageValue(site, state, target, await readSource(change.value))
  state.lastRemoved += 1
  const { scope, key } = change
  const recorded: RecordedChange = {
    scope,
    key,
    time,
    kind: 'delete',
    was: existing?.time ?? 0n,
    removed: state.lastRemoved,
  }
  return { recorded, result: { version: undefined, existed } }
}

/** What a change changes. */
interface Target {
  readonly scope: ScopeId
  readonly key: string
  readonly time: bigint
  readonly existing: FileStat | undefined
  readonly existed: boolean
  /** The permission bits that the file gets. */
  readonly mode: number
}

/** A mode that is asked for lets nobody write but the file's owner, and whoever may write new files of this store. */
function narrowMode({ fileMode }: Site, mode: number = fileMode): number {
  return mode & (0o755 | fileMode)
}

function supersede({ scope, key, time, existed }: Target, size: number | undefined): StagedChange {
  const version = size === undefined ? undefined : encodeVersion({ time, inode: 0n, size })
  return {
    recorded: { scope, key, time, version, kind: 'superseded' },
    result: { version, existed },
  }
}

async function stageValue(
  site: Site,
  state: StageState,
  target: Target,
  bytes: Uint8Array,
): Promise<StagedChange> {
  const { scope, key, time, existed, mode } = target
  const isLarge = bytes.byteLength > Math.min(SMALL_VALUE_BYTES, state.inlineBytes)
  if (!isLarge) state.inlineBytes -= bytes.byteLength
  state.lastStaged += 1
  const staged = state.lastStaged
  const stat = await site.disk.createFile(`${state.folder}/${stagedName(staged)}`, bytes, {
    mode,
    exactMode: mode !== site.fileMode,
    time,
    laterThan: time - TIME_STEP_NS,
    sync: isLarge,
  })
  if (time === state.lastTime) state.lastTime = later(time, stat.time)
  const value = { staged, size: bytes.byteLength, crc: crc32(bytes), bytes: isLarge ? undefined : bytes }
  const version = encodeVersion(stat)
  const recorded: RecordedChange = { scope, key, time: stat.time, version, kind: 'set', value }
  return { recorded, result: { version, existed } }
}

/** The next values get spares, while the flush that comes now is waited for; the more, the more there were (S4). */
export function makeSpares(site: Site, state: StageState): void {
  if (state.lastSpare >= state.lastStaged + SPARE_FILES / 2) return
  const wanted = state.lastStaged + Math.min(SPARE_FILES, state.lastStaged)
  for (let number = Math.max(state.lastSpare, state.lastStaged) + 1; number <= wanted; number += 1)
    site.disk.makeSpare(`${state.folder}/${stagedName(number)}`, site.fileMode)
  state.lastSpare = wanted
}

/** A time later than any before (S2). A file that someone dated into the future is an exception for its key alone. */
function nextTime(site: Site, state: StageState, existing: FileStat | undefined): bigint {
  state.lastTime = later(
    BigInt(Math.trunc(site.host.now() * 1000)) * TIME_STEP_NS,
    state.lastTime + TIME_STEP_NS,
  )
  return later(state.lastTime, (existing?.time ?? 0n) + TIME_STEP_NS)
}

function later(left: bigint, right: bigint): bigint {
  return left > right ? left : right
}

/** The file that a change replaces or removes; links, folders and the like are none. */
async function findExisting(
  site: Site,
  state: StageState,
  change: Change,
  path: string,
): Promise<FileStat | undefined> {
  const folder = site.layout.scopePath(change.scope)
  if (!state.checkedScopes.has(folder)) await checkScope(site, state, change.scope, folder)
  const found = await site.disk.stat(path)
  if (found?.kind !== 'folder') return found?.kind === 'file' ? found : undefined
  const message = `There is a folder at ${path}, where the value of ${JSON.stringify(change.key)} belongs; move it away.`
  throw new StorageError('IO_ERROR', message, { store: site.layout.root, ...change, outcome: 'none' })
}

/** A scope's folders are those that were found fit; looked at by each group, since anybody may put a link there. */
async function checkScope(site: Site, state: StageState, scope: ScopeId, path: string): Promise<void> {
  const folders = site.layout.scopeFolders(scope)
  const ready = state.readyScopes.get(path) ?? []
  let fit = 0
  while (fit < ready.length && isSameFolder(ready[fit], await site.disk.stat(folders[fit] as string)))
    fit += 1
  if (fit < folders.length) {
    state.firmScopes.delete(path)
    state.readyScopes.set(path, await prepareScope(site, scope, path))
  }
  state.checkedScopes.add(path)
}

function isSameFolder(left: FileStat | undefined, right: FileStat | undefined): boolean {
  return left?.inode === right?.inode && left?.device === right?.device && left?.kind === right?.kind
}

/** A scope's folders, which are there and fit; if somebody removes one meanwhile, it is made once more. */
async function prepareScope(site: Site, scope: ScopeId, path: string): Promise<FileStat[]> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await makeFit(site, scope, path)
    } catch (error) {
      if (!isErrorCode(error, 'ENOENT') || attempt === ATTEMPTS) throw error
    }
  }
}

/** They are folders, and the scope's own can be renamed into; told before anything is written. */
async function makeFit(site: Site, scope: ScopeId, path: string): Promise<FileStat[]> {
  const { disk, layout } = site
  if ((await disk.stat(path)) === undefined) await makeScopeFolders(site, scope)
  const found: FileStat[] = []
  for (const folder of layout.scopeFolders(scope)) {
    const stat = await disk.stat(folder)
    if (stat === undefined) throw Object.assign(new Error(`${folder} was removed`), { code: 'ENOENT' })
    if (stat.kind !== 'folder') throw unfit(site, scope, `${folder} is not a folder (links are not followed)`)
    found.push(stat)
  }
  const control = await disk.stat(layout.control)
  const isElsewhere = found.at(-1)?.device !== control?.device || (await isOtherMount(site, path))
  if (isElsewhere)
    throw unfit(site, scope, `${path} is on another filesystem than ${layout.control}`, 'EXDEV')
  if (!(await disk.isWritable(path))) throw unfit(site, scope, `${path} is not writable`, 'EACCES')
  return found
}

/** Renaming nothing tells whether two folders are on one mount: that is looked at before the names are. */
async function isOtherMount(site: Site, path: string): Promise<boolean> {
  try {
    await site.disk.rename(`${site.layout.control}/none`, `${path}/none`)
    return false
  } catch (error) {
    return isErrorCode(error, 'EXDEV')
  }
}

function unfit(site: Site, scope: ScopeId, why: string, code = 'ENOTDIR'): StorageError {
  const details = { store: site.layout.root, scope, outcome: 'none' } as const
  const message = `Cannot write to ${describeScope(scope)}: ${why}.`
  return new StorageError(code === 'EACCES' ? 'ACCESS_DENIED' : 'IO_ERROR', message, details)
}
