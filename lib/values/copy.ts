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
  /** Whether `Copier.repeats` takes the place of what stands twice; otherwise it is copied twice, or refused in a circle. */
  readonly notesRepeats?: boolean
}

/** An object that stands twice: where it is copied, and where the copy has null instead. */
export interface Repeat {
  readonly first: readonly PropertyKey[]
  readonly again: readonly PropertyKey[]
}

/** Makes one copy. */
export class Copier {
  /** What stands twice, if the rules want it noted: in plain objects, arrays and values of a `Map`, from the top down. */
  readonly repeats: Repeat[] = []
  readonly #rules: CopyRules
  readonly #path: PropertyKey[] = []
  readonly #above = new Set<object>()
  readonly #places = new Map<object, readonly PropertyKey[]>()
  #isNoting: boolean

  constructor(rules: CopyRules) {
    this.#rules = rules
    this.#isNoting = rules.notesRepeats === true
  }

  /** The copy of a value at the present place. Throws `INVALID_VALUE` for a circle, and whatever the rules throw. */
  copy(value: unknown): unknown {
    if (typeof value === 'function' || typeof value === 'symbol') return this.#rules.copyLeaf(value, this)
    if (typeof value !== 'object' || value === null) return value
    if (this.#isNoting && this.#isRepeat(value)) return null
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

  /** Whether an object was copied already; the place where it stands now is noted either way. */
  #isRepeat(value: object): boolean {
    const first = this.#places.get(value)
    if (first === undefined) this.#places.set(value, [...this.#path])
    else this.repeats.push({ first, again: [...this.#path] })
    return first !== undefined
  }

  #copyObject(value: object): unknown {
    if (Array.isArray(value)) return Array.from(value, (item, index) => this.copyAt(index, item))
    if (isPlain(value)) return this.copyProperties(value)
    if (types.isMap(value) && isOfBuiltIn(value)) return new Map(Array.from(value, this.#copyPair, this))
    if (types.isSet(value) && isOfBuiltIn(value))
      return this.#withoutNotes(() => new Set(Array.from(value, (item, index) => this.copyAt(index, item))))
    return this.#withoutNotes(() => this.#rules.copyLeaf(value, this))
  }

  #copyPair([key, item]: [unknown, unknown], index: number): [unknown, unknown] {
    this.#path.push(index)
    const pair: [unknown, unknown] = [this.#withoutNotes(() => this.copyAt(0, key)), this.copyAt(1, item)]
    this.#path.pop()
    return pair
  }

  #withoutNotes<T>(copy: () => T): T {
    const wasNoting = this.#isNoting
    this.#isNoting = false
    const copied = copy()
    this.#isNoting = wasNoting
    return copied
  }
}

/** Whether the class of a `Map`, a `Set`, a `Date` or the like is built in and none of the caller's, in any realm. */
export function isOfBuiltIn(value: object): boolean {
  return isPlain(Object.getPrototypeOf(value))
}
