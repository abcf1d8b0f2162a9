/**
 * Several processes over one disk, whose calls a seeded scheduler lets through one at a time and in any order, with
 * calls that act long after they looked their folder up, owners that die at any call, locks that anyone may find
 * stale at any moment, and power cuts.
 *
 * A failure names its seed: `SEED=<seed> npx vitest run test/commit/interleaving.test.ts` runs that schedule alone.
 */

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Simulation } from '../setup/simulation.js'

const SEED = process.env.SEED
const COUNT =
  SEED === undefined ? Number(process.env.SCHEDULES ?? (process.env.PLAINKEEP_LONG ? 3000 : 150)) : 1
const FIRST = Number(SEED ?? process.env.FIRST ?? Date.now() % 1_000_000_000)

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'] })
})

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

test.each([
  ['processes that crash', { crashes: 2, cuts: 0, steals: 0 }],
  ['locks that everybody gets', { crashes: 0, cuts: 0, steals: 0.3 }],
  ['locks that everybody gets, and processes that crash', { crashes: 1, cuts: 0, steals: 0.2 }],
  ['power cuts', { crashes: 1, cuts: 2, steals: 0 }],
  ['power cuts, and locks that everybody gets', { crashes: 1, cuts: 2, steals: 0.2 }],
])(
  `nothing acknowledged is lost, half done or stale: %s, seeds from ${FIRST}`,
  async (_, hazards) => {
    for (let seed = FIRST; seed < FIRST + COUNT; seed += 1) {
      const simulation = new Simulation(seed, hazards)
      vi.spyOn(Math, 'random').mockImplementation(() => simulation.random.next())
      const problems = await simulation.run()
      vi.clearAllTimers()
      if (problems.length > 0 && SEED !== undefined) console.log(simulation.trace.join('\n'))
      expect(problems, `seed ${seed}`).toEqual([])
    }
  },
  600_000,
)
