/** A scope within a transaction: its keys are read and written as if nobody else were there. */

import type { Awaitable } from '../base/awaitable.js'
import { KeyNotFoundError } from '../base/errors.js'
import type { ScopeId } from '../base/scope-id.js'
import type { Attempt } from './attempt.js'
import type { CodecLike, Decoded, Encodable } from './codec.js'
import { keepOrder } from './late.js'
import { decodeValue, encodeValue, makeQuota, type ScopeParts } from './parts.js'
import { type KeyQuery, selectKeys } from './read.js'

/** How to write a value in a transaction. */
export interface TransactionSetOptions {
  /** Default: bytes as they are, a string as UTF-8, anything else as JSON. */
  readonly codec?: CodecLike | undefined
}

/** How to change a value. */
export interface UpdateOptions<C extends CodecLike> {
  /** Default: `'bytes'` for what is there; bytes as they are, a string as UTF-8, anything else as JSON for what is set. */
  readonly codec?: C | undefined
}

/** Which entries to read in a transaction. */
export interface TransactionEntriesOptions<C extends CodecLike> extends KeyQuery {
  /** Default: `'bytes'`. */
  readonly codec?: C | undefined
}

/**
 * A scope within a transaction. Reads see own writes, and otherwise what is there at the one moment at which the
 * transaction is committed; nobody sees the writes before. Errors are those of `Scope`; after the end of the body every
 * call rejects with `TRANSACTION_ENDED`. A write that is refused fails the transaction.
 */
export class TransactionScope {
  /** The scope's name. */
  readonly id: ScopeId
  readonly #parts: ScopeParts
  readonly #attempt: Attempt

  /** For `Scope`, `PluginContext` and `Transaction`; not to be called by others. */
  constructor(parts: ScopeParts, attempt: Attempt) {
    this.id = parts.id
    this.#parts = parts
    this.#attempt = attempt
  }

  /** The value of a key, as bytes or decoded. Rejects with `KeyNotFoundError`, `DECODE_FAILED`. */
  get(key: string): Promise<Uint8Array>
  /** The value of a key, decoded. */
  get<C extends CodecLike>(key: string, codec: C): Promise<Decoded<C>>
  async get(key: string, codec: CodecLike = 'bytes'): Promise<unknown> {
    const bytes = await this.#attempt.read(this.id, key)
    if (bytes !== undefined) return decodeValue(this.#parts, key, bytes, codec)
    throw new KeyNotFoundError(key, { store: this.#parts.engine.root, scope: this.id })
  }

  /** The value of a key, or undefined if it holds none. Rejects with `DECODE_FAILED`. */
  find(key: string): Promise<Uint8Array | undefined>
  /** The value of a key, decoded, or undefined. */
  find<C extends CodecLike>(key: string, codec: C): Promise<Decoded<C> | undefined>
  async find(key: string, codec: CodecLike = 'bytes'): Promise<unknown> {
    const bytes = await this.#attempt.read(this.id, key)
    return bytes === undefined ? undefined : decodeValue(this.#parts, key, bytes, codec)
  }

  /** Whether the key holds a value. */
  has(key: string): Promise<boolean> {
    return this.#attempt.has(this.id, key)
  }

  /** Sets a key to a value, which is copied before the call returns. Rejects with `INVALID_VALUE`, `VALUE_TOO_LARGE`. */
  set(key: string, value: unknown, options: TransactionSetOptions = {}): Promise<void> {
    return this.#attempt.track(async () => {
      await this.#write(key, encodeValue(this.#parts, key, value, options.codec))
    })
  }

  /** Deletes a key. Gives whether it held a value. */
  delete(key: string): Promise<boolean> {
    return this.#attempt.track(async () => {
      const [existed] = await Promise.all([this.#attempt.has(this.id, key), this.#write(key, undefined)])
      return existed
    })
  }

  /** Sets a key to what the function makes of its value; undefined deletes. Gives the new value. */
  update<R>(key: string, change: UpdateFunction<Uint8Array, R>): Promise<R>
  /** The same, decoded and encoded. */
  update<C extends CodecLike, R extends Encodable<C> | undefined>(
    key: string,
    change: UpdateFunction<Decoded<C>, R>,
    options: UpdateOptions<C>,
  ): Promise<R>
  async update(
    key: string,
    change: UpdateFunction<never, unknown>,
    { codec }: UpdateOptions<CodecLike> = {},
  ): Promise<unknown> {
    const current = await this.find(key, codec ?? 'bytes')
    const next = await change(current as undefined)
    if (next !== undefined) await this.set(key, next, { codec })
    else if (current !== undefined) await this.delete(key)
    return next
  }

  /** The keys that hold a value, sorted by code point; see `Scope.keys`. */
  async keys(query: KeyQuery = {}): Promise<string[]> {
    return selectKeys(await this.#attempt.list(this.id, query.prefix ?? '', query.signal), query)
  }

  /** The keys and values in the order of `keys`, each read when it is asked for. */
  async *entries<C extends CodecLike = 'bytes'>(
    options: TransactionEntriesOptions<C> = {},
  ): AsyncGenerator<{ readonly key: string; readonly value: Decoded<C> }, void> {
    for (const key of await this.keys(options)) {
      const value = await this.find(key, options.codec ?? 'bytes')
      if (value !== undefined) yield { key, value: value as Decoded<C> }
    }
  }

  /** Deletes all keys, or those with a prefix. Gives how many there were. */
  clear({ prefix = '' }: { readonly prefix?: string | undefined } = {}): Promise<number> {
    return this.#attempt.track(async () => {
      const keys = await this.#attempt.list(this.id, prefix)
      for (const key of keys) await this.#write(key, undefined)
      return keys.length
    })
  }

  #write(key: string, value: Awaitable<Uint8Array | undefined>): Promise<void> {
    const place = { scope: this.id, key }
    return keepOrder(this.#attempt, place, value, async (bytes) => {
      this.#attempt.write({ ...place, value: bytes }, makeQuota(this.#parts))
    })
  }
}

/** What makes the next value of the present one; it may run more than once. */
export type UpdateFunction<T, R> = (current: T | undefined) => R | Promise<R>
