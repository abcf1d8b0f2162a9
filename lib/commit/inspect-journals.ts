/** The journals of a store: what each knows of, whether its commits are in place, and whether it is whole. */

import { StorageError } from '../base/errors.js'
import { JOURNAL_NAME } from '../disk/layout.js'
import { findWorkFolder } from './claim.js'
import type { ControlLook } from './control-look.js'
import { describeLeftover, type FindingDetails, inControl, quotePath } from './finding.js'
import { parseJournal } from './journal.js'
import { isThisSession } from './kept-journals.js'
import type { JournalSummary } from './report.js'
import type { Site } from './site.js'

/** A journal as it was read. */
interface Reading {
  /** In `.plainkeep`. */
  readonly name: string
  /** The number of the claim in whose work folder it is; undefined for a kept one. */
  readonly claim: number | undefined
  readonly bytes: number
  readonly revision: number
  readonly synced: number
  readonly hasCommits: boolean
  readonly isThisSession: boolean
  /** What is wrong with it, in a sentence. */
  readonly damage: string | undefined
}

/** An owner may write while its journal is read: one that looks damaged is read so often before it is believed. */
const READINGS = 4

/** Reads all journals, one after the other. Those that are damaged, unrecovered or needed by nobody are told of. */
export async function summarizeJournals(look: ControlLook): Promise<JournalSummary[]> {
  const readings = [...(await readKeptJournals(look)), ...(await readClaimedJournals(look))]
  const synced = Math.max(0, ...readings.map((reading) => reading.synced))
  const newest = readings.findLast(({ claim, damage }) => claim === undefined && damage === undefined)
  return readings.map((reading) => {
    const isNeeded = reading.claim !== undefined || reading === newest || reading.revision > synced
    return judge(look, reading, { isMissing: isMissing(look, reading, synced), isNeeded })
  })
}

async function readKeptJournals({ site, names }: ControlLook): Promise<Reading[]> {
  const readings: Reading[] = []
  for (const { name, revision } of names.kept) {
    const reading = await readJournal(site, { name, completeTo: revision })
    if (reading !== undefined) readings.push(reading)
  }
  return readings
}

async function readClaimedJournals({
  site,
  findings,
  names,
  claims,
  isAtRest,
}: ControlLook): Promise<Reading[]> {
  const readings: Reading[] = []
  for (const [claim, { folder }] of claims) {
    const found = findWorkFolder(names, folder)
    if (found === undefined) continue
    const reading = await readJournal(site, { name: `${found}/${JOURNAL_NAME}`, claim })
    if (reading !== undefined) readings.push(reading)
    if (isAtRest && (reading === undefined || (reading.damage === undefined && !reading.hasCommits)))
      findings.add(describeLeftover(found, 'the work folder of an owner that is gone'))
  }
  return readings
}

/** Undefined if there is no such file. */
async function readJournal(
  site: Site,
  {
    name,
    claim,
    completeTo,
  }: { readonly name: string; readonly claim?: number; readonly completeTo?: number },
): Promise<Reading | undefined> {
  const path = site.layout.controlPath(name)
  for (let attempt = 1; ; attempt += 1) {
    const bytes = await site.disk.readFile(path)
    if (bytes === undefined) return undefined
    const nothing = { name, claim, bytes: bytes.byteLength, revision: 0, synced: 0, hasCommits: false }
    try {
      const contents = parseJournal(bytes, path, completeTo)
      if (contents === undefined) return { ...nothing, isThisSession: true, damage: undefined }
      const { revision, synced, changes } = contents
      const extent = { revision, synced, hasCommits: changes.length > 0 }
      return { ...nothing, ...extent, isThisSession: isThisSession(site, contents), damage: undefined }
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      if (claim === undefined || attempt === READINGS)
        return { ...nothing, isThisSession: true, damage: error.message }
    }
  }
}

/** Whether commits of it may be missing: nobody is left to put them in place, or a restart has lost what was not synced. */
function isMissing({ isAtRest }: ControlLook, reading: Reading, synced: number): boolean {
  if (reading.claim !== undefined) return reading.hasCommits
  return isAtRest && !reading.isThisSession && reading.revision > synced
}

function judge(
  { findings, owner, isAtRest }: ControlLook,
  { name, claim, bytes, revision, synced, damage }: Reading,
  { isMissing, isNeeded }: { readonly isMissing: boolean; readonly isNeeded: boolean },
): JournalSummary {
  const path = inControl(name)
  if (damage !== undefined) {
    findings.add({ kind: 'damaged-journal', path, message: damage })
    return { path, state: 'damaged', bytes, revision: undefined, synced: undefined }
  }
  const isOpen = !isAtRest && claim !== undefined && claim === owner?.claim
  if (isAtRest && isMissing) findings.add(describeUnrecovered(path, claim, revision))
  else if (isAtRest && !isNeeded)
    findings.add(describeLeftover(name, 'a journal whose commits are all synced'))
  const state = isOpen ? 'open' : isMissing ? 'unrecovered' : 'kept'
  return { path, state, bytes, revision, synced }
}

function describeUnrecovered(path: string, claim: number | undefined, revision: number): FindingDetails {
  const why = claim === undefined ? 'the system was restarted since' : 'the process that wrote it is gone'
  const message = `The journal ${quotePath(path)} has commits up to revision ${revision} that may not be in place, since ${why}; whoever opens the store recovers them.`
  return { kind: 'unrecovered', path, message }
}
