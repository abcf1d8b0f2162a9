/**
 * Looking over `.plainkeep`: who owns the store, what its journals hold, and what is left of processes that are gone.
 *
 * L1  Nothing is changed, nothing is taken, and nobody is waited for.
 * L2  The store may be in use. So a finding counts only if it is there in two looks, one a moment after the other: no
 *     step of the protocol leaves the same names twice, since numbers rise and names of work folders never come back.
 * L3  What a claim leaves behind is judged only while no owner lives: whoever takes over is still clearing up.
 */

import { FORMAT_FILE_BYTES, LEFT_BEHIND_MS, LOCK_STALE_MS, SECOND_LOOK_MS } from '../base/limits.js'
import type { FileKind } from '../disk/disk.js'
import {
  CONTROL_NAME,
  claimName,
  FORMAT,
  FORMAT_NAME,
  LOCK_NAME,
  MANIFEST_NAME,
  parseControlName,
  parseFormat,
  releasedName,
} from '../disk/layout.js'
import { findWorkFolder, isAlive, readMaker } from './claim.js'
import { type ControlLook, isLockFresh, lookAtControl, measureAgeMs } from './control-look.js'
import { describeKind, describeLeftover, Findings, inControl, quotePath } from './finding.js'
import { summarizeJournals } from './inspect-journals.js'
import { findWideMode } from './inspect-mode.js'
import type { CheckReport, Finding } from './report.js'
import type { Site } from './site.js'
import { isSnapshotLeft } from './snapshot.js'

/** What `.plainkeep` says. */
export type ControlReport = Pick<CheckReport, 'findings' | 'owner' | 'journals'>

/** Looks `.plainkeep` over, twice if there is anything to tell (L2). */
export async function inspectControl(site: Site): Promise<ControlReport> {
  const first = await look(site)
  if (first.findings.length === 0) return first
  await new Promise((resolve) => setTimeout(resolve, SECOND_LOOK_MS))
  const second = await look(site)
  const seen = new Set(first.findings.map(identify))
  return { ...second, findings: second.findings.filter((finding) => seen.has(identify(finding))) }
}

function identify({ kind, path, message }: Finding): string {
  return `${kind}\0${path}\0${message}`
}

async function look(site: Site): Promise<ControlReport> {
  const findings = new Findings()
  if (!(await isControlThere(site, findings)))
    return { findings: findings.kept, owner: undefined, journals: [] }
  await inspectKinds(site, findings)
  await inspectFormat(site, findings)
  const control = await lookAtControl(site, findings)
  const journals = await summarizeJournals(control)
  if (control.isAtRest) await inspectRest(control)
  await inspectUnclaimed(control)
  return { findings: findings.kept, owner: control.owner, journals }
}

async function isControlThere({ disk, layout }: Site, findings: Findings): Promise<boolean> {
  const stat = await disk.stat(layout.control)
  if (stat?.kind === 'folder') return true
  const message =
    stat === undefined
      ? `The store has no folder ${CONTROL_NAME}; opening the store makes it anew.`
      : `There is a ${describeKind(stat.kind)} where the store's own folder ${CONTROL_NAME} belongs; move it away.`
  findings.add({ kind: 'misplaced', path: CONTROL_NAME, message })
  return false
}

/** The kind that a name in `.plainkeep` must be of; undefined if it means nothing. */
function expectKind(name: string): FileKind | undefined {
  if (name === FORMAT_NAME || name === MANIFEST_NAME) return 'file'
  if (name === LOCK_NAME) return 'folder'
  const { kind } = parseControlName(name)
  if (kind === 'foreign') return undefined
  return kind === 'work' || kind === 'snapshot' ? 'folder' : 'file'
}

