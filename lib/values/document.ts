/** A document: one key as an object with defaults. */

import { StorageError } from '../base/errors.js'
import type { SchemaCodec } from '../store/codec.js'
import type { Document, DocumentOptions } from '../store/document.js'
import { explainDecoding, partsOf } from '../store/parts.js'
import type { Scope } from '../store/scope.js'
import type { TransactionScope } from '../store/transaction-scope.js'
import { applyPatch, isPlain, mergeOver } from './merge.js'
import { isSchema, validate } from './schema.js'

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
    this.#options = options
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
    const next = await this.#scope.transaction(async (scope) => {
      const stored = await scope.find(this.key, this.#codec)
      const changed =
        typeof change === 'function'
          ? await change(await this.#complete(stored))
          : applyPatch(stored ?? {}, change)
      await this.#store(scope, changed)
      return changed
    })
    return this.#complete(next)
  }

  /** See `Document`. */
  delete(): Promise<boolean> {
    return this.#scope.delete(this.key)
  }

  async #store(scope: TransactionScope, value: unknown): Promise<void> {
    if (value === undefined) await scope.delete(this.key)
    else await scope.set(this.key, value, { codec: this.#checked as SchemaCodec })
  }

  /** What is stored, with its defaults, as the schema makes it. Rejects with `VALIDATION_FAILED`, `DECODE_FAILED`. */
  async #complete(stored: unknown): Promise<unknown> {
    try {
      if (stored !== undefined && !isPlain(stored)) throw new TypeError('This is no object.')
      return await this.#check(stored ?? {})
    } catch (error) {
      throw explainDecoding(partsOf(this.#scope), this.key, error)
    }
  }

  /** With its defaults, as the schema makes it. The defaults are the document's: nobody else may change them. */
  async #check(value: unknown): Promise<unknown> {
    const { schema, defaults = {} } = this.#options
    const merged = mergeOver(structuredClone(defaults), value)
    return schema === undefined ? merged : validate(schema, merged)
  }

  /** Checks a value together with its defaults, and stores it without them. */
  get #checked(): SchemaCodec {
    const check = async (value: unknown): Promise<{ value: unknown } | { issues: { message: string }[] }> => {
      if (!isPlain(value)) return { issues: [{ message: 'A document is an object.' }] }
      const { schema, defaults = {} } = this.#options
      const result = await schema?.['~standard'].validate(mergeOver(defaults, value))
      return result?.issues === undefined ? { value } : { issues: [...result.issues] }
    }
    const schema = { '~standard': { version: 1, vendor: 'plainkeep', validate: check } } as const
    return { schema, codec: this.#codec }
  }
}
