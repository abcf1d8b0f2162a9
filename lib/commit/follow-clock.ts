/** When a follower looks next: soon after a hint, and every second in any case. */

import { WATCH_LATE_MS, WATCH_LOOK_MS } from '../base/limits.js'

/** What a clock calls, and what it goes by. */
export interface ClockCalls {
  monotonicMs(): number
  /** It is time to look. */
  onLook(): void
  /** A second has gone by; `isLate`: far more than that, since the process was stopped or busy. */
  onSecond(isLate: boolean): void
}

/** Keeps the process alive only while someone holds it. */
export class FollowClock {
  readonly #calls: ClockCalls
  #second: NodeJS.Timeout | undefined
  #secondMs = 0
  #timer: NodeJS.Timeout | undefined
  #immediate: NodeJS.Immediate | undefined
  #dueMs = Number.POSITIVE_INFINITY
  #holders = 0

  constructor(calls: ClockCalls) {
    this.#calls = calls
  }

  /** Begins to count seconds. */
  start(): void {
    this.#secondMs = this.#calls.monotonicMs()
    this.#second = setInterval(() => this.#tick(), WATCH_LOOK_MS)
    if (this.#holders === 0) this.#second.unref()
  }

  /** Calls nothing more. */
  stop(): void {
    clearInterval(this.#second)
    this.#second = undefined
    this.#disarm()
  }

  /** Calls `onLook` in so many milliseconds, or sooner. */
  wake(ms: number): void {
    const dueMs = this.#calls.monotonicMs() + ms
    if (this.#second === undefined || dueMs >= this.#dueMs) return
    this.#disarm()
    this.#dueMs = dueMs
    const look = (): void => {
      this.#disarm()
      this.#calls.onLook()
    }
    // Without a reference it would wait for the next event; with one it keeps the process for one turn only.
    if (ms === 0) this.#immediate = setImmediate(look)
    else this.#timer = setTimeout(look, ms)
    if (this.#holders === 0) this.#unref()
  }

  /** Keeps the process alive until it is called back. */
  hold(): () => void {
    this.#holders += 1
    this.#ref()
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      this.#holders -= 1
      if (this.#holders === 0) this.#unref()
    }
  }

  #tick(): void {
    const nowMs = this.#calls.monotonicMs()
    const isLate = nowMs - this.#secondMs > WATCH_LOOK_MS + WATCH_LATE_MS
    this.#secondMs = nowMs
    this.#calls.onSecond(isLate)
  }

  #disarm(): void {
    clearTimeout(this.#timer)
    clearImmediate(this.#immediate)
    this.#timer = this.#immediate = undefined
    this.#dueMs = Number.POSITIVE_INFINITY
  }

  #ref(): void {
    for (const timer of [this.#second, this.#timer]) timer?.ref()
  }

  #unref(): void {
    for (const timer of [this.#second, this.#timer]) timer?.unref()
  }
}
