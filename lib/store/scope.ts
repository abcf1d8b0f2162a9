/** A scope: one flat set of keys in one folder. */

import type { Awaitable } from '../base/awaitable.js'
import { KeyNotFoundError, StorageError } from '../base/errors.js'
import type { ScopeId } from '../base/scope-id.js'
import type { SchemaOutput, StandardSchema } from '../base/standard-schema.js'
import type { Change, ChangeResult, CommitReceipt, VersionExpectation } from '../commit/engine.js'
import type { CodecLike, Decoded, Encodable } from './codec.js'
import type { Document, DocumentOptions } from './document.js'
import type {
  ClearOptions,
  DeleteOptions,
  EntriesOptions,
  Entry,
  EntryStat,
  KeysOptions,
  SetOptions,
} from './entry.js'
import { keepOrder } from './late.js'
import { decodeValue, encodeValue, keepParts, makeQuota, type ScopeParts } from './parts.js'
import { readEntries, readKeys } from './read.js'
import { type TransactionOptions, transact } from './transact.js'
import { TransactionScope, type UpdateFunction, type UpdateOptions } from './transaction-scope.js'
import type { TypedScope } from './typed-scope.js'
import { Watcher, type WatchOptions } from './watch.js'

/**
 * One flat set of keys: a plugin's private storage, or the shared storage of a workspace.
 *
 * Every call rejects with `INVALID_KEY` or `KEY_TOO_LONG` for a key that cannot be one, with `STORE_CLOSED`
 * after the store was closed, and with `IO_ERROR` or `ACCESS_DENIED` where the disk refuses. With a codec that has a schema,
 * reading and writing reject with `ValidationError` where a value is not as the schema wants it.
 */
export class Scope {
  /** The scope's name. */
  readonly id: ScopeId
  /** The root folder of its store, absolute. */
  readonly store: string
  /** Its folder, absolute. It is made by the first write. */
  readonly path: string
  readonly #parts: ScopeParts

