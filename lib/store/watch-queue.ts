/** Changes that wait for a slow consumer: all of them up to a bound, then the latest one of each key. */

import type { FollowedChange } from '../commit/engine.js'

type Keyed = Pick<FollowedChange, 'scope' | 'key'>

/** A queue of changes. */
export class ChangeQueue<C extends Keyed> {
  readonly #limit: number
  readonly #changes = new Map<string | number, C>()
  #serial = 0
  #isKeyed = false
  #hasLost = false

  /** `limit` is the bound, in changes. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Adds a change. True if it is the first one, since the queue was empty, that took the place of another. */
  push(change: C): boolean {
    if (!this.#isKeyed && this.#changes.size >= this.#limit) this.#collapse()
    const size = this.#changes.size
    this.#put(change)
    if (this.#hasLost || this.#changes.size > size) return false
    this.#hasLost = true
    return true
  }

  /** Takes the first change out; undefined if there is none. */
  shift(): C | undefined {
    const [first] = this.#changes
    if (first === undefined) return undefined
    this.#changes.delete(first[0])
    if (this.#changes.size === 0) this.clear()
    return first[1]
  }

  /** Forgets all. */
  clear(): void {
    this.#changes.clear()
    this.#isKeyed = this.#hasLost = false
  }

  #collapse(): void {
    const changes = [...this.#changes.values()]
    this.#changes.clear()
    this.#isKeyed = true
    for (const change of changes) this.#put(change)
  }

  /** The latest change of a key stands where it came in. */
  #put(change: C): void {
    const name = this.#isKeyed ? describeKey(change) : this.#serial++
    this.#changes.delete(name)
    this.#changes.set(name, change)
  }
}

function describeKey({ scope, key }: Keyed): string {
  return JSON.stringify([scope.workspace, scope.plugin, key])
}
