/** Listing a scope: which keys, in which order, and their entries one by one. */

import { StorageError } from '../base/errors.js'
import type { ScopeId } from '../base/scope-id.js'
import type { Engine } from '../commit/engine.js'

/** Which keys to list. */
export interface KeyQuery {
  /** Only keys that begin with it. */
  readonly prefix?: string | undefined
  /** Only keys that sort behind it. */
  readonly after?: string | undefined
  /** At most so many. Default: all. */
  readonly limit?: number | undefined
  /** Rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** The keys of a scope that a query asks for, sorted by code point. */
export async function readKeys(engine: Engine, scope: ScopeId, query: KeyQuery): Promise<string[]> {
  checkLimit(query.limit)
  return selectKeys(await engine.list(scope, query.signal), query)
}

/** Those of the keys that a query asks for, sorted by code point. */
export function selectKeys(listed: string[], query: KeyQuery): string[] {
  const { prefix = '', after } = query
  const limit = checkLimit(query.limit)
  const keys = prefix === '' ? listed : listed.filter((key) => key.startsWith(prefix))
  const sorted = sortByCodePoint(keys)
  const start = after === undefined ? 0 : countUpTo(sorted, after)
  return start === 0 && limit >= sorted.length ? sorted : sorted.slice(start, start + limit)
}

/** The entries of the keys that a query asks for, each read when it is asked for. */
export async function* readEntries<E>(
  engine: Engine,
  scope: ScopeId,
  query: KeyQuery,
  readEntry: (key: string) => Promise<E | undefined>,
): AsyncGenerator<E, void> {
  const limit = checkLimit(query.limit)
  const keys = await readKeys(engine, scope, { ...query, limit: undefined })
  let left = limit
  for (const key of keys) {
    if (left === 0) return
    query.signal?.throwIfAborted()
    const entry = await readEntry(key)
    if (entry === undefined) continue
    left -= 1
    yield entry
  }
}

function checkLimit(limit: number | undefined): number {
  if (limit === undefined) return Number.POSITIVE_INFINITY
  if (limit >= 0 && (Number.isInteger(limit) || limit === Number.POSITIVE_INFINITY)) return limit
  throw new StorageError('INVALID_OPTION', `The limit ${limit} must be a whole number of at least 0.`)
}

const SURROGATE = /[\ud800-\udfff]/

/** Sorts in place. JavaScript sorts by UTF-16 unit, which differs from code points only where surrogates stand. */
export function sortByCodePoint(keys: string[]): string[] {
  return keys.some((key) => SURROGATE.test(key)) ? keys.sort(compareCodePoints) : keys.sort()
}

/** Less than, equal to or more than zero, as one key sorts before, with or behind the other. */
export function compareCodePoints(left: string, right: string): number {
  const length = Math.min(left.length, right.length)
  for (let index = 0; index < length; index += 1) {
    const difference = codeUnitRank(left, index) - codeUnitRank(right, index)
    if (difference !== 0) return difference
  }
  return left.length - right.length
}

/** A surrogate stands for a code point above every other UTF-16 unit. */
function codeUnitRank(key: string, index: number): number {
  const unit = key.charCodeAt(index)
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}

/** How many of the sorted keys sort before a key, or are it. */
function countUpTo(sorted: readonly string[], key: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareCodePoints(sorted[middle] as string, key) <= 0) low = middle + 1
    else high = middle
  }
  return low
}
