/**
 * Conditions: what must hold for a commit, looked at while this process owns the store and nothing is under way.
 *
 * E1  An expectation is compared with what the commits before it leave: those in place, those that are certain but not
 *     in place yet, and those before it in its group.
 * E2  A commit whose condition does not hold is rejected with outcome `none` before any of it is staged.
 */

import { ConflictError, StorageError } from '../base/errors.js'
import { describeScope, type ScopeId } from '../base/scope-id.js'
import { isUnowned, readControlNames } from './claim.js'
import type { Change, Expectation, ListingExpectation, Quota, VersionExpectation } from './engine.js'
import { listOwned } from './list.js'
import type { Places } from './places.js'
import { readUnpublished, statValue } from './read.js'
import { type Site, Yielder } from './site.js'
import type { Usage, UsageBook, UsageMoment } from './usage.js'

/** What conditions are compared with. */
export interface Present {
  readonly site: Site
  readonly places: Places
  readonly usage: UsageBook
  readonly moment: UsageMoment
}

/** Rejects with `ConflictError` if one of the expectations does not hold. */
export async function checkExpectations(
  site: Site,
  places: Places | undefined,
  expectations: readonly Expectation[],
): Promise<void> {
  const yielder = new Yielder(site.host)
  for (const expectation of expectations) {
    if ('keys' in expectation) await checkListing(site, places, expectation)
    else await checkVersion(site, places, expectation)
    if (yielder.isDue()) await yielder.yield()
  }
}

/**
 * The same without owning the store. False if nothing can be said, since the store is or was owned meanwhile and a
 * commit may be half in place. While it is owned by nobody its files stand still.
 */
export async function checkUnowned(site: Site, expectations: readonly Expectation[]): Promise<boolean> {
  const before = await readControlNames(site)
  if (!isUnowned(before)) return false
  const conflict = await checkExpectations(site, undefined, expectations).catch((error: unknown) => ({
    error,
  }))
  const after = await readControlNames(site)
  if (!isUnowned(after) || after.top !== before.top) return false
  if (conflict !== undefined) throw conflict.error
  return true
}

/** Rejects with `QUOTA_EXCEEDED` if a scope would hold more than it may, and more than before; counts the changes in. */
export async function checkQuotas(
  present: Present,
  changes: readonly Change[],
  quotas: readonly Quota[],
): Promise<void> {
  const growths: [ScopeId, Usage][] = []
  for (const quota of quotas) {
    const growth = await measureGrowth(present, quota.scope, changes)
    if (growth === undefined) continue
    for (const isExact of [false, true]) {
      const usage = await present.usage.measure(quota.scope, present.moment, isExact)
      const exceeded = findExceeded(quota, usage, growth)
      if (exceeded === undefined) break
      if (isExact) throw quotaError(present.site, quota.scope, exceeded)
    }
    growths.push([quota.scope, growth])
  }
  for (const [scope, growth] of growths) present.usage.stage(scope, growth)
}

async function checkVersion(
  site: Site,
  places: Places | undefined,
  { scope, key, version }: VersionExpectation,
): Promise<void> {
  const present = await findVersion(site, places, scope, key)
  if (present === version) return
  const what = `The key ${JSON.stringify(key)} in ${describeScope(scope)}`
  const how = present === undefined ? 'holds no value' : `has version ${present}`
  const wanted = version === undefined ? 'no value was expected' : `version ${version} was expected`
  const place = { store: site.layout.root, scope, key, version: present }
  throw new ConflictError(`${what} ${how} and ${wanted}; read it and try again.`, place)
}

async function findVersion(
  site: Site,
  places: Places | undefined,
  scope: ScopeId,
  key: string,
): Promise<string | undefined> {
  const left = places?.find(scope, key)
  if (left !== undefined) return left.version
  const unpublished = places?.publisher.find(scope, key)
  const stat = unpublished
    ? await readUnpublished(site, unpublished.folder, unpublished.change)
    : await statValue(site, scope, key)
  return stat?.version
}

async function checkListing(
  site: Site,
  places: Places | undefined,
  { scope, prefix, keys }: ListingExpectation,
): Promise<void> {
  const present = new Set(await listOwned(site, scope, places?.publisher))
  for (const { key, size } of places?.ofScope(scope) ?? []) {
    if (size === undefined) present.delete(key)
    else present.add(key)
  }
  const matching = [...present].filter((key) => key.startsWith(prefix))
  if (matching.length === keys.length && keys.every((key) => present.has(key))) return
  const message = `The keys of ${describeScope(scope)} are not those that were listed; list them and try again.`
  throw new ConflictError(message, { store: site.layout.root, scope })
}

/** By how much a commit makes a scope grow; undefined if it does not touch it. */
async function measureGrowth(
  { site, places }: Present,
  scope: ScopeId,
  changes: readonly Change[],
): Promise<Usage | undefined> {
  const folder = site.layout.scopePath(scope)
  const last = new Map<string, number | undefined>()
  for (const change of changes)
    if (site.layout.scopePath(change.scope) === folder) last.set(change.key, change.value?.byteLength)
  if (last.size === 0) return undefined
  let [keys, bytes] = [0, 0]
  for (const [key, size] of last) {
    const before = await findSize(site, places, scope, key)
    keys += Number(size !== undefined) - Number(before !== undefined)
    bytes += (size ?? 0) - (before ?? 0)
  }
  return { keys, bytes }
}

async function findSize(
  site: Site,
  places: Places,
  scope: ScopeId,
  key: string,
): Promise<number | undefined> {
  const left = places.find(scope, key)
  return left === undefined ? (await statValue(site, scope, key))?.size : left.size
}

interface Exceeded {
  readonly unit: 'keys' | 'bytes'
  readonly usage: number
  readonly limit: number
  readonly need: number
}

function findExceeded(quota: Quota, usage: Usage, growth: Usage): Exceeded | undefined {
  for (const unit of ['keys', 'bytes'] as const) {
    const limit = quota[unit] ?? Number.POSITIVE_INFINITY
    if (growth[unit] > 0 && usage[unit] + growth[unit] > limit)
      return { unit, usage: usage[unit], limit, need: growth[unit] }
  }
  return undefined
}

function quotaError(site: Site, scope: ScopeId, { unit, usage, limit, need }: Exceeded): StorageError {
  const what = `${describeScope(scope)} holds ${usage} ${unit} of at most ${limit}, and ${need} more are needed`
  const place = { store: site.layout.root, scope, outcome: 'none' } as const
  return new StorageError(
    'QUOTA_EXCEEDED',
    `The limit is reached: ${what}; delete what is not needed.`,
    place,
  )
}
