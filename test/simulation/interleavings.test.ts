/**
 * Processes beside each other, on random schedules: see schedule.ts.
 *
 * `SEED=<seed> npx vitest run test/simulation/interleavings.test.ts -t <hazards>` runs one schedule, and prints it.
 */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { installVirtualTime, uninstallVirtualTime } from '../setup/virtual-time.js'
import { type Hazards, Schedule } from './schedule.js'

const SEED = process.env.SEED
const IS_LONG = process.env.PLAINKEEP_LONG !== undefined
const COUNT = SEED === undefined ? Number(process.env.SCHEDULES ?? (IS_LONG ? 3000 : 100)) : 1
const FIRST = Number(SEED ?? process.env.FIRST ?? Date.now() % 1_000_000_000)

const HAZARDS: Readonly<Record<string, Hazards>> = {
  'two processes, and locks that everybody gets': {
    processes: 2,
    crashes: 0,
    cuts: 0,
    steals: 0.3,
    pauses: 0,
  },
  'two processes that are stopped, and locks that go stale meanwhile': {
    processes: 2,
    crashes: 0,
    cuts: 0,
    steals: 0.05,
    pauses: 0.02,
  },
  'processes that crash': { processes: 3, crashes: 2, cuts: 0, steals: 0, pauses: 0.005 },
  'locks that everybody gets, and processes that crash': {
    processes: 3,
    crashes: 1,
    cuts: 0,
    steals: 0.2,
    pauses: 0.01,
  },
  'power cuts': { processes: 3, crashes: 1, cuts: 2, steals: 0, pauses: 0.005 },
  'power cuts, and locks that everybody gets': {
    processes: 3,
    crashes: 1,
    cuts: 2,
    steals: 0.2,
    pauses: 0.01,
  },
}

const realRandom = Math.random

beforeAll(installVirtualTime)

afterAll(() => {
  uninstallVirtualTime()
  Math.random = realRandom
})

test.each(Object.entries(HAZARDS))(
  `no update is lost, none is stale, all are in one order, from seed ${FIRST} on: %s`,
  { timeout: 3_600_000 },
  async (_, hazards) => {
    for (let seed = FIRST; seed < FIRST + COUNT; seed += 1) {
      const schedule = new Schedule(seed, hazards)
      const problems = await schedule.run()
      if (problems.length > 0 && SEED !== undefined) console.log(schedule.trace.join('\n'))
      expect(problems, `seed ${seed}`).toEqual([])
    }
  },
)
