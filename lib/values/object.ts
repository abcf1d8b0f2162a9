/**
 * The codec 'object': superjson, which writes JSON with a note beside it of what JSON alone would lose. Strict, as JSON is
 * here: what comes back is what went in, or the write is refused.
 *
 * O1  superjson sees only copies made of what it knows, so what it would lose in silence is refused before.
 * O2  Every codec has a superjson of its own: no other part of a program can register a class in it.
 * O3  No property is named `__proto__`, `constructor` or `prototype`, written or read: no prototype is ever changed.
 * O4  What stands twice in plain objects, arrays and values of a `Map` comes back as one, circles too; elsewhere superjson
 *     cannot put it back, so it comes back as two, and a circle is refused.
 */

import { types } from 'node:util'
import { SuperJSON } from 'superjson'
import { StorageError } from '../base/errors.js'
import type { Codec } from '../store/codec.js'
import { Copier, type CopyRules, isOfBuiltIn, type Repeat } from './copy.js'
import { tagOf } from './json.js'
import { isPlain } from './merge.js'
import { parseJson } from './parse-json.js'

/** A class whose instances are data: made of properties, and no subclass of what is built in. */
export type StorableClass = abstract new (...values: never[]) => object

/** What an object codec knows; see `objectCodec`. */
export interface ObjectCodecOptions {
  /** The classes whose instances come back as such: a list, or by the names that stand in the files. */
  readonly classes?: readonly StorableClass[] | Readonly<Record<string, StorableClass>> | undefined
}

/**
 * A codec for objects that JSON cannot hold: `Map`, `Set`, `Date`, `bigint`, `RegExp`, `URL`, `Error`, typed arrays, `undefined`,
 * `NaN`, `-0`, and instances of classes that it is given. On disk it is one line of JSON.
 *
 * An instance is written as its own properties and comes back with its prototype, without its constructor being called; what is
 * behind a `#` is not kept. In the file stands the name of its class: if a program is minified or a class is renamed,
 * give the names, `{ classes: { UserProfile } }`. Throws `INVALID_OPTION` for what is no such class. Writing throws `INVALID_VALUE`.
 */
export function objectCodec<T = unknown>(options: ObjectCodecOptions = {}): Codec<T> {
  const classes = listClasses(options.classes ?? [])
  const superjson = new SuperJSON()
  for (const [identifier, storable] of classes)
    superjson.registerClass(storable as Parameters<SuperJSON['registerClass']>[0], { identifier })
  const rules = makeRules(new Set(classes.values()))
  return {
    encode: (value) => encodeObject(superjson, rules, value),
    decode: (bytes) => decodeObject(superjson, bytes) as T,
  }
}

const encoder = new TextEncoder()

/** Takes a byte order mark off, which an editor may have put there. */
const decoder = new TextDecoder('utf-8', { fatal: true })

function encodeObject(superjson: SuperJSON, rules: CopyRules, value: unknown): Uint8Array {
  if (value === undefined) throw invalid('The value is undefined; store null, or delete the key.')
  try {
    const copier = new Copier(rules)
    const { json, meta } = superjson.serialize(copier.copy(value))
    const referentialEqualities = describeRepeats(copier.repeats)
    const isPlainJson = meta?.values === undefined && referentialEqualities === undefined
    const notes = isPlainJson ? undefined : { values: meta?.values, referentialEqualities, v: 1 }
    return encoder.encode(JSON.stringify({ json, meta: notes }))
  } catch (cause) {
    if (cause instanceof StorageError) throw cause
    throw invalid('The value is too deep, too large or too odd an object; see the cause.', cause)
  }
}

/** What stands twice, as superjson notes it; its own notes confuse two NaN, and lose what is in an instance (O4). */
function describeRepeats(repeats: readonly Repeat[]): unknown {
  const ofRoot: string[] = []
  const others = new Map<string, string[]>()
  for (const { first, again } of repeats) {
    const places = first.length === 0 ? ofRoot : (others.get(joinPath(first)) ?? [])
    places.push(joinPath(again))
    if (places !== ofRoot) others.set(joinPath(first), places)
  }
  const ofOthers = others.size === 0 ? undefined : Object.fromEntries(others)
  if (ofRoot.length === 0) return ofOthers
  return ofOthers === undefined ? [ofRoot] : [ofRoot, ofOthers]
}

function joinPath(path: readonly PropertyKey[]): string {
  return path.map((step) => String(step).replaceAll(/[\\.]/g, '\\$&')).join('.')
}

/** What may not be the name of a property (O3). */
const RISKY_NAMES: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

/** Whether a text may hold one of them; an escape may hide it. */
const RISKY_TEXT = /"(?:__proto__|constructor|prototype)"|\\u/

function decodeObject(superjson: SuperJSON, bytes: Uint8Array): unknown {
  const text = decoder.decode(bytes)
  const payload = parseJson(text, RISKY_TEXT.test(text) ? refuseRiskyName : undefined)
  if (isPlain(payload) && Object.hasOwn(payload, 'json'))
    return superjson.deserialize(payload as never, { inPlace: true })
  throw new SyntaxError(
    'The text is JSON, but not of superjson, which has an object with the property "json".',
  )
}

