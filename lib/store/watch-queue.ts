/**
 * Changes that wait for a slow consumer: all of them up to a bound, then the latest one of each key.
 *
 * Q1  Of each key the latest change is in the queue, behind all that came before it.
 * Q2  Each call takes a time that does not grow with the queue, but for those that make room, which are rare.
 */

import type { FollowedChange } from '../commit/engine.js'

type Keyed = Pick<FollowedChange, 'scope' | 'key'>

/** So many places may be empty before room is made. */
const SPARE_PLACES = 1000

/** A queue of changes. */
export class ChangeQueue<C extends Keyed> {
  readonly #limit: number
  /** From `#head` on; those that a later one replaced, or that were taken, are undefined. */
  #changes: (C | undefined)[] = []
  #head = 0
  #size = 0
  /** Beyond the bound: where the change of a key is. */
  #places: Map<string, number> | undefined
  #hasLost = false

  /** `limit` is the bound, in changes. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Adds a change. True if it is the first time, since the queue was empty, that one took the place of another. */
  push(change: C): boolean {
    const hadLost = this.#hasLost
    if (this.#places === undefined && this.#size >= this.#limit) this.#beginPlaces()
    this.#put(change)
    if (this.#changes.length > 2 * this.#size + SPARE_PLACES) this.#makeRoom()
    return this.#hasLost && !hadLost
  }

  /** Takes the first change out; undefined if there is none. */
  shift(): C | undefined {
    if (this.#size === 0) return undefined
    while (this.#changes[this.#head] === undefined) this.#head += 1
    const change = this.#changes[this.#head] as C
    this.#changes[this.#head] = undefined
    this.#places?.delete(describeKey(change))
    this.#size -= 1
    if (this.#size === 0) this.clear()
    return change
  }

  /** Forgets all. */
  clear(): void {
    this.#changes = []
    this.#head = this.#size = 0
    this.#places = undefined
    this.#hasLost = false
  }

  #put(change: C): void {
    if (this.#places !== undefined) this.#replace(describeKey(change), this.#places)
    this.#changes.push(change)
    this.#size += 1
  }

  /** The next place is a key's. */
  #replace(name: string, places: Map<string, number>): void {
    const place = places.get(name)
    places.set(name, this.#changes.length)
    if (place === undefined) return
    this.#changes[place] = undefined
    this.#size -= 1
    this.#hasLost = true
  }

  #beginPlaces(): void {
    this.#places = new Map()
    this.#makeRoom()
  }

  #makeRoom(): void {
    const changes = this.#changes.slice(this.#head)
    this.#places?.clear()
    this.#changes = []
    this.#head = this.#size = 0
    for (const change of changes) if (change !== undefined) this.#put(change)
  }
}

function describeKey({ scope, key }: Keyed): string {
  return JSON.stringify([scope.workspace, scope.plugin, key])
}
