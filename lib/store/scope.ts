/** A scope: one flat set of keys in one folder. */

import { KeyNotFoundError, locateError, StorageError } from '../base/errors.js'
import { describeScope, type ScopeId } from '../base/scope-id.js'
import type { Change, CommitReceipt, Engine } from '../commit/engine.js'
import type { CodecLike, Decoded, ValueLayer } from './codec.js'
import { type KeyQuery, readEntries, readKeys } from './read.js'

/** A key with its value and what is known of it. */
export interface Entry<T = Uint8Array> {
  readonly key: string
  readonly value: T
  /** Opaque; changes whenever the entry changes, and never returns to an earlier one. */
  readonly version: string
  /** Bytes on disk. */
  readonly size: number
  readonly modifiedAt: Date
}

/** Which keys to list; see `Scope.keys`. */
export interface KeysOptions extends KeyQuery {
  /** Rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** Which entries to read, and how to decode them; see `Scope.entries`. */
export interface EntriesOptions<C extends CodecLike> extends KeysOptions {
  /** Default: `'bytes'`. */
  readonly codec?: C | undefined
}

/** How to write a value; see `Scope.set`. */
export interface SetOptions {
  /** Default: bytes as they are, a string as UTF-8, anything else as JSON. */
  readonly codec?: CodecLike | undefined
  /** Aborts while the write still waits for its turn; rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** How to delete. */
export interface DeleteOptions {
  /** Aborts while the delete still waits for its turn; rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** Which keys to delete; see `Scope.clear`. */
export interface ClearOptions extends DeleteOptions {
  /** Only keys that begin with it. */
  readonly prefix?: string | undefined
}

/** What a scope is made of. */
export interface ScopeParts {
  readonly engine: Engine
  readonly values: ValueLayer
  readonly id: ScopeId
  /** The plugin on whose behalf it writes; undefined for the host. */
  readonly writer?: string | undefined
  /** The largest value it takes, in bytes. */
  readonly valueLimitBytes: number
}

/**
 * One flat set of keys: a plugin's private storage, or the shared storage of a workspace.
 *
 * Every call rejects with `INVALID_KEY` or `KEY_TOO_LONG` for a key that cannot be one, with `STORE_CLOSED`
 * after the store was closed, and with `IO_ERROR` or `ACCESS_DENIED` where the disk refuses.
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
    this.#parts = parts
  }

  /** The value of a key, as bytes or decoded. Rejects with `KeyNotFoundError`, `DECODE_FAILED`. */
  get(key: string): Promise<Uint8Array>
  /** The value of a key, decoded. */
  get<C extends CodecLike>(key: string, codec: C): Promise<Decoded<C>>
  async get(key: string, codec: CodecLike = 'bytes'): Promise<unknown> {
    const bytes = await this.#parts.engine.read(this.id, key)
    if (bytes === undefined) throw new KeyNotFoundError(key, { store: this.store, scope: this.id })
    return this.#decode(key, bytes, codec)
  }

  /** The value of a key, or undefined if it holds none. Rejects with `DECODE_FAILED`. */
  find(key: string): Promise<Uint8Array | undefined>
  /** The value of a key, decoded, or undefined. */
  find<C extends CodecLike>(key: string, codec: C): Promise<Decoded<C> | undefined>
  async find(key: string, codec: CodecLike = 'bytes'): Promise<unknown> {
    const bytes = await this.#parts.engine.read(this.id, key)
    return bytes === undefined ? undefined : this.#decode(key, bytes, codec)
  }

  /** A key's value with its version, size and time; undefined if it holds none. Rejects with `DECODE_FAILED`. */
  entry(key: string): Promise<Entry | undefined>
  /** A key's entry, its value decoded. */
  entry<C extends CodecLike>(key: string, codec: C): Promise<Entry<Decoded<C>> | undefined>
  async entry(key: string, codec: CodecLike = 'bytes'): Promise<Entry<unknown> | undefined> {
    const found = await this.#parts.engine.readEntry(this.id, key)
    if (found === undefined) return undefined
    const { bytes, version, size, modifiedAt } = found
    return { key, value: this.#decode(key, bytes, codec), version, size, modifiedAt }
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
   * `INVALID_VALUE`, `VALUE_TOO_LARGE`, `DISK_FULL`, `LOCK_TIMEOUT`, `FENCED`, `STORE_BROKEN`.
   */
  async set(key: string, value: unknown, options: SetOptions = {}): Promise<string> {
    const bytes = this.#encode(key, value, options.codec)
    const { results } = await this.#commit([{ scope: this.id, key, value: bytes }], options.signal)
    return results[0]?.version as string
  }

  /** Deletes a key, as durably as `set`. Gives whether it held a value. */
  async delete(key: string, options: DeleteOptions = {}): Promise<boolean> {
    const { results } = await this.#commit([{ scope: this.id, key, value: undefined }], options.signal)
    return results[0]?.existed === true
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

  #encode(key: string, value: unknown, codec: CodecLike | undefined): Uint8Array {
    const bytes = this.#encodeAny(key, value, codec)
    const limit = this.#parts.valueLimitBytes
    if (bytes.byteLength <= limit) return bytes
    const what = `The value of ${JSON.stringify(key)} has ${bytes.byteLength} bytes and the limit is ${limit}`
    const place = { store: this.store, scope: this.id, key, outcome: 'none' } as const
    throw new StorageError('VALUE_TOO_LARGE', `${what}; raise limits.valueBytes or store less.`, place)
  }

  #encodeAny(key: string, value: unknown, codec: CodecLike | undefined): Uint8Array {
    try {
      return this.#parts.values.encode(value, codec)
    } catch (error) {
      throw locateError(error, { store: this.store, scope: this.id, key, outcome: 'none' })
    }
  }

  #decode(key: string, bytes: Uint8Array, codec: CodecLike): unknown {
    if (codec === 'bytes') return bytes
    try {
      return this.#parts.values.decode(bytes, codec)
    } catch (cause) {
      const place = { store: this.store, scope: this.id, key, cause }
      if (cause instanceof StorageError) throw locateError(cause, place)
      const path = this.#parts.engine.keyPath(this.id, key)
      const what = `The value of ${JSON.stringify(key)} in ${describeScope(this.id)} does not decode`
      throw new StorageError(
        'DECODE_FAILED',
        `${what}; look at ${path}, or read it with the codec 'bytes'.`,
        place,
      )
    }
  }

  #commit(changes: readonly Change[], signal: AbortSignal | undefined): Promise<CommitReceipt> {
    return this.#parts.engine.commit({ changes, writer: this.#parts.writer, signal })
  }
}
