/** A transaction over any scopes of a store. */

import { StorageError } from '../base/errors.js'
import type { Attempt } from './attempt.js'
import { partsOf } from './parts.js'
import type { Scope } from './scope.js'
import { TransactionScope } from './transaction-scope.js'

/** Gives the scopes of one transaction; see `Storage.transaction`. */
export class Transaction {
  readonly #attempt: Attempt
  readonly #store: string

  /** For `Storage`; not to be called by others. */
  constructor(store: string, attempt: Attempt) {
    this.#store = store
    this.#attempt = attempt
  }

  /** A scope of the same store. Throws `INVALID_OPTION` for one of another. */
  scope(scope: Scope): TransactionScope {
    if (scope.store === this.#store) return new TransactionScope(partsOf(scope), this.#attempt)
    const message = `The scope belongs to the store ${scope.store}; a transaction of ${this.#store} reaches its own scopes only.`
    throw new StorageError('INVALID_OPTION', message, { store: this.#store, outcome: 'none' })
  }
}
