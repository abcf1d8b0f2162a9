/** What the store asks of the layer above it that knows what bytes mean. */

/** Turns values of one type into bytes and back. `decode` throws on bytes that it does not understand. */
export interface Codec<T> {
  /** The value as bytes; throws if it cannot be held. */
  encode(value: T): Uint8Array
  /** The value that the bytes hold; throws if they hold none. */
  decode(bytes: Uint8Array): T
}

/** The codecs that have a name: raw bytes, UTF-8 text, JSON. */
export type CodecName = 'bytes' | 'text' | 'json'

/** Wherever a codec is taken: a name, or one's own. */
export type CodecLike<T = unknown> = CodecName | Codec<T>

/** What a codec decodes to. */
export type Decoded<C> = C extends 'bytes'
  ? Uint8Array
  : C extends 'text'
    ? string
    : C extends 'json'
      ? unknown
      : C extends Codec<infer T>
        ? T
        : never

/** The values layer, handed to the store when it is opened. */
export interface ValueLayer {
  /**
   * The bytes of a value, a copy of its own. Without a codec: bytes as they are, a string as UTF-8, anything
   * else as JSON. Throws `INVALID_VALUE`.
   */
  encode(value: unknown, codec: CodecLike | undefined): Uint8Array
  /** What the bytes hold. Throws whatever the codec throws. */
  decode(bytes: Uint8Array, codec: CodecLike): unknown
}
