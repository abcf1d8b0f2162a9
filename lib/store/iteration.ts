/** What a watcher needs to be iterated: who waits for the next thing, and whether it has ended. */

import type { EventEmitter } from 'node:events'

/** A thing that was not taken yet, or what failed. */
export type Untaken<T> = { readonly value: T } | { readonly error: unknown }

interface Waiting<T> {
  resolve(result: IteratorResult<T, undefined>): void
  reject(error: unknown): void
}

const DONE: IteratorResult<never, undefined> = { done: true, value: undefined }

/** One iteration; several loops over it share what it gives. */
export class Iteration<T> {
  /** Whether anybody iterates. */
  isBegun = false
  #isEnded = false
  readonly #waiting: Waiting<T>[] = []

  /** Whether nothing comes any more. */
  get isEnded(): boolean {
    return this.#isEnded
  }

  /** What `take` gives; if nothing, the next thing that is given, or the end. */
  async next(take: () => Untaken<T> | undefined): Promise<IteratorResult<T, undefined>> {
    this.isBegun = true
    const taken = take()
    if (taken !== undefined && 'error' in taken) throw taken.error
    if (taken !== undefined) return { done: false, value: taken.value }
    if (this.#isEnded) return DONE
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  /** Gives a thing to who has waited longest; false if nobody waits. */
  give(value: T): boolean {
    const waiting = this.#waiting.shift()
    waiting?.resolve({ done: false, value })
    return waiting !== undefined
  }

  /** Rejects for all who wait; false if nobody does. */
  fail(error: unknown): boolean {
    const waiting = this.#waiting.splice(0)
    for (const { reject } of waiting) reject(error)
    return waiting.length > 0
  }

  /** Ends for all who wait, and will. */
  end(): IteratorResult<never, undefined> {
    this.#isEnded = true
    for (const { resolve } of this.#waiting.splice(0)) resolve(DONE)
    return DONE
  }
}

/** Emits an event. What is told while a listener throws is told all the same; its error ends the process, as that of any. */
export function tell<E extends Record<keyof E, unknown[]>, N extends keyof E>(
  emitter: EventEmitter<E>,
  name: N,
  ...told: E[N]
): void {
  try {
    Reflect.apply(emitter.emit, emitter, [name, ...told])
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
