/** A scope whose values are all of one type. */

import type { ScopeId } from '../base/scope-id.js'
import type { CodecLike } from '../store/codec.js'
import type { ClearOptions, DeleteOptions, Entry } from '../store/entry.js'
import type { KeyQuery } from '../store/read.js'
import type { Scope } from '../store/scope.js'
import type { TransactionOptions } from '../store/transact.js'
import type { UpdateFunction } from '../store/transaction-scope.js'
import type { TypedScope, TypedSetOptions } from '../store/typed-scope.js'
import type { Watcher, WatchOptions } from '../store/watch.js'

/** `Scope` with one codec for all of its calls. */
export class CodecScope implements TypedScope<unknown> {
  /** See `TypedScope`. */
  readonly id: ScopeId
  /** See `TypedScope`. */
  readonly store: string
  /** See `TypedScope`. */
  readonly path: string
  readonly #scope: Scope
  readonly #codec: CodecLike

  constructor(scope: Scope, codec: CodecLike) {
    this.id = scope.id
    this.store = scope.store
    this.path = scope.path
    this.#scope = scope
    this.#codec = codec
  }

  /** See `TypedScope`. */
  get(key: string): Promise<unknown> {
    return this.#scope.get(key, this.#codec)
  }

  /** See `TypedScope`. */
  find(key: string): Promise<unknown> {
    return this.#scope.find(key, this.#codec)
  }

  /** See `TypedScope`. */
  entry(key: string): Promise<Entry<unknown> | undefined> {
    return this.#scope.entry(key, this.#codec)
  }

  /** See `TypedScope`. */
  has(key: string): Promise<boolean> {
    return this.#scope.has(key)
  }

  /** See `TypedScope`. */
  set(key: string, value: unknown, options: TypedSetOptions = {}): Promise<string> {
    return this.#scope.set(key, value, { ...options, codec: this.#codec })
  }

  /** See `TypedScope`. */
  update<R>(key: string, change: UpdateFunction<unknown, R>, options: TransactionOptions = {}): Promise<R> {
    return this.#scope.update(key, change as UpdateFunction<unknown, never>, {
      ...options,
      codec: this.#codec,
    })
  }

  /** See `TypedScope`. */
  delete(key: string, options?: DeleteOptions): Promise<boolean> {
    return this.#scope.delete(key, options)
  }

  /** See `TypedScope`. */
  keys(options?: KeyQuery): Promise<string[]> {
    return this.#scope.keys(options)
  }

  /** See `TypedScope`. */
  entries(options: KeyQuery = {}): AsyncIterableIterator<Entry<unknown>> {
    return this.#scope.entries({ ...options, codec: this.#codec })
  }

  /** See `TypedScope`. */
  clear(options?: ClearOptions): Promise<number> {
    return this.#scope.clear(options)
  }

  /** See `TypedScope`. */
  usage(): Promise<{ keys: number; bytes: number }> {
    return this.#scope.usage()
  }

  /** See `TypedScope`. */
  watch(options?: WatchOptions): Watcher {
    return this.#scope.watch(options)
  }
}
