/** A scope whose values are all of one type; see `Scope.as`. */

import type { ScopeId } from '../base/scope-id.js'
import type { ClearOptions, DeleteOptions, Entry, SetOptions } from './entry.js'
import type { KeyQuery } from './read.js'
import type { TransactionOptions } from './transact.js'
import type { UpdateFunction } from './transaction-scope.js'
import type { Watcher, WatchOptions } from './watch.js'

/** How to write a value whose codec is known. */
export type TypedSetOptions = Omit<SetOptions, 'codec'>

/** The methods of `Scope`, with one codec for all of them. `Input` is what may be written. */
export interface TypedScope<T, Input = T> {
  /** See `Scope`. */
  readonly id: ScopeId
  /** See `Scope`. */
  readonly store: string
  /** See `Scope`. */
  readonly path: string
  /** See `Scope.get`. */
  get(key: string): Promise<T>
  /** See `Scope.find`. */
  find(key: string): Promise<T | undefined>
  /** See `Scope.entry`. */
  entry(key: string): Promise<Entry<T> | undefined>
  /** See `Scope.has`. */
  has(key: string): Promise<boolean>
  /** See `Scope.set`. */
  set(key: string, value: Input, options?: TypedSetOptions): Promise<string>
  /** See `Scope.update`. */
  update<R extends Input | undefined>(
    key: string,
    change: UpdateFunction<T, R>,
    options?: TransactionOptions,
  ): Promise<R>
  /** See `Scope.delete`. */
  delete(key: string, options?: DeleteOptions): Promise<boolean>
  /** See `Scope.keys`. */
  keys(options?: KeyQuery): Promise<string[]>
  /** See `Scope.entries`. */
  entries(options?: KeyQuery): AsyncIterableIterator<Entry<T>>
  /** See `Scope.clear`. */
  clear(options?: ClearOptions): Promise<number>
  /** See `Scope.usage`. */
  usage(): Promise<{ keys: number; bytes: number }>
  /** See `Scope.watch`. */
  watch(options?: WatchOptions): Watcher
}
