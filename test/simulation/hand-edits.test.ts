/** What somebody put there by hand after the last commit of a key stays. */

import { afterAll, beforeAll, test } from 'vitest'
import { Random } from '../setup/random.js'
import { QUICK_CALLS } from '../setup/simulated-fs.js'
import { installVirtualTime, uninstallVirtualTime } from '../setup/virtual-time.js'
import { Explorer } from './explorer.js'
import { playScenario, type Scenario, SHARED } from './scenarios.js'

const OUTCOMES = 24

beforeAll(installVirtualTime)
afterAll(uninstallVirtualTime)

test.each([true, false])(
  'a file that was put where a value had been deleted is there after a kill and after a power cut, session known: %s',
  async (isSessionKnown) => {
    const scenario: Scenario = {
      name: 'a deleted key gets a file by hand',
      act: async (world) => {
        const process = await world.openStore()
        await world.commit(process, 'delete', [SHARED, { old: undefined }])
        world.edit(SHARED, 'old', 'old by hand')
        await world.commit(process, 'after', [SHARED, { other: 'other 2' }])
      },
    }
    const { steps, machine } = await playScenario(scenario, {
      ordering: 'scattered',
      costs: QUICK_CALLS,
      isSessionKnown,
    })
    const origin = { steps, boot: 2, nextPid: machine.nextPid, isSessionKnown, trail: [] }
    await new Explorer(new Random(1), new Set()).exploreSteps(origin, OUTCOMES)
  },
)
