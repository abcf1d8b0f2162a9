/** What the simulation has found, and what was mended: each at the step, or with the failing call, that showed it. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { Random } from '../setup/random.js'
import { Clock, SimulatedDisk } from '../setup/simulated-disk.js'
import { QUICK_CALLS } from '../setup/simulated-fs.js'
import { LAYOUT } from '../setup/simulated-process.js'
import { installVirtualTime, uninstallVirtualTime } from '../setup/virtual-time.js'
import { Explorer, type Origin } from './explorer.js'
import { type Failure, listCalls, runWithFailure } from './failures.js'
import {
  NOTES,
  playScenario,
  prepareBeginning,
  type Scenario,
  SHARED,
  type Variant,
  WEATHER,
} from './scenarios.js'
import { makeBytes } from './world.js'

const VARIANT: Variant = { ordering: 'scattered', costs: QUICK_CALLS, isSessionKnown: true }

/** Outcomes of one power cut. */
const OUTCOMES = 500

/** The same, at each step of a takeover. */
const AFTER_TAKEOVER = 24

const LARGE = makeBytes(7, 70_000)

beforeAll(installVirtualTime)
afterAll(uninstallVirtualTime)

function makeExplorer(): Explorer {
  return new Explorer(new Random(1), new Set())
}

/** The steps of a scenario whose call is meant; the last of them alone if so asked. */
async function playTo(
  act: Scenario['act'],
  meant: RegExp,
  { isNew = false, ...variant }: Partial<Variant> & { readonly isNew?: boolean } = {},
): Promise<Origin> {
  const scenario: Scenario = { name: 'a defect shows', isNew, act }
  const { isSessionKnown } = { ...VARIANT, ...variant }
  const { steps, machine } = await playScenario(scenario, { ...VARIANT, ...variant })
  const found = steps.filter(({ what }) => meant.test(what))
  expect(found).not.toEqual([])
  return { steps: found, boot: 2, nextPid: machine.nextPid, isSessionKnown, trail: [] }
}

/** Runs a scenario in which the first meant call fails. */
async function fail(act: Scenario['act'], meant: RegExp, failure: Omit<Failure, 'index'>): Promise<void> {
  const scenario: Scenario = { name: 'a call fails', hasPrelude: true, act }
  const beginning = await prepareBeginning(scenario, VARIANT)
  const calls = await listCalls(scenario, VARIANT, beginning)
  const index = calls.findIndex(({ call, target }) => meant.test(`${call} ${target}`))
  expect(index).toBeGreaterThanOrEqual(0)
  await runWithFailure({
    scenario,
    variant: VARIANT,
    beginning,
    failure: { ...failure, index },
    explorer: makeExplorer(),
    outcomes: 8,
  })
}

const replaceTwice: Scenario['act'] = async (world, ready) => {
  const process = await world.openStore()
  await world.commit(process, 'second', [SHARED, { old: 'old 2' }])
  ready()
  await world.commit(process, 'third', [SHARED, { old: 'old 3' }])
}

const replaceAndClose: Scenario['act'] = async (world, ready) => {
  const process = await world.openStore()
  await world.commit(process, 'second', [SHARED, { old: 'old 2', other: 'other 2' }])
  ready()
  await world.close(process)
}

test('an acknowledged value was empty or old after a power cut that kept the time at which its file was made', async () => {
  const origin = await playTo(replaceTwice, /rename .*shared\/old$/)
  await makeExplorer().exploreSteps(origin, OUTCOMES)
})

test('a new store was gone after a power cut, since one who had begun to make it died before its parents were flushed', async () => {
  const act: Scenario['act'] = async (world) => {
    const process = await world.openStore()
    await world.commit(process, 'first', [SHARED, { first: 'first' }])
  }
  const origin = await playTo(act, /mkdir \/srv(\/data)?$/, { isNew: true })
  await makeExplorer().exploreTakeovers(origin, AFTER_TAKEOVER)
})

test('a store could not be opened after a power cut, since a journal that was not flushed had replaced one that was', async () => {
  const origin = await playTo(replaceAndClose, /write .*\/journal$/)
  await makeExplorer().exploreTakeovers(origin, AFTER_TAKEOVER)
})

test('a commit was lost with the work folder that its journal had been moved out of just before its owner died', async () => {
  const origin = await playTo(replaceAndClose, /rename .*\/journal .*\/kept-\d+$/)
  await makeExplorer().exploreTakeovers(origin, AFTER_TAKEOVER)
})

test('the first read after a power cut gave old values, since a claim had come back without its work folder', async () => {
  const act: Scenario['act'] = async (world) => {
    const [first, second] = [await world.openStore(), await world.openStore()]
    await world.commit(first, 'first', [SHARED, { old: 'old 2', nothing: '' }])
    await world.commit(second, 'second', [SHARED, { other: 'other 2' }])
  }
  const origin = await playTo(act, /rmdir .*\/w[0-9a-f]+$|open .*\/f\d+$/)
  await makeExplorer().exploreSteps(origin, OUTCOMES)
})

