/** What the store asks of the layer above it that knows what bytes mean. */

import type { Awaitable } from '../base/awaitable.js'
import type { SchemaInput, SchemaIssue, SchemaOutput, StandardSchema } from '../base/standard-schema.js'

/** Turns values of one type into bytes and back. `decode` throws on bytes that it does not understand. */
export interface Codec<T> {
  /** The value as bytes; throws if it cannot be held. */
  encode(value: T): Uint8Array
  /** The value that the bytes hold; throws if they hold none. */
  decode(bytes: Uint8Array): T
}

/** The codecs that have a name: raw bytes, UTF-8 text, JSON, and JSON that knows Map, Set, Date and the like. */
export type CodecName = 'bytes' | 'text' | 'json' | 'object'

/**
 * Checks values by a Standard Schema, when they are written and when they are read. What is stored is what the schema
 * makes of the value, and it is checked again when it is read: so a schema that transforms must take what it gives.
 * It may take its time: it is given the value as it was when the call was made, objects of a class apart, and later
 * writes of the same key wait for it.
 */
export interface SchemaCodec<S extends StandardSchema = StandardSchema> {
  readonly schema: S
  /** How the values are stored. Default: `'json'`. */
  readonly codec?: CodecName | Codec<unknown> | undefined
}

/** Wherever a codec is taken: a name, one's own, or a schema. */
export type CodecLike = CodecName | Codec<unknown> | SchemaCodec

/** What a codec decodes to. */
export type Decoded<C> = C extends 'bytes'
  ? Uint8Array
  : C extends 'text'
    ? string
    : C extends 'json' | 'object'
      ? unknown
      : C extends SchemaCodec<infer S>
        ? SchemaOutput<S>
        : C extends Codec<infer T>
          ? T
          : never

/** What a codec encodes. */
export type Encodable<C> = C extends 'bytes'
  ? Uint8Array | ArrayBufferLike
  : C extends SchemaCodec<infer S>
    ? SchemaInput<S>
    : Decoded<C>

/** Thrown by `ValueLayer` for a value that a schema refuses. */
export class SchemaRefusal extends Error {
  /** What is wrong, as the schema says it. */
  readonly issues: readonly SchemaIssue[]

  /** `cause` is what the schema threw, if it did. */
  constructor(issues: readonly SchemaIssue[], cause?: unknown) {
    super(issues.map(({ message }) => message).join('; '), cause === undefined ? undefined : { cause })
    this.issues = issues
  }
}

/** The values layer, handed to the store when it is opened. */
export interface ValueLayer {
  /**
   * The bytes of a value, a copy of its own. Without a codec: bytes as they are, a string as UTF-8, anything
   * else as JSON. Throws `INVALID_VALUE`, or a `SchemaRefusal`. At once, unless a schema takes its time.
   */
  encode(value: unknown, codec: CodecLike | undefined): Awaitable<Uint8Array>
  /** What the bytes hold. Throws whatever the codec throws, or a `SchemaRefusal`. */
  decode(bytes: Uint8Array, codec: CodecLike): Awaitable<unknown>
  /** The `TypedScope` over a `Scope`. */
  openTyped(scope: object, codec: CodecLike): unknown
  /** The `Document` over a key of a `Scope`, with `DocumentOptions`. */
  openDocument(scope: object, key: string, options: object): unknown
}
