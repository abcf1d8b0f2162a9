/** A disk that refuses flushes of values again and again; then the power is cut. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { Random } from '../setup/random.js'
import { type CallFault, QUICK_CALLS } from '../setup/simulated-fs.js'
import { drive, installVirtualTime, uninstallVirtualTime } from '../setup/virtual-time.js'
import { Explorer } from './explorer.js'
import { beginWorld, prepareBeginning, SHARED, type Variant } from './scenarios.js'
import type { World } from './world.js'

const OUTCOMES = 40

beforeAll(installVirtualTime)
afterAll(uninstallVirtualTime)

type Act = (world: World, refuse: () => void) => Promise<unknown>

/** From `refuse` on no flush of the value, nor of a file that is to replace it, succeeds. */
async function explore(act: Act, isSessionKnown: boolean): Promise<void> {
  const variant: Variant = { ordering: 'scattered', costs: QUICK_CALLS, isSessionKnown }
  const beginning = await prepareBeginning({ name: 'flushes fail', act }, variant)
  let isRefusing = false
  let failures = 0
  const onCall = (call: string, target: string): CallFault | undefined => {
    if (!isRefusing || call !== 'fsync' || !/(shared\/old|\/s\d+)$/.test(target)) return undefined
    failures += 1
    return { code: 'EIO', how: 'undone' }
  }
  const world = beginWorld(beginning, variant, { onCall, isRecorded: true })
  const refuse = (): void => {
    isRefusing = true
    world.steps.length = 0
  }
  await drive(act(world, refuse))
  world.end()
  expect(failures).toBeGreaterThan(1)
  const { steps, machine } = world
  const explorer = new Explorer(new Random(1), new Set())
  const origin = { steps, boot: 2, nextPid: machine.nextPid, isSessionKnown, trail: [] }
  await explorer.exploreWorst(origin, OUTCOMES)
}

test('a power cut keeps a value whose file could not be flushed by a checkpoint, nor the one in its place', () =>
  explore(async (world, refuse) => {
    const process = await world.openStore()
    await world.commit(process, 'second', [SHARED, { old: 'old 2' }])
    refuse()
    await world.wait(3000)
  }, true))

test('a power cut keeps a value whose file could not be flushed by a recovery, nor the one in its place', () =>
  explore(async (world, refuse) => {
    const first = await world.openStore()
    await world.commit(first, 'second', [SHARED, { old: 'old 2' }])
    world.kill(first)
    refuse()
    await world.openStore().catch(() => undefined)
  }, false))
