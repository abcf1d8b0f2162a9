/** What a scope is made of, and how it turns values into bytes and back, whoever asks it to. */

import { locateError, StorageError } from '../base/errors.js'
import { describeScope, type ScopeId } from '../base/scope-id.js'
import type { Engine, Quota } from '../commit/engine.js'
import type { CodecLike, ValueLayer } from './codec.js'

/** What a store, or a scope, takes. */
export interface StorageLimits {
  /** The largest value, in bytes. Default: 64 MiB. */
  readonly valueBytes?: number | undefined
  /** The most keys that a scope may hold. Default: no limit. */
  readonly keysPerScope?: number | undefined
  /** The most bytes that the values of a scope may have together. Default: no limit. */
  readonly bytesPerScope?: number | undefined
}

/** What all scopes of a store have in common. */
export interface StoreParts {
  readonly engine: Engine
  readonly values: ValueLayer
  readonly limits: StorageLimits & { readonly valueBytes: number }
}

/** What a scope is made of. */
export interface ScopeParts extends StoreParts {
  readonly id: ScopeId
  /** The plugin on whose behalf it writes; undefined for the host. */
  readonly writer?: string | undefined
}

const partsOfScopes = new WeakMap<object, ScopeParts>()

/** Remembers what a scope is made of, for those who are given the scope alone. */
export function keepParts(scope: object, parts: ScopeParts): void {
  partsOfScopes.set(scope, parts)
}

/** What a scope is made of. Throws `INVALID_OPTION` for what is no scope. */
export function partsOf(scope: object): ScopeParts {
  const parts = partsOfScopes.get(scope)
  if (parts !== undefined) return parts
  throw new StorageError('INVALID_OPTION', 'This is no scope; take one from a workspace or a plugin context.')
}

/** The narrower of two limits, each in turn. */
export function narrowLimits(limits: StoreParts['limits'], own: StorageLimits = {}): StoreParts['limits'] {
  checkLimits(own)
  const least = (left: number | undefined, right: number | undefined): number | undefined =>
    left === undefined || right === undefined ? (left ?? right) : Math.min(left, right)
  return {
    valueBytes: Math.min(limits.valueBytes, own.valueBytes ?? limits.valueBytes),
    keysPerScope: least(limits.keysPerScope, own.keysPerScope),
    bytesPerScope: least(limits.bytesPerScope, own.bytesPerScope),
  }
}

const LIMIT_NAMES = ['valueBytes', 'keysPerScope', 'bytesPerScope']

/** Throws `INVALID_OPTION` for limits that are none. */
export function checkLimits(limits: StorageLimits): void {
  if (typeof limits !== 'object' || limits === null) throw invalid('The limits must be an object.')
  for (const [name, value] of Object.entries(limits)) {
    if (!LIMIT_NAMES.includes(name))
      throw invalid(`There is no limit ${JSON.stringify(name)}; there are ${LIMIT_NAMES.join(', ')}.`)
    if (value !== undefined && !(typeof value === 'number' && value >= 0))
      throw invalid(`The option ${name} must be a number of at least 0.`)
  }
}

/** The limits of a scope as the engine keeps them; undefined if there are none. */
export function makeQuota({ id, limits: { keysPerScope, bytesPerScope } }: ScopeParts): Quota | undefined {
  if (keysPerScope === undefined && bytesPerScope === undefined) return undefined
  return { scope: id, keys: keysPerScope, bytes: bytesPerScope }
}

/** The bytes of a value, a copy of its own. Throws `INVALID_VALUE`, `VALUE_TOO_LARGE`. */
export function encodeValue(
  parts: ScopeParts,
  key: string,
  value: unknown,
  codec: CodecLike | undefined,
): Uint8Array {
  const place = { store: parts.engine.root, scope: parts.id, key, outcome: 'none' } as const
  const bytes = locating(place, () => parts.values.encode(value, codec))
  const limit = parts.limits.valueBytes
  if (bytes.byteLength <= limit) return bytes
  const what = `The value of ${JSON.stringify(key)} has ${bytes.byteLength} bytes and the limit is ${limit}`
  throw new StorageError('VALUE_TOO_LARGE', `${what}; raise limits.valueBytes or store less.`, place)
}

/** What the bytes of a key hold. Throws `DECODE_FAILED`, which names the file. */
export function decodeValue(parts: ScopeParts, key: string, bytes: Uint8Array, codec: CodecLike): unknown {
  if (codec === 'bytes') return bytes
  const place = { store: parts.engine.root, scope: parts.id, key }
  try {
    return locating(place, () => parts.values.decode(bytes, codec))
  } catch (cause) {
    if (cause instanceof StorageError) throw cause
    const path = parts.engine.keyPath(parts.id, key)
    const what = `The value of ${JSON.stringify(key)} in ${describeScope(parts.id)} does not decode`
    const message = `${what}; look at ${path}, or read it with the codec 'bytes'.`
    throw new StorageError('DECODE_FAILED', message, { ...place, cause })
  }
}

function locating<T>(place: { store: string; scope: ScopeId; key: string }, run: () => T): T {
  try {
    return run()
  } catch (error) {
    throw locateError(error, place)
  }
}

function invalid(message: string): StorageError {
  return new StorageError('INVALID_OPTION', message)
}
