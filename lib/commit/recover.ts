/**
 * Recovery: what a dead or fenced owner left in its journal becomes plain files.
 *
 * R1  In the session of the filesystem that wrote the journal what was published is in place: only a change whose
 *     staged file is still there is published now. Whatever else is at a key was put there later, by hand.
 * R2  In a later session anything that was not synced may be missing. Of each key's last change: the recorded file is
 *     there, or a later one is, or it is written anew from the journal. It is synced, and its folder. If that fails, a
 *     new file takes its place, not synced yet: whoever recovers next may flush that one, and no other (K3).
 * R3  Before anything else the journal's records are made durable in a new file, under the kept name, unless they were
 *     read from the disk in a later session: the owner may have died before its flush, or its flush may have failed, and
 *     half of a commit must not be all that survives.
 * R4  A journal leaves its work folder under a name that says its last revision, and that is synced, before the folder is
 *     emptied.
 * R5  Everything here may be stopped and done again.
 */

import { crc32 } from 'node:zlib'
import { type CreateOptions, type FileStat, isErrorCode, UNTIMED_MODE } from '../disk/disk.js'
import { JOURNAL_NAME, journalCopyName, keptName, stagedName } from '../disk/layout.js'
import { ignoring, readControlNames } from './claim.js'
import type { JournalContents, NumberedChange } from './journal.js'
import {
  highestSynced,
  isThisSession,
  type KeptSummary,
  lastChanges,
  parseInTurns,
  readLostJournals,
  summarize,
} from './kept-journals.js'
import { isLarge, publishChange, syncScopeFolders, syncScopeNames } from './publish.js'
import { leavePast } from './readers.js'
import type { RecordedChange, RecordedValue } from './record.js'
import type { Site } from './site.js'

/** What is known of the commits before a claim. */
export interface History {
  /** The last revision. */
  readonly revision: number
  /** The latest time that the store ever set. */
  readonly time: bigint
  /** Commits up to this revision are synced as plain files. */
  readonly synced: number
  /** How long the kept journals are together, in bytes. */
  readonly keptBytes: number
}

/** Finishes what the journal in a fenced work folder holds, and moves it out; `known` then has its summary. */
export async function finishJournal(
  site: Site,
  folder: string,
  known: Map<string, KeptSummary>,
): Promise<void> {
  const path = `${folder}/${JOURNAL_NAME}`
  const bytes = await site.disk.readFile(path)
  const contents = bytes === undefined ? undefined : await parseInTurns(site, bytes, path)
  if (bytes === undefined) await site.disk.syncFolder(site.layout.control) // it was moved, perhaps just now
  if (bytes === undefined || contents === undefined) return
  const isThis = isThisSession(site, contents)
  const rest = isThis ? await listUnpublished(site, folder, contents) : []
  const isCopied = await makeDurable(site, folder, contents, bytes.subarray(0, contents.end))
  if (isThis) {
    await publishRest(site, folder, contents, rest)
  } else {
    const read = new Map<string, KeptSummary>()
    const lost = await readLostJournals(site, read)
    await rewriteLost(site, folder, [...lost, contents], highestSynced(read))
  }
  await keepJournal(site, path, contents, isCopied)
  if (isThis) known.set(keptName(contents.revision), summarize(contents))
}

/**
 * Moves a journal whose records are durable, and whose changes are all published, to its kept name, synced there. One
 * that is superfluous, or has a kept copy (R3), is removed.
 */
export async function keepJournal(
  site: Site,
  path: string,
  contents: JournalExtent,
  isCopied = false,
): Promise<void> {
  const kept = site.layout.controlPath(keptName(contents.revision))
  const isKnown =
    isCopied ||
    isSuperfluous(contents) ||
    (contents.changes.length > 0 && (await site.disk.stat(kept)) !== undefined)
  if (!isKnown && contents.changes.length === 0)
    await leavePast(site, await readControlNames(site), contents.revision)
  // ENOENT: moved by a late call of its owner
  await ignoring(['ENOENT'], () => (isKnown ? site.disk.unlink(path) : site.disk.rename(path, kept)))
  await site.disk.syncFolder(site.layout.control)
}

