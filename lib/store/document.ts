/** A document: one key as an object with defaults; see `Scope.document`. */

import type { EventEmitter } from 'node:events'
import type { StandardSchema } from '../base/standard-schema.js'
import type { Codec, CodecName } from './codec.js'
import type { WatchOptions } from './watch.js'

/** Every property may be left out, at any depth of plain objects. */
export type DeepPartial<T> = T extends readonly unknown[] | Date | Uint8Array | ((...given: never) => unknown)
  ? T
  : T extends object
    ? { readonly [K in keyof T]?: DeepPartial<T[K]> | undefined }
    : T

/** What a document is made of. */
export interface DocumentOptions<T, D = DeepPartial<T>> {
  /** Checks the object together with its defaults, when it is written and when it is read. */
  readonly schema?: StandardSchema<unknown, T> | undefined
  /** What is given where nothing is set. They are never written. */
  readonly defaults?: D | undefined
  /** How the object is stored. Default: `'json'`. */
  readonly codec?: Exclude<CodecName, 'bytes' | 'text'> | Codec<unknown> | undefined
}

/**
 * One key as an object with defaults. The file holds what was set and nothing else. Defaults are merged in by `get`:
 * plain objects deeply, anything else as a whole.
 *
 * Every call rejects as the calls of `Scope` do, with `VALIDATION_FAILED` if the object is not as the schema wants it,
 * and with `DECODE_FAILED` if the file holds no object.
 */
export interface Document<T> {
  /** The key. */
  readonly key: string
  /** The object with its defaults; the defaults alone if nothing is set. Writes nothing. */
  get(): Promise<T>
  /** Replaces all that is set. Gives the new version. */
  set(value: T): Promise<string>
  /**
   * Changes the object in one step, also among processes, and gives it with its defaults. A patch is merged as
   * defaults are; a property that is undefined in it goes back to its default. A function is given the object with its
   * defaults, and what it gives is set as a whole; undefined goes back to the defaults. It may run more than once.
   */
  update(change: DeepPartial<T> | ((current: T) => T | undefined | Promise<T | undefined>)): Promise<T>
  /** Goes back to the defaults. Gives whether anything was set. */
  delete(): Promise<boolean>
  /** Watches the object, whoever changes it: see `DocumentWatcher`. Throws as `Scope.watch`, and `INVALID_KEY`, `KEY_TOO_LONG`. */
  watch(options?: DocumentWatchOptions): DocumentWatcher<T>
}

/** How to watch a document: see `WatchOptions`. With `initial` the object is given as it is at first, too. */
export type DocumentWatchOptions = Pick<WatchOptions, 'initial' | 'own' | 'persistent' | 'signal'>

/** The events of a document's watcher. */
export interface DocumentWatcherEvents<T> {
  change: [value: T]
  ready: []
  error: [error: unknown]
}

/**
 * Gives the object with its defaults after each change, as events and to one `for await`; the defaults alone when it goes
 * back to them. Of changes that come while the last object was not taken yet only the latest is given.
 *
 * It begins at once, and ends as a `Watcher` does. An object that cannot be given, as after an edit by hand that broke the
 * file, is an `error`, and the next change is given again; where nobody listens for it, it ends the watcher, and is thrown
 * by `for await`.
 */
export interface DocumentWatcher<T>
  extends EventEmitter<DocumentWatcherEvents<T>>,
    AsyncIterableIterator<T>,
    AsyncDisposable {
  /** Resolves when nothing is missed any more; rejects if it ended before. */
  readonly ready: Promise<void>
  /** Ends it; nothing is given any more. */
  close(): Promise<void>
  /** The watcher itself. */
  [Symbol.asyncIterator](): this
}
