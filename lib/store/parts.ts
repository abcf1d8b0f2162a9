/** What a scope is made of, and how it turns values into bytes and back, whoever asks it to. */

import type { Awaitable } from '../base/awaitable.js'
import { type ErrorDetails, locateError, StorageError, ValidationError } from '../base/errors.js'
import { describeScope, type ScopeId } from '../base/scope-id.js'
import type { SchemaIssue } from '../base/standard-schema.js'
import type { Engine, Quota } from '../commit/engine.js'
import type { ArchiveFiles } from '../disk/archive-files.js'
import { type CodecLike, SchemaRefusal, type ValueLayer } from './codec.js'

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
  /** Archives on the same filesystem. */
  readonly archives: ArchiveFiles
}

/** What a scope is made of. */
export interface ScopeParts extends StoreParts {
  readonly id: ScopeId
  /** The plugin on whose behalf it writes; undefined for the host. */
  readonly writer?: string | undefined
}

const partsOfScopes = new WeakMap<object, ScopeParts>()
const partsOfStores = new WeakMap<object, StoreParts>()

/** Remembers what a storage is made of, for those who are given the storage alone. */
export function keepStoreParts(storage: object, parts: StoreParts): void {
  partsOfStores.set(storage, parts)
}

/** What a storage is made of; undefined for what is none. */
export function storePartsOf(storage: object): StoreParts | undefined {
  return partsOfStores.get(storage)
}

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

/**
 * The bytes of a value, a copy of its own; at once, unless a schema takes its time. Throws `INVALID_VALUE`,
 * `VALUE_TOO_LARGE`, `VALIDATION_FAILED`.
 */
export function encodeValue(
  parts: ScopeParts,
  key: string,
  value: unknown,
  codec: CodecLike | undefined,
): Awaitable<Uint8Array> {
  const place = { store: parts.engine.root, scope: parts.id, key, outcome: 'none' } as const
  const explain = (error: unknown): unknown => {
    if (!(error instanceof SchemaRefusal)) return locateError(error, place)
    const what = `The value for ${JSON.stringify(key)} is not as its schema wants it`
    return new ValidationError(`${what}: ${describeIssues(error.issues)}.`, {
      ...place,
      issues: error.issues,
      cause: error.cause,
    })
  }
  const encoded = explaining(explain, () => parts.values.encode(value, codec))
  return encoded instanceof Promise
    ? encoded.then((bytes) => checkSize(parts, bytes, place))
    : checkSize(parts, encoded, place)
}

/** What the bytes of a key hold. Throws `DECODE_FAILED` or `VALIDATION_FAILED`, which name the file. */
export function decodeValue(
  parts: ScopeParts,
  key: string,
  bytes: Uint8Array,
  codec: CodecLike,
): Awaitable<unknown> {
  if (codec === 'bytes') return bytes
  return explaining(
    (error) => explainDecoding(parts, key, error),
    () => parts.values.decode(bytes, codec),
  )
}

/** The error for bytes that a codec or a schema refuses. */
export function explainDecoding(parts: ScopeParts, key: string, cause: unknown): unknown {
  const place = { store: parts.engine.root, scope: parts.id, key }
  if (cause instanceof StorageError) return locateError(cause, place)
  const path = parts.engine.keyPath(parts.id, key)
  const what = `The value of ${JSON.stringify(key)} in ${describeScope(parts.id)}`
  if (cause instanceof SchemaRefusal) {
    const { issues, cause: reason } = cause
    const message = `${what} is not as its schema wants it: ${describeIssues(issues)}; repair ${path}.`
    return new ValidationError(message, { ...place, issues, path, cause: reason })
  }
  const message = `${what} does not decode; look at ${path}, or read it with the codec 'bytes'.`
  return new StorageError('DECODE_FAILED', message, { ...place, cause })
}

function checkSize(parts: ScopeParts, bytes: Uint8Array, place: ErrorDetails): Uint8Array {
  const limit = parts.limits.valueBytes
  if (bytes.byteLength <= limit) return bytes
  const what = `The value of ${JSON.stringify(place.key)} has ${bytes.byteLength} bytes and the limit is ${limit}`
  throw new StorageError('VALUE_TOO_LARGE', `${what}; raise limits.valueBytes or store less.`, place)
}

function describeIssues(issues: readonly SchemaIssue[]): string {
  const describe = ({ message, path = [] }: SchemaIssue): string => {
    const place = path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
    return place === '' ? message : `${place}: ${message}`
  }
  return issues.map(describe).join('; ')
}

/** Runs what may throw or reject, with another error in place of its own. */
function explaining<T>(explain: (error: unknown) => unknown, run: () => Awaitable<T>): Awaitable<T> {
  const rethrow = (error: unknown): never => {
    throw explain(error)
  }
  try {
    const result = run()
    return result instanceof Promise ? result.catch(rethrow) : result
  } catch (error) {
    return rethrow(error)
  }
}

function invalid(message: string): StorageError {
  return new StorageError('INVALID_OPTION', message)
}
