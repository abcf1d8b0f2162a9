/** A document: one key as an object with defaults; see `Scope.document`. */

import type { StorageError } from '../base/errors.js'
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

/** How to watch a document. */
export interface DocumentWatchOptions extends Pick<WatchOptions, 'own' | 'persistent' | 'signal'> {
  /** First gives the object as it is. Default: false. */
  readonly initial?: boolean | undefined
  /**
   * Is told of a file that somebody made invalid, with `VALIDATION_FAILED` or `DECODE_FAILED`; the next object that is
   * given is valid again. Without it the watcher ends, and `for await` throws the error.
   */
  readonly onInvalid?: ((error: StorageError) => void) | undefined
}

/**
 * Gives the object of a document, with its defaults, after each change, whoever makes it; of changes that come faster than
 * they are taken, the last. It ends as `Watcher` does.
 */
export interface DocumentWatcher<T> extends AsyncIterableIterator<T, undefined>, AsyncDisposable {
  /** Resolves when no change is missed any more; rejects if it ended before. */
  readonly ready: Promise<void>
  /** Ends it. */
  close(): Promise<void>
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
  /** Watches the object: see `DocumentWatcher`. Throws `INVALID_OPTION`, `STORE_CLOSED`. */
  watch(options?: DocumentWatchOptions): DocumentWatcher<T>
}
