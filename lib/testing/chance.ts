/** Choices that a seed brings back. */

/** Gives numbers from 0 up to, but not including, 1. */
export type Chance = () => number

/** Always the lowest. */
export const NO_CHANCE: Chance = () => 0

/** The same seed gives the same numbers. The generator is Mulberry32. */
export function makeChance(seed: number): Chance {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