function refuseRiskyName(name: string): void {
  if (RISKY_NAMES.has(name)) throw new SyntaxError(`There is a property named ${name}.`)
}

/** What the codec takes of what is no container (O1). */
function makeRules(classes: ReadonlySet<unknown>): CopyRules {
  return {
    notesRepeats: true,
    checkName(name, copier) {
      if (!RISKY_NAMES.has(name)) return
      throw copier.refuse(
        `has a property named ${name}, which could change a prototype`,
        'give it another name',
      )
    },
    copyLeaf(value, copier) {
      if (typeof value !== 'object' || value === null)
        throw copier.refuse(`is a ${typeof value}`, 'leave it out')
      if (classes.has(value.constructor)) return copyInstance(value, copier)
      const copy = isOfBuiltIn(value) || ArrayBuffer.isView(value) ? copyBuiltIn(value, copier) : undefined
      if (copy !== undefined) return copy
      const name = value.constructor?.name || tagOf(value)
      const advice = types.isNativeError(value) ? ERROR_ADVICE : ADVICE
      throw copier.refuse(`is of type ${name}, which the codec does not know`, advice)
    },
  }
}

const ADVICE = 'give the class to objectCodec({ classes }), or store a plain object'

const ERROR_ADVICE = 'store its name and message'

function copyInstance(value: object, copier: Copier): object {
  const properties = Object.getOwnPropertyDescriptors(copier.copyProperties(value))
  return Object.create(Object.getPrototypeOf(value), properties)
}

/** A copy in this realm, which is the one that superjson knows; undefined if it is of no such kind. */
function copyBuiltIn(value: object, copier: Copier): object | undefined {
  if (types.isDate(value)) return Number.isNaN(value.getTime()) ? undefined : new Date(value.getTime())
  if (types.isRegExp(value)) return new RegExp(value.source, value.flags)
  if (value instanceof URL) return new URL(value.href)
  if (types.isNativeError(value) && Object.keys(value).length === 0) return copyError(value, copier)
  if (types.isTypedArray(value)) return copyNumbers(value, copier)
  return undefined
}

function copyError(error: Error, copier: Copier): Error {
  const copy = Object.hasOwn(error, 'cause')
    ? new Error(error.message, { cause: copier.copyAt('cause', error.cause) })
    : new Error(error.message)
  copy.name = error.name
  return copy
}

/** The typed arrays that superjson knows. A Buffer becomes a Uint8Array. */
const NUMBER_ARRAYS = new Map(
  [
    ...[Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array],
    ...[Int32Array, Uint32Array, Float32Array, Float64Array],
  ].map((arrayClass) => [arrayClass.name, arrayClass] as const),
)

function copyNumbers(value: NodeJS.TypedArray, copier: Copier): object | undefined {
  const name = value[Symbol.toStringTag]
  const arrayClass = NUMBER_ARRAYS.get(name)
  if (arrayClass === undefined) return undefined
  const copy = new arrayClass(value as unknown as ArrayLike<number>)
  const isSound = copy.every((number) => Number.isFinite(number) && !Object.is(number, -0))
  if (isSound) return copy
  const loss = `is a ${name} with NaN, -0 or an infinite number, which superjson would lose`
  throw copier.refuse(loss, 'store an array of its numbers')
}

/** What keeps its contents where no copy of properties finds them. */
const BUILT_IN = [Array, ArrayBuffer, Date, Error, Map, Promise, RegExp, Set, URL, WeakMap, WeakSet]

function listClasses(classes: NonNullable<ObjectCodecOptions['classes']>): Map<string, StorableClass> {
  const named = Array.isArray(classes)
    ? classes.map((storable: unknown) => [nameOf(storable), storable] as const)
    : Object.entries(classes)
  const listed = new Map<string, StorableClass>()
  for (const [name, storable] of named) {
    if (!isStorableClass(storable))
      throw invalidClass(name, 'is no class of plain properties; list classes that extend nothing built in')
    if (name === '' || listed.has(name))
      throw invalidClass(
        name,
        'is no name for one class alone; give each its name, { classes: { Name: aClass } }',
      )
    listed.set(name, storable)
  }
  return listed
}

function nameOf(storable: unknown): string {
  return typeof storable === 'function' ? storable.name : String(storable)
}

function isStorableClass(candidate: unknown): candidate is StorableClass {
  if (typeof candidate !== 'function' || typeof candidate.prototype !== 'object') return false
  const prototype: unknown = candidate.prototype
  if (prototype === Object.prototype || prototype instanceof Object.getPrototypeOf(Uint8Array)) return false
  return !BUILT_IN.some((builtIn) => prototype === builtIn.prototype || prototype instanceof builtIn)
}

function invalidClass(name: string, problem: string): StorageError {
  return new StorageError('INVALID_OPTION', `In the option classes, ${JSON.stringify(name)} ${problem}.`)
}

function invalid(message: string, cause?: unknown): StorageError {
  return new StorageError('INVALID_VALUE', message, { outcome: 'none', cause })
}
