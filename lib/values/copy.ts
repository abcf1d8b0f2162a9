/**
 * Deep copies, so that what the caller changes later changes nothing: plain objects, arrays, `Map` and `Set`, of this
 * realm or another, are copied into such of this realm. Whoever asks for a copy says what becomes of all else.
 */

import { types } from 'node:util'
import { StorageError } from '../base/errors.js'
import { isPlain } from './merge.js'
import { describePath } from './path.js'

/** What becomes of what is no container. */
export interface CopyRules {
  /** A function, a symbol, or an object that is neither plain nor an array, a `Map` or a `Set`. */
  copyLeaf(value: unknown, copier: Copier): unknown
  /** Throws for a property that no object may have. */
  checkName?(name: string, copier: Copier): void
}

/** A copy of a value. Throws `INVALID_VALUE` for an object that holds itself, and whatever the rules throw. */
export function copyValue(value: unknown, rules: CopyRules): unknown {
  return new Copier(rules).copy(value)
}

/** Makes one copy. */
export class Copier {
  readonly #rules: CopyRules
  readonly #path: PropertyKey[] = []
  readonly #above = new Set<object>()

  constructor(rules: CopyRules) {
    this.#rules = rules
  }

  /** The copy of a value at the present place. */
  copy(value: unknown): unknown {
    if (typeof value === 'function' || typeof value === 'symbol') return this.#rules.copyLeaf(value, this)
    if (typeof value !== 'object' || value === null) return value
    if (this.#above.has(value))
      throw this.refuse('is an object that holds itself', 'store a copy without the circle')
    this.#above.add(value)
    const copy = this.#copyObject(value)
    this.#above.delete(value)
    return copy
  }

  /** Copies of an object's own properties, as a plain object. */
  copyProperties(value: object): Record<string, unknown> {
    const entries = Object.entries(value).map(([name, property]) => {
      this.#rules.checkName?.(name, this)
      return [name, this.copyAt(name, property)] as const
    })
    return Object.fromEntries(entries)
  }

  /** The copy of a value one step below the present place. */
  copyAt(step: PropertyKey, value: unknown): unknown {
    this.#path.push(step)
    const copy = this.copy(value)
    this.#path.pop()
    return copy
  }

  /** An error about the value at the present place. */
  refuse(loss: string, advice: string): StorageError {
    const subject = this.#path.length === 0 ? 'The value' : `The value at ${describePath(this.#path)}`
    return new StorageError('INVALID_VALUE', `${subject} ${loss}; ${advice}.`, { outcome: 'none' })
  }

  #copyObject(value: object): unknown {
    if (Array.isArray(value)) return Array.from(value, (item, index) => this.copyAt(index, item))
    if (isPlain(value)) return this.copyProperties(value)
    if (types.isMap(value) && isOfBuiltIn(value)) {
      const pairs = Array.from(value, ([key, item], index) => this.copyAt(index, [key, item]))
      return new Map(pairs as [unknown, unknown][])
    }
    if (types.isSet(value) && isOfBuiltIn(value))
      return new Set(Array.from(value, (item, index) => this.copyAt(index, item)))
    return this.#rules.copyLeaf(value, this)
  }
}

/** Whether the class of a `Map`, a `Set`, a `Date` or the like is built in and none of the caller's, in any realm. */
export function isOfBuiltIn(value: object): boolean {
  return isPlain(Object.getPrototypeOf(value))
}
