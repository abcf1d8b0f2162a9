/**
 * The codec for objects that JSON does not know: Map, Set, Date, bigint, RegExp, URL, typed arrays, undefined, and
 * classes that are registered. It is superjson, so a file reads as JSON: `json` is the value as far as JSON holds it,
 * `meta` says what else it is.
 */

import { SuperJSON } from 'superjson'
import { StorageError } from '../base/errors.js'
import type { Codec } from '../store/codec.js'
import { decodeJson, tagOf } from './json.js'

/** A class whose objects come back with their prototype; their own properties are stored. */
export type StorableClass = abstract new (...given: never[]) => object

/** What a codec for objects knows. */
export interface ObjectCodecOptions {
  /** Classes by the name that stands for them in files; keep it when the class gets another. */
  readonly classes?: Readonly<Record<string, StorableClass>> | undefined
}

/** Makes a codec like `'object'` that knows classes, too. The type of its values is the caller's word. */
export function objectCodec<T = unknown>({ classes = {} }: ObjectCodecOptions = {}): Codec<T> {
  const superjson = new SuperJSON()
  for (const [identifier, storable] of Object.entries(classes))
    superjson.registerClass(storable as unknown as new () => object, { identifier })
  const prototypes = new Set<unknown>(Object.values(classes).map(({ prototype }) => prototype))
  return {
    encode: (value) => {
      checkStorable(value, prototypes)
      return encoder.encode(JSON.stringify(superjson.serialize(value)))
    },
    decode: (bytes) => {
      const stored = decodeJson(bytes)
      if (typeof stored !== 'object' || stored === null || !Object.hasOwn(stored, 'json'))
        throw new TypeError(
          'There is no property "json"; these bytes were not made by the codec for objects.',
        )
      return superjson.deserialize<T>(stored as Parameters<typeof superjson.deserialize>[0])
    },
  }
}

const encoder = new TextEncoder()

/** What superjson restores by itself. */
const KNOWN: ReadonlySet<string> = new Set(['Date', 'RegExp', 'URL', 'Error', 'Map', 'Set', 'BigInt'])

/** Throws `INVALID_VALUE` for what would not come back. Any depth, and circles, are fine. */
function checkStorable(root: unknown, prototypes: ReadonlySet<unknown>): void {
  const seen = new Set<object>()
  const waiting: { readonly value: unknown; readonly path: string }[] = [{ value: root, path: 'the value' }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { value, path } = next
    if (typeof value === 'function' || typeof value === 'symbol') throw unstorable(path, `a ${typeof value}`)
    if (typeof value !== 'object' || value === null || seen.has(value)) continue
    seen.add(value)
    for (const [name, part] of partsOf(value, path, prototypes))
      waiting.push({ value: part, path: `${path}.${name}` })
  }
}

/** The values in an object, by their names. */
function partsOf(value: object, path: string, prototypes: ReadonlySet<unknown>): Iterable<[string, unknown]> {
  if (value instanceof Map)
    return [...value].flatMap(([key, item]) => [
      ['key', key],
      [String(key), item],
    ])
  if (value instanceof Set) return [...value].map((item) => ['item', item])
  if (ArrayBuffer.isView(value) || KNOWN.has(tagOf(value))) return []
  const prototype: unknown = Object.getPrototypeOf(value)
  const isPlain = prototype === null || prototype === Object.prototype || Array.isArray(value)
  if (isPlain || prototypes.has(prototype)) return Object.entries(value)
  throw unstorable(path, `an object of class ${value.constructor?.name}, which is not registered`)
}

function unstorable(path: string, what: string): StorageError {
  const message = `The codec for objects cannot hold ${path}, ${what}; leave it out, or register its class by objectCodec.`
  return new StorageError('INVALID_VALUE', message, { outcome: 'none' })
}
