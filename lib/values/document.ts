/** A document: one key as an object with defaults. */

import { type ErrorDetails, StorageError, ValidationError } from '../base/errors.js'
import { type SchemaCodec, SchemaRefusal } from '../store/codec.js'
import type { Document, DocumentOptions, DocumentWatcher, DocumentWatchOptions } from '../store/document.js'
import { explainDecoding, partsOf } from '../store/parts.js'
import type { Scope } from '../store/scope.js'
import type { TransactionScope } from '../store/transaction-scope.js'
import { ScopeDocumentWatcher } from './document-watcher.js'
import { applyPatch, isPlain, mergeOver } from './merge.js'
import { copyForSchema, isSchema, validate } from './schema.js'

/** `Document` over a key of a scope. What is set is stored without its defaults, and checked together with them. */
export class ScopeDocument implements Document<unknown> {
  /** See `Document`. */
  readonly key: string
  readonly #scope: Scope
  readonly #options: DocumentOptions<unknown>
  readonly #codec: NonNullable<DocumentOptions<unknown>['codec']>

  constructor(scope: Scope, key: string, options: DocumentOptions<unknown>) {
    const { schema, defaults, codec = 'json' } = options ?? {}
    if ((schema !== undefined && !isSchema(schema)) || (defaults !== undefined && !isPlain(defaults)))
      throw new StorageError(
        'INVALID_OPTION',
        'A document takes a Standard Schema and defaults that are an object.',
      )
    this.key = key
    this.#scope = scope
    this.#options = { schema, defaults: copyForSchema(defaults) }
    this.#codec = codec
  }

  /** See `Document`. */
  async get(): Promise<unknown> {
    return this.#complete(await this.#scope.find(this.key, this.#codec))
  }

  /** See `Document`. */
  async set(value: unknown): Promise<string> {
    return this.#scope.set(this.key, value, { codec: this.#checked as SchemaCodec })
  }

  /** See `Document`. */
  async update(change: unknown): Promise<unknown> {
    const apply = isFunction(change) ? this.#call(change) : this.#patch(change)
    const stored = await this.#scope.transaction(async (scope) => {
      await this.#store(scope, await apply(await scope.find(this.key, this.#codec)))
      return scope.find(this.key, this.#codec)
    })
    return this.#complete(stored)
  }

  /** See `Document`. */
  delete(): Promise<boolean> {
    return this.#scope.delete(this.key)
  }

  /** See `Document`. */
  watch(options: DocumentWatchOptions = {}): DocumentWatcher<unknown> {
    const { engine, id } = partsOf(this.#scope)
    engine.keyPath(id, this.key)
    return new ScopeDocumentWatcher(this.#scope, this, options)
  }

  /** What a function makes of the object with its defaults. */
  #call(change: (current: unknown) => unknown): (stored: unknown) => Promise<unknown> {
    return async (stored) => change(await this.#complete(stored))
  }

  /** What a patch, as it is now, makes of what is stored. */
  #patch(change: unknown): (stored: unknown) => unknown {
    const patch = copyForSchema(change)
    if (isPlain(patch)) return (stored) => applyPatch(this.#checkStored(stored), patch)
    const message = 'A document is changed by a patch, which is an object, or by a function.'
    throw new StorageError('INVALID_VALUE', message, { ...this.#place, outcome: 'none' })
  }

  async #store(scope: TransactionScope, value: unknown): Promise<void> {
    if (value === undefined) await scope.delete(this.key)
    else await scope.set(this.key, value, { codec: this.#checked as SchemaCodec })
  }

  /** What is stored, with its defaults, as the schema makes it. Rejects with `VALIDATION_FAILED`, `DECODE_FAILED`. */
  async #complete(stored: unknown): Promise<unknown> {
    const value = this.#checkStored(stored)
    try {
      return await this.#check(value)
    } catch (error) {
      if (stored !== undefined || !(error instanceof SchemaRefusal))
        throw explainDecoding(partsOf(this.#scope), this.key, error)
      const what = `Nothing is set at ${JSON.stringify(this.key)}, and the defaults are not as the schema wants them`
      const { issues, cause } = error
      throw new ValidationError(`${what}: ${error.message}; give defaults that are.`, {
        ...this.#place,
        issues,
        cause,
      })
    }
  }

  /** What is stored; nothing is an object without properties. Throws `DECODE_FAILED` for what is no object. */
  #checkStored(stored: unknown): Record<string, unknown> {
    if (stored === undefined) return {}
    if (isPlain(stored)) return stored
    throw explainDecoding(partsOf(this.#scope), this.key, new TypeError('This is no object.'))
  }

  get #place(): ErrorDetails {
    return { store: this.#scope.store, scope: this.#scope.id, key: this.key }
  }

  /** With its defaults, as the schema makes it. The defaults are the document's: nobody else may change them. */
  async #check(value: unknown): Promise<unknown> {
    const { schema, defaults = {} } = this.#options
    const merged = mergeOver(copyForSchema(defaults), value)
    return schema === undefined ? merged : validate(schema, merged)
  }

  /** Checks a value together with its defaults, and stores it without them. */
  get #checked(): SchemaCodec {
    const check = async (value: unknown): Promise<{ value: unknown } | { issues: { message: string }[] }> => {
      if (!isPlain(value)) return { issues: [{ message: 'A document is an object.' }] }
      const { schema, defaults = {} } = this.#options
      const result = await schema?.['~standard'].validate(mergeOver(copyForSchema(defaults), value))
      return result?.issues === undefined ? { value } : { issues: [...result.issues] }
    }
    const schema = { '~standard': { version: 1, vendor: 'plainkeep', validate: check } } as const
    return { schema, codec: this.#codec }
  }
}

function isFunction(value: unknown): value is (current: unknown) => unknown {
  return typeof value === 'function'
}