test('a deleted value stays deleted where a power cut brings back the journal that set it, and not the one that deleted it', async () => {
  const act: Scenario['act'] = async (world) => {
    for (const values of [{ old: 'old 2' }, { old: undefined }, { other: 'other 2' }]) {
      const process = await world.openStore()
      await world.commit(process, JSON.stringify(values), [SHARED, values])
      world.kill(process)
    }
    await world.openStore()
    await world.wait(3000)
  }
  const origin = await playTo(act, /unlink .*\/kept-\d+$/)
  await makeExplorer().exploreSteps(origin, OUTCOMES)
})

test('the first read after a power cut gave old values where the system does not tell whether an owner lives', async () => {
  const origin = await playTo(replaceTwice, /rename .*shared\/old$/, { isSessionKnown: false })
  await makeExplorer().exploreSteps(origin, OUTCOMES)
})

test('half of a commit was left where no session is known, since its record was not flushed before it was recovered', async () => {
  const act: Scenario['act'] = async (world) => {
    const process = await world.openStore()
    await world.commit(process, 'both', [SHARED, { old: 'old 2' }], [WEATHER, { small: 'small 2' }])
  }
  const origin = await playTo(act, /write .*\/journal$/, { isSessionKnown: false })
  await makeExplorer().exploreTakeovers(origin, AFTER_TAKEOVER)
})

test('a value of 70 KiB was lost with the new folder that it had been renamed into', async () => {
  const act: Scenario['act'] = async (world) => {
    const process = await world.openStore()
    await world.commit(process, 'before', [SHARED, { old: 'old 2' }])
    await world.commit(process, 'large', [NOTES, { large: LARGE }])
  }
  const origin = await playTo(act, /rename .*notes\/large$/)
  await makeExplorer().exploreSteps(origin, OUTCOMES)
  await makeExplorer().exploreTakeovers(await playTo(act, /fdatasync .*\/journal$/), AFTER_TAKEOVER)
})

test.each([
  ['in recovery', false],
  ['by hand', true],
])(
  'a value of 70 KiB was lost with its folder, which had been removed by hand, and was made again %s',
  async (_, isMadeByHand) => {
    const act: Scenario['act'] = async (world) => {
      const process = await world.openStore()
      await world.commit(process, 'large', [NOTES, { large: LARGE }])
    }
    const origin = await playTo(act, /fdatasync .*\/journal$/)
    const steps = origin.steps.slice(0, 1).map((step) => {
      const disk = new SimulatedDisk(step.image, new Clock())
      disk.removeFolder(LAYOUT.scopePath(NOTES))
      if (isMadeByHand) disk.makeFolder(LAYOUT.scopePath(NOTES), 0o700)
      return { ...step, image: disk.image }
    })
    await makeExplorer().exploreTakeovers({ ...origin, steps }, AFTER_TAKEOVER)
  },
)

test('a value was lost after a checkpoint that succeeded at the second attempt, since its first flush had failed', () =>
  fail(
    async (world, ready) => {
      const process = await world.openStore()
      await world.commit(process, 'second', [SHARED, { old: 'old 2' }])
      ready()
      await world.wait(3000)
    },
    /fsync .*shared\/old$/,
    { code: 'EIO', how: 'undone', isLasting: true },
  ))

test('a value was lost after a checkpoint of one process, since its flush had failed in another', () =>
  fail(replaceAndClose, /fsync .*shared\/old$/, { code: 'ENOSPC', how: 'undone', isLasting: true }))

test('a value was lost after a recovery that succeeded at the second attempt, since its first flush had failed', async () => {
  const act: Scenario['act'] = async (world, ready) => {
    const first = await world.openStore()
    await world.commit(first, 'second', [SHARED, { old: 'old 2' }])
    world.kill(first)
    ready()
    await world.openStore()
  }
  const variant: Variant = { ...VARIANT, isSessionKnown: false }
  const scenario: Scenario = { name: 'a flush fails in recovery', hasPrelude: true, act }
  const beginning = await prepareBeginning(scenario, variant)
  const calls = await listCalls(scenario, variant, beginning)
  const index = calls.findIndex(({ call, target }) => call === 'fsync' && target.endsWith('shared/old'))
  const failure: Failure = { code: 'EIO', how: 'undone', index, isLasting: false }
  await runWithFailure({ scenario, variant, beginning, failure, explorer: makeExplorer(), outcomes: 8 })
})

test('a commit that was rejected with the outcome none came after all, since its record had been written', () =>
  fail(replaceTwice, /write .*\/journal$/, { code: 'EIO', how: 'done', isLasting: false }))

test('a close resolved though the last flush had failed', async () => {
  let errors: readonly unknown[] = []
  const act: Scenario['act'] = async (world, ready) => {
    await replaceAndClose(world, ready)
    errors = world.errors
  }
  await fail(act, /fdatasync .*\/journal$/, { code: 'EIO', how: 'undone', isLasting: true })
  expect(errors).toMatchObject([{ code: 'STORE_BROKEN' }])
})
