/**
 * The model: random commits of several processes, edits by hand, hints that come late or never and processes that die,
 * against what is in the folder. Every commit is told once, in order and with its origin, nothing else is told but what a
 * hand did, and when all is quiet what the events say equals the folder.
 *
 * A failure names its seed: `SEED=<seed> npx vitest run test/watch/schedules.test.ts` runs that schedule alone.
 */

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { WatchSimulation } from '../setup/watch-simulation.js'

const SEED = process.env.SEED
const COUNT =
  SEED === undefined ? Number(process.env.SCHEDULES ?? (process.env.PLAINKEEP_LONG ? 2000 : 20)) : 1
const FIRST = Number(SEED ?? process.env.FIRST ?? Date.now() % 1_000_000_000)

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'] })
})

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

test.each([
  ['commits alone', { crashes: 0, steals: 0, edits: 0, lostHints: 0 }],
  ['commits, and hints that are lost', { crashes: 0, steals: 0, edits: 0, lostHints: 0.5 }],
  ['commits and edits by hand', { crashes: 0, steals: 0, edits: 0.03, lostHints: 0 }],
  ['commits, edits, and hints that are lost', { crashes: 0, steals: 0, edits: 0.03, lostHints: 0.4 }],
  [
    'the same, with processes that die and locks that all get',
    { crashes: 2, steals: 0.1, edits: 0.02, lostHints: 0.2 },
  ],
])(
  `what is told is what was done: %s, seeds from ${FIRST}`,
  async (_, hazards) => {
    for (let seed = FIRST; seed < FIRST + COUNT; seed += 1) {
      const simulation = new WatchSimulation(seed, hazards)
      vi.spyOn(Math, 'random').mockImplementation(() => simulation.random.next())
      const problems = await simulation.run()
      vi.clearAllTimers()
      if (problems.length > 0 && SEED !== undefined) console.log(simulation.trace.join('\n'))
      expect(problems, `seed ${seed}`).toEqual([])
    }
  },
  600_000,
)