/** Without commits it is needed only where it alone knows that older ones are synced. */
function isSuperfluous({ revision, synced, changes }: JournalExtent): boolean {
  return changes.length === 0 && (synced < revision || revision === 0)
}

type JournalExtent = Pick<JournalContents, 'revision' | 'synced'> & {
  readonly changes: { readonly length: number }
}

/**
 * Recovers the kept journals of an earlier session, and says what is known of the commits so far. `known` are summaries of
 * kept journals of this session that were read before; new ones are added.
 */
export async function recoverKept(
  site: Site,
  folder: string,
  known: Map<string, KeptSummary>,
): Promise<History> {
  const lost = await readLostJournals(site, known)
  if (lost.length > 0) await rewriteLost(site, folder, lost, highestSynced(known))
  const kept = [...known.values()].filter((summary) => summary.revision > 0)
  const recovered = Math.max(0, ...lost.map((contents) => contents.revision))
  return {
    revision: Math.max(recovered, ...kept.map((summary) => summary.revision), 0),
    time: [...kept, ...lost].reduce((time, each) => (each.time > time ? each.time : time), 0n),
    synced: Math.max(recovered, highestSynced(known)),
    keptBytes: kept.reduce((total, summary) => total + summary.bytes, 0),
  }
}

/**
 * R3. A copy of the records gets the kept name, which is synced; true if so. In a later session they were read from the
 * disk; in this one nobody knows whether they were flushed, and a flush of the same file could be one after a failed one.
 */
async function makeDurable(
  site: Site,
  folder: string,
  contents: JournalContents,
  records: Uint8Array,
): Promise<boolean> {
  const isOnDisk = contents.header.session !== '' && !isThisSession(site, contents)
  if (isSuperfluous(contents) || isOnDisk) return false
  const numbers = { last: 0 }
  const pathOf = (number: number): string => `${folder}/${journalCopyName(number)}`
  await createNew(site, pathOf, numbers, records, { mode: site.fileMode, sync: true })
  await site.disk.rename(pathOf(numbers.last), site.layout.controlPath(keptName(contents.revision)))
  await site.disk.syncFolder(site.layout.control)
  return true
}

/** The changes of a journal that its owner did not come to publish. */
async function listUnpublished(
  site: Site,
  folder: string,
  contents: JournalContents,
): Promise<NumberedChange[]> {
  const staged = new Set(await site.disk.listNames(folder))
  const rest: NumberedChange[] = []
  for (const change of lastChanges(site, [contents]).values())
    if (await isUnpublished(site, staged, change)) rest.push(change)
  return rest
}

/** R1. Large values are in no journal: before the work folder is emptied it must be certain that they are at their keys. */
async function publishRest(
  site: Site,
  folder: string,
  contents: JournalContents,
  rest: readonly NumberedChange[],
): Promise<void> {
  for (const change of rest) await publishFirmly(site, folder, change)
  const large = [...lastChanges(site, [contents]).values()].filter(isLarge)
  await syncScopeFolders(
    site,
    large.map((change) => change.scope),
  )
}

/** Publishes, a large value into a folder whose name is synced (P2). */
async function publishFirmly(site: Site, folder: string, change: RecordedChange): Promise<void> {
  if (isLarge(change)) await syncScopeNames(site, change.scope)
  await publishChange(site, folder, change)
}

async function isUnpublished(
  site: Site,
  staged: ReadonlySet<string>,
  change: RecordedChange,
): Promise<boolean> {
  if (change.kind === 'set') return staged.has(stagedName(change.value.staged))
  const present = await site.disk.stat(site.layout.keyPath(change.scope, change.key))
  return change.kind === 'delete' && present?.kind === 'file' && present.time === change.was
}

/** R2. New files are made in `folder`, where large staged values still are. `synced` is known from later journals. */
async function rewriteLost(
  site: Site,
  folder: string,
  journals: readonly JournalContents[],
  synced: number,
): Promise<void> {
  const changes = lastChanges(site, journals, synced)
  const numbers = { last: Math.max(0, ...[...changes.values()].map(stagedNumber)) }
  for (const [path, change] of changes) {
    if (change.kind === 'set')
      await rewriteValue(site, { folder, path, change, value: change.value, numbers })
    else await redoDelete(site, folder, path, change)
  }
  await syncScopeFolders(site, new Set([...changes.values()].map((change) => change.scope)))
}