async function inspectKinds(site: Site, findings: Findings): Promise<void> {
  const { disk, layout } = site
  const control = await disk.stat(layout.control)
  if (control !== undefined) findWideMode(site, findings, { path: CONTROL_NAME, stat: control })
  for (const name of (await disk.listNames(layout.control)) ?? []) {
    const path = inControl(name)
    const [stat, expected] = [await disk.stat(layout.controlPath(name)), expectKind(name)]
    if (stat === undefined) continue
    const what = `The ${describeKind(stat.kind)} ${quotePath(path)}`
    if (expected === undefined) {
      const message = `${what} means nothing to the store; remove it if nobody else needs it.`
      findings.add({ kind: 'stray', path, message })
    } else if (stat.kind !== expected) {
      const message = `${what} is where only a ${expected} of the store's own may be; move it away.`
      findings.add({ kind: 'misplaced', path, message })
    } else if (name !== LOCK_NAME) findWideMode(site, findings, { path, stat }) // who makes the lock chooses its mode
  }
}

async function inspectFormat({ disk, layout }: Site, findings: Findings): Promise<void> {
  const path = inControl(FORMAT_NAME)
  const stat = await disk.stat(layout.format)
  if (stat !== undefined && stat.kind !== 'file') return // told already
  const isShort = stat !== undefined && stat.size <= FORMAT_FILE_BYTES
  const bytes = isShort ? await disk.readFile(layout.format) : undefined
  const format = bytes && parseFormat(bytes)
  if (format === FORMAT) return
  const message =
    format === undefined
      ? `The file ${path} names no format; it should hold {"format":${FORMAT}}.`
      : `The file ${path} names format ${format}, and this version of plainkeep knows format ${FORMAT}; use a newer version.`
  findings.add({ kind: 'unsupported-format', path, message })
}

/** Names that mean nothing any more while nobody owns the store (L3). */
async function inspectRest({ site, findings, names, claims }: ControlLook): Promise<void> {
  for (const number of names.claims) {
    const record = claims.get(number)
    if (number === names.top || record === undefined) continue
    if (findWorkFolder(names, record.folder) === undefined)
      findings.add(describeLeftover(claimName(number), 'an old claim'))
  }
  for (const number of names.released) {
    if (number !== names.top) findings.add(describeLeftover(releasedName(number), 'the end of an old claim'))
  }
  const lock = await site.disk.stat(site.layout.lock)
  if (lock?.kind === 'folder' && !(await isLockFresh(site)))
    findings.add(describeLeftover(LOCK_NAME, 'the lock of a process that is gone'))
}

/** Work folders that no claim names: of those who wait, or died waiting. They hold no commit. */
async function inspectUnclaimed({ site, findings, names, claims, isAtRest }: ControlLook): Promise<void> {
  for (const name of names.snapshots)
    if (await isSnapshotLeft(site, name))
      findings.add(describeLeftover(name, 'the snapshot of a backup that was cut off'))
  if (claims.size < names.claims.length) return // a claim that cannot be read may name any of them
  const claimed = new Set([...claims.values()].map(({ folder }) => folder))
  for (const { name, folder, fencedBy } of names.work) {
    if (claimed.has(folder)) continue
    const isLeft = fencedBy === undefined ? await isLeftBehind(site, name, folder) : isAtRest
    if (isLeft) findings.add(describeLeftover(name, 'the work folder of a process that is gone'))
  }
}

/** Whether nobody waits there any more: its maker is gone, or nothing is known of it, and it is old. */
async function isLeftBehind(site: Site, name: string, folder: string): Promise<boolean> {
  const maker = await readMaker(site, name)
  const isMakerAlive = maker && isAlive(site, folder, maker)
  if (isMakerAlive !== undefined) return !isMakerAlive
  const stat = await site.disk.stat(site.layout.controlPath(name))
  const ageMs = stat === undefined ? 0 : measureAgeMs(site, Number(stat.time / 1_000_000n))
  return ageMs > (maker === undefined ? LOCK_STALE_MS : LEFT_BEHIND_MS)
}
