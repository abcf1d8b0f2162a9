/**
 * Strict JSON: what comes back is what went in, or the write is refused.
 *
 * `JSON.stringify` turns much that it does not know into `null`, `{}` or nothing at all. Here such a *loss* throws
 * instead, and the message says where. Two losses are kept, since programs rely on them: a property that is
 * undefined is left out, and an object with a `toJSON` becomes what that gives.
 */

import { StorageError } from '../base/errors.js'
import { parseJson } from './parse-json.js'
import { describeProperty } from './path.js'

/** How deep the search for a loss goes, in levels; far less than the stack holds. */
const SEARCH_DEPTH = 500

const BYTES_ADVICE = 'store it as a Uint8Array under a key of its own, without the JSON around it'

const ROOT_LOSS =
  'is undefined, itself or by its toJSON, which JSON cannot hold; store null, or delete the key'

/** What to do with objects that JSON would empty, by what they call themselves. */
const ADVICE: ReadonlyMap<string, string> = new Map([
  ['ArrayBuffer', BYTES_ADVICE],
  ['SharedArrayBuffer', BYTES_ADVICE],
  ['BigInt', 'store it as a string'],
  ['Error', 'store its name and message'],
  ['Map', 'store an array of its entries'],
  ['Promise', 'await it first'],
  ['RegExp', 'store its source and flags'],
  ['Set', 'store an array of its items'],
  ['Symbol', 'leave it out or store its description'],
])

/** Objects that JSON writes as what they hold. */
const BOXED: ReadonlySet<string> = new Set(['Boolean', 'Number', 'String'])

const encoder = new TextEncoder()

/** Takes a byte order mark off, which an editor may have put there. */
const decoder = new TextDecoder('utf-8', { fatal: true })

/** A value as compact JSON in UTF-8. Throws `INVALID_VALUE`, with the path of what JSON cannot hold. */
export function encodeJson(value: unknown): Uint8Array {
  if (typeof value === 'string') return encoder.encode(JSON.stringify(value))
  let text: string | undefined
  try {
    text = JSON.stringify(value, refuseLoss)
  } catch (cause) {
    throw explainFailure(value, cause)
  }
  // Only a root that is undefined, or whose toJSON gives undefined, has no text.
  if (text === undefined) throw explainFailure(value, undefined)
  return encoder.encode(text)
}

/** The value that JSON in UTF-8 holds. Throws a `TypeError` for what is not UTF-8, a `SyntaxError` for what is not JSON. */
export function decodeJson(bytes: Uint8Array): unknown {
  return parseJson(decoder.decode(bytes))
}

/** Stops `JSON.stringify`; never seen outside. */
const LOSS_NOTICED = new TypeError('JSON cannot hold the value')

/** A replacer that changes nothing. It only notices; `explainFailure` finds the place, once it is worth the time. */
function refuseLoss(this: unknown, key: string, value: unknown): unknown {
  if (findLoss(this as Holder, key, value) !== undefined) throw LOSS_NOTICED
  return value
}

/** An object or array, seen from one of its properties. */
type Holder = Readonly<Record<string, unknown>>

/** What would be lost of a property whose value, after `toJSON`, is `value`: a predicate and an advice. */
function findLoss(holder: Holder, key: string, value: unknown): string | undefined {
  switch (typeof value) {
    case 'undefined':
      return Array.isArray(holder)
        ? 'is undefined, which JSON would turn into null; store null or take it out'
        : undefined
    case 'number':
      return findNumberLoss(value)
    case 'bigint':
      return describeLoss('a bigint', 'store it as a string')
    case 'function':
    case 'symbol':
      return describeLoss(`a ${typeof value}`, 'leave it out')
    case 'object':
      return value === null ? undefined : findObjectLoss(holder[key], value)
    default:
      return undefined
  }
}

function findNumberLoss(value: number): string | undefined {
  return Number.isFinite(value) ? undefined : describeLoss(String(value), 'store null or a string')
}

/** `original` is the object before `toJSON`, which a Buffer has: an object of numbers is not bytes either. */
function findObjectLoss(original: unknown, value: object): string | undefined {
  if (ArrayBuffer.isView(original)) return describeLoss(`a ${tagOf(original)}`, BYTES_ADVICE)
  if (Array.isArray(value)) return undefined
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return undefined
  const tag = tagOf(value)
  if (tag === 'Number') return findNumberLoss(Number(value))
  if (tag === 'Object' || BOXED.has(tag)) return undefined
  const advice = ADVICE.get(tag)
  // What is built in keeps its state out of sight: with no property to show, JSON would make it {}.
  if (advice === undefined && Object.keys(value).length > 0) return undefined
  return describeLoss(`of type ${tag}`, advice ?? 'store a plain object, or give it a toJSON')
}

function describeLoss(what: string, advice: string): string {
  return `is ${what}, which JSON cannot hold; ${advice}`
}

function explainFailure(value: unknown, cause: unknown): StorageError {
  let found: string | undefined
  try {
    found = locateLoss({ '': value }, '', '$', [])
  } catch {
    // A proxy may throw anywhere, even where it let JSON.stringify pass. The message does without the place then.
  }
  const message =
    found ??
    'The value is too deep, too large or too odd an object for JSON; see the cause, and store parts of it'
  return new StorageError('INVALID_VALUE', `${message}.`, {
    outcome: 'none',
    cause: cause === LOSS_NOTICED ? undefined : cause,
  })
}

/** A sentence about the first loss at or below a property, in the order in which JSON writes. */
function locateLoss(holder: Holder, key: string, path: string, above: object[]): string | undefined {
  const subject = path === '$' ? 'The value' : `The value at ${path}`
  let value: unknown
  try {
    value = valueForJson(holder, key)
  } catch {
    return `${subject} has a getter or a toJSON that throws; see the cause`
  }
  const loss = path === '$' && value === undefined ? ROOT_LOSS : findLoss(holder, key, value)
  if (loss !== undefined) return `${subject} ${loss}`
  if (typeof value !== 'object' || value === null || above.length === SEARCH_DEPTH) return undefined
  if (above.includes(value))
    return `${subject} is an object that holds itself; store a copy without the circle`
  return locateLossBelow(value as Holder, path, [...above, value])
}

function locateLossBelow(holder: Holder, path: string, above: object[]): string | undefined {
  const isArray = Array.isArray(holder)
  const keys = isArray ? Array.from(holder, (_, index) => String(index)) : Object.keys(holder)
  for (const key of keys) {
    const found = locateLoss(holder, key, path + (isArray ? `[${key}]` : describeProperty(key)), above)
    if (found !== undefined) return found
  }
  return undefined
}

/** A property as `JSON.stringify` reads it, before a replacer sees it. */
function valueForJson(holder: Holder, key: string): unknown {
  const value = holder[key] as { readonly toJSON?: unknown } | null | undefined
  const isAsked = typeof value === 'object' || typeof value === 'bigint' || typeof value === 'function'
  return isAsked && typeof value?.toJSON === 'function' ? value.toJSON(key) : value
}

/** What a value calls itself: `Object`, `Map`, `Uint8Array`. */
export function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1)
}