  /** For `Storage`, `Workspace` and `PluginContext`; not to be called by others. */
  constructor(parts: ScopeParts) {
    this.id = Object.freeze({ ...parts.id }) // a plugin that changes it must not get into another scope
    this.store = parts.engine.root
    this.path = parts.engine.scopePath(this.id)
    this.#parts = { ...parts, id: this.id }
    keepParts(this, this.#parts)
  }

  /** The value of a key, as bytes or decoded. Rejects with `KeyNotFoundError`, `DECODE_FAILED`. */
  get(key: string): Promise<Uint8Array>
  /** The value of a key, decoded. */
  get<C extends CodecLike>(key: string, codec: C): Promise<Decoded<C>>
  async get(key: string, codec: CodecLike = 'bytes'): Promise<unknown> {
    const bytes = await this.#parts.engine.read(this.id, key)
    if (bytes === undefined) throw new KeyNotFoundError(key, { store: this.store, scope: this.id })
    return decodeValue(this.#parts, key, bytes, codec)
  }

  /** The value of a key, or undefined if it holds none. Rejects with `DECODE_FAILED`. */
  find(key: string): Promise<Uint8Array | undefined>
  /** The value of a key, decoded, or undefined. */
  find<C extends CodecLike>(key: string, codec: C): Promise<Decoded<C> | undefined>
  async find(key: string, codec: CodecLike = 'bytes'): Promise<unknown> {
    const bytes = await this.#parts.engine.read(this.id, key)
    return bytes === undefined ? undefined : decodeValue(this.#parts, key, bytes, codec)
  }

  /** A key's value with its version, size and time; undefined if it holds none. Rejects with `DECODE_FAILED`. */
  entry(key: string): Promise<Entry | undefined>
  /** A key's entry, its value decoded. */
  entry<C extends CodecLike>(key: string, codec: C): Promise<Entry<Decoded<C>> | undefined>
  async entry(key: string, codec: CodecLike = 'bytes'): Promise<Entry<unknown> | undefined> {
    const found = await this.#parts.engine.readEntry(this.id, key)
    if (found === undefined) return undefined
    const { bytes, version, size, modifiedAt } = found
    return { key, value: await decodeValue(this.#parts, key, bytes, codec), version, size, modifiedAt }
  }

  /** A key's version, size and time without its value; undefined if it holds none. */
  async stat(key: string): Promise<EntryStat | undefined> {
    const found = await this.#parts.engine.stat(this.id, key)
    return found && { key, version: found.version, size: found.size, modifiedAt: found.modifiedAt }
  }

  /** The file of a key, absolute; it need not exist. Throws `INVALID_KEY`, `KEY_TOO_LONG`. */
  pathOf(key: string): string {
    return this.#parts.engine.keyPath(this.id, key)
  }

  /** Whether the key holds a value. */
  async has(key: string): Promise<boolean> {
    return (await this.#parts.engine.stat(this.id, key)) !== undefined
  }

  /**
   * Sets a key to a value, which is copied before the call returns.
   *
   * When the promise resolves, the value is in its file, survives a power cut, and is what every process reads;
   * it gives the new version. When it rejects, `outcome` says whether anything changed. Rejects with
   * `INVALID_VALUE`, `VALUE_TOO_LARGE`, `QUOTA_EXCEEDED`, `DISK_FULL`, `LOCK_TIMEOUT`, `FENCED`, `STORE_BROKEN`, and
   * with `ConflictError` if `ifVersion` or `ifAbsent` does not hold.
   */
  async set(key: string, value: unknown, options: SetOptions = {}): Promise<string> {
    const expected = this.#expect(key, options)
    const bytes = encodeValue(this.#parts, key, value, options.codec)
    const result = await this.#write(key, bytes, options.signal, expected)
    return result?.version as string
  }

  /** Deletes a key, as durably as `set`. Gives whether it held a value. Rejects as `set` does. */
  async delete(key: string, options: DeleteOptions = {}): Promise<boolean> {
    const expected = this.#expect(key, options)
    const result = await this.#write(key, undefined, options.signal, expected)
    return result?.existed === true
  }

  /**
   * Sets a key to what the function makes of its value, as one step, also among processes: if the value changes
   * meanwhile, the function runs again. It is given undefined for a missing key; undefined as its result deletes the
   * key; if it throws, nothing changes, and the call rejects with what it threw. Gives the new value. Rejects as `set`
   * and `get` do. The function must not write to the store by other calls.
   */
  update<R>(
    key: string,
    change: UpdateFunction<Uint8Array, R>,
    options?: UpdateOptions<'bytes'> & TransactionOptions,
  ): Promise<R>
  /** The same, decoded and encoded. */
  update<C extends CodecLike, R extends Encodable<C> | undefined>(
    key: string,
    change: UpdateFunction<Decoded<C>, R>,
    options: UpdateOptions<C> & TransactionOptions,
  ): Promise<R>
  update(
    key: string,
    change: UpdateFunction<never, never>,
    options: UpdateOptions<CodecLike> & TransactionOptions = {},
  ): Promise<unknown> {
    return this.transaction((scope) => scope.update(key, change, options as UpdateOptions<never>), options)
  }

  /**
   * Reads and writes several keys of this scope as one step: `body` is given the scope as of one moment, and all that
   * it writes is one commit. It runs again if something that it read was changed meanwhile, so it should do nothing
   * else; after a few times it has the store to itself. Gives what the body gives; if it throws, nothing is written.
   * Rejects as `set` does, and with `LOCK_TIMEOUT` if the body takes longer than `timeout` with the store to itself.
   */
  transaction<T>(body: (scope: TransactionScope) => Promise<T>, options?: TransactionOptions): Promise<T> {
    const { engine, writer } = this.#parts
    return transact(engine, writer, (attempt) => body(new TransactionScope(this.#parts, attempt)), options)
  }

  /**
   * The keys that hold a value, sorted by code point. A key that exists throughout the call is never left out.
   * `prefix` keeps those that begin with it, `after` those that sort behind it, `limit` the first so many.
   */
  keys(options: KeysOptions = {}): Promise<string[]> {
    return readKeys(this.#parts.engine, this.id, options)
  }

  /** The entries in the order of `keys`, each read when it is asked for; keys deleted meanwhile are passed over. */
  entries<C extends CodecLike = 'bytes'>(
    options: EntriesOptions<C> = {},
  ): AsyncIterableIterator<Entry<Decoded<C>>> {
    const codec = options.codec ?? 'bytes'
    const read = (key: string): Promise<Entry<unknown> | undefined> => this.entry(key, codec)
    return readEntries(this.#parts.engine, this.id, options, read) as AsyncIterableIterator<Entry<Decoded<C>>>
  }

  /** Deletes all keys, or those with a prefix, in one commit. Gives how many there were. */
  async clear({ prefix, signal }: ClearOptions = {}): Promise<number> {
    const keys = await this.keys({ prefix, signal })
    const changes = keys.map((key) => ({ scope: this.id, key, value: undefined }))
    const { results } = await this.#commit(changes, signal)
    return results.filter((result) => result.existed).length
  }

  /** Watches the keys of the scope, whoever changes them: see `Watcher`. Throws `INVALID_OPTION`, `STORE_CLOSED`. */
  watch(options?: WatchOptions): Watcher {
    const { engine, writer } = this.#parts
    return new Watcher({ engine, scope: this.id, writer }, options)
  }

  /** How many keys the scope holds, and how many bytes their values have together. */
  async usage(): Promise<{ keys: number; bytes: number }> {
    const { engine } = this.#parts
    const usage = { keys: 0, bytes: 0 }
    for (const key of await engine.list(this.id)) {
      const stat = await engine.stat(this.id, key)
      if (stat === undefined) continue
      usage.keys += 1
      usage.bytes += stat.size
    }
    return usage
  }

  /** The same scope, with values of one type, which is the caller's word; nothing checks it. */
  as<T>(codec: 'json' | 'object'): TypedScope<T>
  /** The same scope, with one codec or schema for all of its values. */
  as<C extends CodecLike>(codec: C): TypedScope<Decoded<C>, Encodable<C>>
  as(codec: CodecLike): TypedScope<unknown> {
    return this.#parts.values.openTyped(this, codec) as TypedScope<unknown>
  }

  /** One key as an object that is checked by a schema and has defaults; see `Document`. */
  document<S extends StandardSchema>(
    key: string,
    options: { readonly schema: S } & Omit<DocumentOptions<SchemaOutput<S>>, 'schema'>,
  ): Document<SchemaOutput<S>>
  /** One key as an object that has defaults, whose type they have. */
  document<T extends object>(
    key: string,
    options: { readonly defaults: T } & Omit<DocumentOptions<T>, 'schema' | 'defaults'>,
  ): Document<T>
  document(key: string, options: object): Document<unknown> {
    return this.#parts.values.openDocument(this, key, options) as Document<unknown>
  }

  #expect(key: string, { ifVersion, ifAbsent }: SetOptions): VersionExpectation[] | undefined {
    if (ifVersion === undefined && ifAbsent !== true) return undefined
    const isVersion = ifVersion === undefined || (typeof ifVersion === 'string' && ifAbsent !== true)
    if (isVersion) return [{ scope: this.id, key, version: ifVersion }]
    const message = 'The option ifVersion must be the version of an entry, and goes without ifAbsent.'
    throw new StorageError('INVALID_OPTION', message, {
      store: this.store,
      scope: this.id,
      key,
      outcome: 'none',
    })
  }

  async #write(
    key: string,
    value: Awaitable<Uint8Array | undefined>,
    signal: AbortSignal | undefined,
    expected: readonly VersionExpectation[] | undefined,
  ): Promise<ChangeResult | undefined> {
    const place = { scope: this.id, key }
    const commit = (bytes: Uint8Array | undefined): Promise<CommitReceipt> =>
      this.#commit([{ ...place, value: bytes }], signal, expected)
    const { results } = await keepOrder(this.#parts.engine, place, value, commit)
    return results[0]
  }

  #commit(
    changes: readonly Change[],
    signal: AbortSignal | undefined,
    expectations?: readonly VersionExpectation[],
  ): Promise<CommitReceipt> {
    const { engine, writer } = this.#parts
    const quota = makeQuota(this.#parts)
    return engine.commit({ changes, expectations, quotas: quota && [quota], writer, signal })
  }
}
