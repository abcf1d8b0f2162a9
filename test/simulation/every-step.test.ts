/**
 * Every step of each scenario, and what a kill or a power cut may leave there: see explorer.ts.
 *
 * `SEED=<seed> npx vitest run test/simulation/every-step.test.ts` makes the same choices again; `-t` picks a scenario.
 */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Random } from '../setup/random.js'
import { QUICK_CALLS, SLOW_CALLS } from '../setup/simulated-fs.js'
import { installVirtualTime, uninstallVirtualTime } from '../setup/virtual-time.js'
import { Explorer } from './explorer.js'
import { playScenario, SCENARIOS, type Variant } from './scenarios.js'

const IS_LONG = process.env.PLAINKEEP_LONG !== undefined
const SEED = Number(process.env.SEED ?? process.env.FIRST ?? Date.now() % 1_000_000_000)

/** Distinct disks after power cuts, all together. */
const STATES = Number(process.env.STATES ?? (IS_LONG ? 2_500_000 : 101_000))

/** Outcomes of one power cut that are tried, at each step of a scenario. */
const OUTCOMES = IS_LONG ? 256 : 24

const VARIANTS: Readonly<Record<string, Variant>> = {
  'a quick disk that keeps what it likes': {
    ordering: 'scattered',
    costs: QUICK_CALLS,
    isSessionKnown: true,
  },
  'a slow disk that keeps names in order': { ordering: 'ordered', costs: SLOW_CALLS, isSessionKnown: true },
  'a slow disk that keeps what it likes, and a system that tells of no session': {
    ordering: 'scattered',
    costs: SLOW_CALLS,
    isSessionKnown: false,
  },
}

const RUNS = Object.entries(VARIANTS).flatMap(([disk, variant]) =>
  SCENARIOS.map((scenario) => ({ disk, variant, scenario, name: scenario.name })),
)

const states = new Set<number>()
let openings = 0

beforeAll(installVirtualTime)

afterAll(() => {
  uninstallVirtualTime()
  console.log(`${states.size} distinct disks after power cuts, ${openings} stores opened, seed ${SEED}`)
})

describe.each(RUNS)('on $disk, nothing is lost when the power is cut while', ({ scenario, variant }) => {
  const index = RUNS.findIndex((run) => run.scenario === scenario && run.variant === variant)

  test(scenario.name, { timeout: 3_600_000 }, async () => {
    const random = new Random(SEED + index)
    const share = states.size + Math.ceil(STATES / RUNS.length)
    const explorer = new Explorer(random, states)
    const { steps, machine } = await playScenario(scenario, variant)
    const { isSessionKnown } = variant
    const origin = { steps, boot: 2, nextPid: machine.nextPid, isSessionKnown, trail: [`seed ${SEED}`] }
    await explorer.exploreSteps(origin, OUTCOMES)
    if (IS_LONG) await explorer.exploreTakeovers(origin, 6)
    await explorer.exploreAgain(origin, share)
    openings += explorer.openings
    expect(steps.length).toBeGreaterThan(10)
  })
})

test('so many distinct disks were tried', () => {
  expect(states.size).toBeGreaterThanOrEqual(STATES)
})