function stagedNumber(change: RecordedChange): number {
  if (change.kind === 'set') return change.value.staged
  return change.kind === 'delete' ? change.removed : 0
}

/** The last number that a new name has got. */
interface Numbers {
  last: number
}

interface Rewrite {
  readonly folder: string
  readonly path: string
  readonly change: NumberedChange & { kind: 'set' }
  readonly value: RecordedValue
  readonly numbers: Numbers
}

async function rewriteValue(site: Site, { folder, path, change, value, numbers }: Rewrite): Promise<void> {
  const found = await site.disk.readFileAndStat(path)
  const present = found?.stat ?? (await site.disk.stat(path))
  const isSame = found !== undefined && found.stat.time === change.time && isRecorded(value, found.bytes)
  if (isSame && !isUntimed(found.stat)) {
    await syncRecorded(site, { folder, path, change, value, numbers })
  } else if (present === undefined || isReplaceable(present, change)) {
    const mode = present && present.mode & ~UNTIMED_MODE
    const staged = await restage(site, folder, change, { numbers, mode })
    if (staged !== undefined) await publishFirmly(site, folder, staged)
  }
}

/** Syncs the file that is there, or puts a new one in its place: synced, or else not, and then rejects. */
async function syncRecorded(site: Site, { folder, path, change, numbers }: Rewrite): Promise<void> {
  try {
    await site.disk.syncFile(path)
  } catch {
    const mode = (await site.disk.stat(path))?.mode
    let failure: unknown
    const staged = await restage(site, folder, change, { numbers, mode }).catch((error: unknown) => {
      failure = error
      return restage(site, folder, change, { numbers, mode, sync: false })
    })
    if (staged !== undefined) await publishFirmly(site, folder, staged)
    if (failure !== undefined) throw failure
  }
}

/** How a value is staged anew. */
interface Restaging {
  readonly numbers: Numbers
  readonly mode: number | undefined
  /** Default: true. */
  readonly sync?: boolean
}

/** A staged file with the value, synced: the large one that is still there, or a new one from the journal's bytes. */
async function restage(
  site: Site,
  folder: string,
  change: NumberedChange & { kind: 'set' },
  { numbers, mode = site.fileMode, sync = true }: Restaging,
): Promise<RecordedChange | undefined> {
  const { value, time } = change
  if (value.bytes === undefined) {
    const bytes = await site.disk.readFile(`${folder}/${stagedName(value.staged)}`)
    return bytes !== undefined && isRecorded(value, bytes) ? change : undefined
  }
  const mark = sync ? 0 : UNTIMED_MODE
  const options = { mode: mode | mark, exactMode: mode !== site.fileMode, time, sync }
  await createNew(site, (number) => `${folder}/${stagedName(number)}`, numbers, value.bytes, options)
  return { ...change, value: { ...value, staged: numbers.last } }
}

/**
 * Makes a file under a name that nobody has used, the first free one: an earlier recovery that was stopped may have left
 * some (R5), and a late call of one that was fenced may still make or remove one of those.
 */
async function createNew(
  site: Site,
  nameOf: (number: number) => string,
  numbers: Numbers,
  bytes: Uint8Array,
  options: CreateOptions,
): Promise<void> {
  for (;;) {
    numbers.last += 1
    try {
      await site.disk.createFile(nameOf(numbers.last), bytes, options)
      return
    } catch (error) {
      if (!isErrorCode(error, 'EEXIST')) throw error
    }
  }
}

async function redoDelete(site: Site, folder: string, path: string, change: NumberedChange): Promise<void> {
  const present = await site.disk.stat(path)
  if (present !== undefined && isReplaceable(present, change)) await publishChange(site, folder, change)
}

/** Whether a file is no later than a change: one that was put in place unsynced (R2) may have lost its time in a power cut. */
function isReplaceable(present: FileStat, change: RecordedChange): boolean {
  return present.kind === 'file' && (present.time <= change.time || isUntimed(present))
}

const isUntimed = ({ mode }: FileStat): boolean => (mode & UNTIMED_MODE) !== 0

function isRecorded(value: RecordedValue, bytes: Uint8Array): boolean {
  return bytes.byteLength === value.size && crc32(bytes) === value.crc
}
