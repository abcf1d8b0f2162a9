/** What is known of a key, and how to ask for it and to change it. */

import type { CodecLike } from './codec.js'
import type { KeyQuery } from './read.js'

/** A key that holds a value, and what is known of it without reading it. */
export interface EntryStat {
  readonly key: string
  /** Opaque; changes whenever the entry changes, and never returns to an earlier one. */
  readonly version: string
  /** Bytes on disk. */
  readonly size: number
  readonly modifiedAt: Date
}

/** A key with its value and what is known of it. */
export interface Entry<T = Uint8Array> extends EntryStat {
  readonly value: T
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
  /** Only if the key has this version; otherwise rejects with `ConflictError`. */
  readonly ifVersion?: string | undefined
  /** Only if the key holds no value; otherwise rejects with `ConflictError`. */
  readonly ifAbsent?: boolean | undefined
  /** Aborts while the write still waits for its turn; rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** How to delete; see `Scope.delete`. */
export interface DeleteOptions extends Abortable {
  /** Only if the key has this version; otherwise rejects with `ConflictError`. */
  readonly ifVersion?: string | undefined
}

/** What can be given up while it waits. */
interface Abortable {
  /** Aborts while the delete still waits for its turn; rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** Which keys to delete; see `Scope.clear`. */
export interface ClearOptions extends Abortable {
  /** Only keys that begin with it. */
  readonly prefix?: string | undefined
}
