/** Timers and the monotonic clock of a simulation: time passes only when told to, by as much as the next timer needs. */

import { Clock } from './simulated-disk.js'

interface Timer {
  readonly id: number
  readonly everyMs: number | undefined
  readonly run: () => void
  atUs: number
}

const REAL = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
  now: performance.now,
}

/** More turns of the event loop than any promise takes. */
const TOO_MANY_TURNS = 50_000

/** Work that only lets others have their turn in between goes on before time does. */
const TURNS_BEFORE_TIME = 4

const timers = new Map<number, Timer>()
let clock = new Clock()
let lastId = 0

/** From now on timers are those of a simulation, and `performance.now` its clock. */
export function installVirtualTime(): void {
  const add = (run: () => void, ms = 0, everyMs?: number): unknown => {
    lastId += 1
    const timer = { id: lastId, everyMs, run, atUs: clock.us + Math.max(1, ms) * 1000 }
    timers.set(timer.id, timer)
    const handle = {
      id: timer.id,
      ref: () => handle,
      unref: () => handle,
      [Symbol.dispose]: () => remove(handle),
    }
    return handle
  }
  const remove = (handle: unknown): void => {
    if (handle !== undefined && handle !== null) timers.delete((handle as { id: number }).id)
  }
  const virtual = {
    setTimeout: (run: () => void, ms?: number) => add(run, ms),
    setInterval: (run: () => void, ms?: number) => add(run, ms, ms),
    clearTimeout: remove,
    clearInterval: remove,
  }
  Object.assign(globalThis, virtual)
  performance.now = () => clock.ms
}

/** Timers and clock are the real ones again. */
export function uninstallVirtualTime(): void {
  const { now, ...real } = REAL
  Object.assign(globalThis, real)
  performance.now = now
  timers.clear()
}

/** No timer is left of what ran before, and time is that of a clock. */
export function resetVirtualTime(newClock: Clock): void {
  timers.clear()
  clock = newClock
}

/** Lets time pass until the next timer, and runs it. False if there is none. */
export function advanceTime(): boolean {
  let next: Timer | undefined
  for (const timer of timers.values()) if (next === undefined || timer.atUs < next.atUs) next = timer
  if (next === undefined) return false
  clock.us = Math.max(clock.us, Math.ceil(next.atUs))
  if (next.everyMs === undefined) timers.delete(next.id)
  else next.atUs = clock.us + next.everyMs * 1000
  next.run()
  return true
}

/** Whatever can go on without time passing has gone on. */
export function settleTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/**
 * Lets time pass until a promise is settled, and gives what it gives. Where nothing waits for time or for a turn of the event
 * loop, there is none: so thousands of short runs cost no more than what they do.
 */
export function drive<T>(promise: Promise<T>): Promise<T> {
  turns = 0
  driven += 1
  pump()
  return new Promise((resolve, reject) => {
    giveUp = () => {
      driven = 0
      reject(new Error('It waits for ever.'))
    }
    const end = (): void => {
      driven -= 1
    }
    promise.then(end, end)
    promise.then(resolve, reject)
  })
}

/** Promises that are driven, and how many turns of the event loop went by since the last of them was. */
let [driven, turns, isPumping] = [0, 0, false]
let giveUp = (): void => undefined

function pump(): void {
  if (isPumping) return
  isPumping = true
  setImmediate(() => {
    isPumping = false
    if (driven === 0) return
    turns += 1
    if (turns > TOO_MANY_TURNS) return giveUp()
    if (turns % TURNS_BEFORE_TIME === 0) advanceTime()
    pump()
  })
}
