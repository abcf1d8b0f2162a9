/** What bytes mean: the codecs that have a name, those of the caller, and the rule for a value without one. */

import type { Awaitable } from '../base/awaitable.js'
import { StorageError } from '../base/errors.js'
import type { Codec, CodecLike, SchemaCodec, ValueLayer } from '../store/codec.js'
import type { Scope } from '../store/scope.js'
import { ScopeDocument } from './document.js'
import { decodeJson, encodeJson, tagOf } from './json.js'
import { objectCodec } from './object.js'
import { copyForSchema, isSchema, validate } from './schema.js'
import { CodecScope } from './typed-scope.js'

/** The values layer, for the store. Both ways throw `INVALID_OPTION` for a codec that is none. */
export const valueLayer: ValueLayer = {
  encode: encodeValue,
  decode: decodeValue,
  openTyped: (scope, codec) => new CodecScope(scope as Scope, codec),
  openDocument: (scope, key, options) => new ScopeDocument(scope as Scope, key, options),
}

/** With the `u` flag a surrogate matches only where it has no partner. */
const LONE_SURROGATE = /\p{Surrogate}/u

const encoder = new TextEncoder()

/** Keeps a byte order mark, so that every string comes back as it went. */
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The codec `'object'`. */
const plainObjects = objectCodec()

function encodeValue(value: unknown, codec: CodecLike | undefined): Awaitable<Uint8Array> {
  if (!isSchemaCodec(codec)) return encodeBy(value, codec)
  const stored = codec.codec ?? 'json'
  const checked = validate(codec.schema, copyForSchema(value))
  return checked instanceof Promise
    ? checked.then((output) => encodeBy(output, stored))
    : encodeBy(checked, stored)
}

function decodeValue(bytes: Uint8Array, codec: CodecLike): Awaitable<unknown> {
  if (!isSchemaCodec(codec)) return decodeBy(bytes, codec)
  return validate(codec.schema, decodeBy(bytes, codec.codec ?? 'json'))
}

function isSchemaCodec(codec: CodecLike | undefined): codec is SchemaCodec {
  return typeof codec === 'object' && codec !== null && 'schema' in codec && isSchema(codec.schema)
}

function encodeBy(value: unknown, codec: CodecLike | undefined): Uint8Array {
  if (codec === undefined) return encodePlain(value)
  if (codec === 'bytes') return encodeBytes(value)
  if (codec === 'text') return encodeText(value)
  if (codec === 'json') return encodeJson(value)
  if (codec === 'object') return plainObjects.encode(value as never)
  return encodeWith(checkCodec(codec), value)
}

function decodeBy(bytes: Uint8Array, codec: CodecLike): unknown {
  if (codec === 'bytes') return bytes
  if (codec === 'text') return decoder.decode(bytes)
  if (codec === 'json') return decodeJson(bytes)
  if (codec === 'object') return plainObjects.decode(bytes)
  return checkCodec(codec).decode(bytes)
}

function encodePlain(value: unknown): Uint8Array {
  if (typeof value === 'string') return encodeText(value)
  return isBytes(value) ? copyBytes(value) : encodeJson(value)
}

function encodeBytes(value: unknown): Uint8Array {
  if (isBytes(value)) return copyBytes(value)
  throw invalid(
    `The codec 'bytes' got ${describeValue(value)}; pass a Uint8Array or an ArrayBuffer, or choose another codec.`,
  )
}

function encodeText(value: unknown): Uint8Array {
  if (typeof value !== 'string') {
    throw invalid(`The codec 'text' got ${describeValue(value)}; pass a string, or choose another codec.`)
  }
  const index = value.search(LONE_SURROGATE)
  if (index === -1) return encoder.encode(value)
  throw invalid(
    `The text has half of a surrogate pair at index ${index}, which UTF-8 cannot hold; pass well-formed Unicode, or use the codec 'json'.`,
  )
}

function encodeWith(codec: Codec<unknown>, value: unknown): Uint8Array {
  let bytes: unknown
  try {
    bytes = codec.encode(value)
  } catch (cause) {
    if (cause instanceof StorageError) throw cause
    throw invalid(
      'The codec does not encode the value; see the cause, and pass a value that it takes.',
      cause,
    )
  }
  if (isUint8Array(bytes)) return copyBytes(bytes)
  throw invalid(`The codec's encode returned ${describeValue(bytes)}; make it return a Uint8Array.`)
}

function checkCodec(codec: unknown): Codec<unknown> {
  if (isSchema(codec))
    throw new StorageError('INVALID_OPTION', 'A schema is no codec; pass it as { schema }.')
  const candidate = codec as Partial<Codec<unknown>> | null | undefined
  if (typeof candidate?.encode === 'function' && typeof candidate.decode === 'function') {
    return candidate as Codec<unknown>
  }
  const what = typeof codec === 'string' ? JSON.stringify(codec) : describeValue(codec)
  throw new StorageError(
    'INVALID_OPTION',
    `There is no codec ${what}; pass 'bytes', 'text', 'json', 'object', an object with encode and decode, or one with a schema.`,
  )
}

function isBytes(value: unknown): value is Uint8Array | ArrayBufferLike {
  return isUint8Array(value) || /^(?:Shared)?ArrayBuffer$/.test(tagOf(value))
}

/** Holds for arrays of another realm, such as a plugin's `vm` context, which `instanceof` does not know. */
function isUint8Array(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && tagOf(value) === 'Uint8Array'
}

/** A copy that shares nothing with the caller, however small the part of its buffer that it shows. */
function copyBytes(value: Uint8Array | ArrayBufferLike): Uint8Array {
  try {
    return ArrayBuffer.isView(value) ? new Uint8Array(value) : new Uint8Array(value).slice()
  } catch (cause) {
    throw invalid(
      'The bytes are gone, since their buffer was transferred or shrunk; pass bytes of your own.',
      cause,
    )
  }
}

/** A value's type, for messages. */
function describeValue(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  return typeof value === 'object' ? `an object of type ${tagOf(value)}` : `a value of type ${typeof value}`
}

function invalid(message: string, cause?: unknown): StorageError {
  return new StorageError('INVALID_VALUE', message, { outcome: 'none', cause })
}
