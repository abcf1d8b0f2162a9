/**
 * Every call of each scenario fails: see failures.ts.
 *
 * `SEED=<seed> npx vitest run test/simulation/every-failure.test.ts` makes the same choices again; `-t` picks a scenario.
 */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { Random } from '../setup/random.js'
import { QUICK_CALLS, SLOW_CALLS } from '../setup/simulated-fs.js'
import { installVirtualTime, uninstallVirtualTime } from '../setup/virtual-time.js'
import { Explorer } from './explorer.js'
import { type Failure, listCalls, listCodes, runWithFailure } from './failures.js'
import { prepareBeginning, SCENARIOS, type Variant } from './scenarios.js'

const IS_LONG = process.env.PLAINKEEP_LONG !== undefined
const SEED = Number(process.env.SEED ?? process.env.FIRST ?? Date.now() % 1_000_000_000)

/** Of the outcomes of a power cut after an acknowledgement, so many of the worst. */
const OUTCOMES = IS_LONG ? 8 : 4

/** After so many a scenario ends: they are likely to have one cause. */
const ENOUGH_PROBLEMS = 5

const QUICK: Variant = { ordering: 'scattered', costs: QUICK_CALLS, isSessionKnown: true }
const SLOW: Variant = { ordering: 'scattered', costs: SLOW_CALLS, isSessionKnown: true }

const states = new Set<number>()
let [runs, openings] = [0, 0]

beforeAll(installVirtualTime)

afterAll(() => {
  uninstallVirtualTime()
  console.log(`${runs} runs with a failure, ${openings} stores opened after power cuts, seed ${SEED}`)
})

/** Each call fails with each code, once and from then on; is done, and reported as failed; a write stops short. */
function listFailures(calls: readonly { readonly call: string }[]): Failure[] {
  return calls.flatMap(({ call }, index) => {
    const codes = listCodes(call)
    const failures = codes.flatMap((code) =>
      [false, true].map((isLasting): Failure => ({ code, how: 'undone', index, isLasting })),
    )
    failures.push({ code: codes[index % codes.length] as string, how: 'done', index, isLasting: false })
    if (call === 'write')
      for (const isLasting of [false, true]) failures.push({ code: 'ENOSPC', how: 'short', index, isLasting })
    return failures
  })
}

/** A failure of each call that changes something, of those that read one here and there; all of them in a long run. */
function pickFailures(calls: readonly { readonly call: string }[], random: Random): Failure[] {
  const failures = listFailures(calls)
  if (IS_LONG) return failures
  return calls.flatMap(({ call }, index) => {
    const own = failures.filter((failure) => failure.index === index)
    const count = READING_CALLS.includes(call) && random.chance(0.5) ? 0 : 1
    return Array.from({ length: count }, () => random.pick(own))
  })
}

const READING_CALLS = ['open', 'stat', 'fstat', 'read', 'readdir', 'access']

test.each(SCENARIOS)(
  'when a call fails while $name, every promise says the truth',
  { timeout: 3_600_000 },
  async (scenario) => {
    const random = new Random(SEED + SCENARIOS.indexOf(scenario))
    const explorer = new Explorer(random, states)
    const problems: string[] = []
    for (const variant of [QUICK, SLOW]) {
      const beginning = await prepareBeginning(scenario, variant)
      const calls = await listCalls(scenario, variant, beginning)
      const failures = pickFailures(calls, random)
      // In a short run both disks have their turn.
      const own = failures.filter(({ index }) => IS_LONG || index % 2 === (variant === SLOW ? 1 : 0))
      for (const failure of own) {
        if (problems.length >= ENOUGH_PROBLEMS) break
        runs += 1
        const run = { scenario, variant, beginning, failure, explorer, outcomes: OUTCOMES }
        await runWithFailure(run).catch((error: Error) => problems.push(error.message))
      }
    }
    openings += explorer.openings
    expect(problems).toEqual([])
  },
)
