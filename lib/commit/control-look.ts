/** One look at `.plainkeep`: its names, what its claims say, and who owns the store. */

import { StorageError } from '../base/errors.js'
import { LOCK_STALE_MS } from '../base/limits.js'
import { claimName } from '../disk/layout.js'
import {
  type ClaimRecord,
  type ControlNames,
  findWorkFolder,
  isAlive,
  readClaim,
  readControlNames,
} from './claim.js'
import { type Findings, inControl } from './finding.js'
import type { StoreOwner } from './report.js'
import type { Site } from './site.js'

/** What was seen, and what was found so far. */
export interface ControlLook {
  readonly site: Site
  readonly findings: Findings
  readonly names: ControlNames
  /** What the claims say; those that are damaged are left out. */
  readonly claims: ReadonlyMap<number, ClaimRecord>
  readonly owner: StoreOwner | undefined
  /** Whether no owner lives, as far as can be told: then nobody is clearing up behind the others. */
  readonly isAtRest: boolean
}

/** Looks once. */
export async function lookAtControl(site: Site, findings: Findings): Promise<ControlLook> {
  const names = await readControlNames(site)
  const claims = await readClaims(site, findings, names)
  const owner = await describeOwner(site, names, claims)
  const isAtRest = owner === undefined || !(await mayLive(site, owner))
  return { site, findings, names, claims, owner, isAtRest }
}

async function readClaims(
  site: Site,
  findings: Findings,
  names: ControlNames,
): Promise<Map<number, ClaimRecord>> {
  const records = new Map<number, ClaimRecord>()
  for (const number of names.claims) {
    try {
      const record = await readClaim(site, number)
      if (record !== undefined) records.set(number, record)
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      const path = inControl(claimName(number))
      findings.add({ kind: 'damaged-claim', path, message: error.message })
    }
  }
  return records
}

async function describeOwner(
  site: Site,
  names: ControlNames,
  claims: ReadonlyMap<number, ClaimRecord>,
): Promise<StoreOwner | undefined> {
  const record = names.released.has(names.top) ? undefined : claims.get(names.top)
  if (record === undefined || findWorkFolder(names, record.folder) === undefined) return undefined
  const stat = await site.disk.stat(site.layout.controlPath(claimName(names.top)))
  if (stat === undefined) return undefined
  const { pid, thread, machine } = record.owner
  return {
    claim: names.top,
    pid,
    thread,
    machine,
    isThisMachine: machine === site.host.identity.machine,
    isAlive: isAlive(site, record.folder, record.owner),
    since: new Date(Number(stat.time / 1_000_000n)),
  }
}

/** An owner that cannot be looked up from here lives while it renews its lock. */
async function mayLive(site: Site, owner: StoreOwner): Promise<boolean> {
  if (owner.isAlive !== undefined) return owner.isAlive
  return measureAgeMs(site, owner.since.getTime()) < LOCK_STALE_MS || (await isLockFresh(site))
}

/** Whether somebody renews the lock. */
export async function isLockFresh(site: Site): Promise<boolean> {
  const stat = await site.disk.stat(site.layout.lock)
  return stat !== undefined && measureAgeMs(site, Number(stat.time / 1_000_000n)) < LOCK_STALE_MS
}

/** How long ago a time was. The clock may have jumped: one in the future is as far away as one in the past. */
export function measureAgeMs({ host }: Site, timeMs: number): number {
  return Math.abs(host.now() - timeMs)
}
