/**
 * A scenario in which a call fails, once or from then on, and what must hold all the same.
 *
 * F1  What rejects says why, with the right code, and its outcome is the truth.
 * F2  What resolves is durable: whatever a power cut leaves at that moment, it is there after recovery.
 * F3  When nothing fails any more the store works: at once, or opened anew where a promise said `STORE_BROKEN`.
 * F4  Nothing that was acknowledged is lost, and what was rejected with `none` never comes.
 */

import { StorageError } from '../../lib/index.js'
import type { CallFault } from '../setup/simulated-fs.js'
import type { SimulatedProcess } from '../setup/simulated-process.js'
import { SYSTEM_CODES } from '../setup/system-codes.js'
import { drive } from '../setup/virtual-time.js'
import { checkFlushed, describeError, type Explorer, openAndClose } from './explorer.js'
import { type Beginning, beginWorld, type Scenario, type Variant } from './scenarios.js'
import type { World } from './world.js'

const FLUSHES = ['fsync', 'fdatasync']

const NAMINGS = ['open', 'mkdir', 'link', 'rename']

/** Which calls fail where a cause lasts: no room, no descriptors, no access, a filesystem that was made read-only. */
const LASTING_CALLS: Readonly<Record<string, readonly string[]>> = {
  ENOSPC: [...NAMINGS, 'write', ...FLUSHES],
  EMFILE: ['open', 'readdir'],
  EACCES: [...NAMINGS, 'unlink', 'rmdir', 'readdir', 'stat', 'access', 'utimes'],
  EROFS: [...NAMINGS, 'unlink', 'rmdir', 'utimes', 'futimes', 'fchmod', 'write', ...FLUSHES],
}

/** Which call fails, counted from where the scenario is ready, and how. */
export interface Failure extends CallFault {
  readonly index: number
  /** Later calls fail as well: all of them, or those that the cause concerns; after a short write, every later write. */
  readonly isLasting: boolean
}

/** What a call may answer. A flush has no use for a descriptor or a permission, but may lose what it should flush. */
export function listCodes(call: string): string[] {
  return Object.keys(SYSTEM_CODES).filter(
    (code) => !FLUSHES.includes(call) || LASTING_CALLS[code]?.includes(call) !== false,
  )
}

/** The calls that a scenario makes when none fails, from where it is ready. */
export async function listCalls(
  scenario: Scenario,
  variant: Variant,
  beginning: Beginning,
): Promise<{ call: string; target: string }[]> {
  const calls: { call: string; target: string }[] = []
  const onCall = (call: string, target: string): undefined => void calls.push({ call, target })
  const world = beginWorld(beginning, variant, { onCall })
  await drive(scenario.act(world, () => calls.splice(0)))
  world.end()
  return calls
}

/** A scenario in which a call fails, and how much is made of what it acknowledges. */
export interface FailureRun {
  readonly scenario: Scenario
  readonly variant: Variant
  readonly beginning: Beginning
  readonly failure: Failure
  readonly explorer: Explorer
  /** So many of the worst outcomes of a power cut are tried after each promise that resolves. */
  readonly outcomes: number
}

/** Runs a scenario with a failure. Throws at the first thing that is wrong. */
export async function runWithFailure(run: FailureRun): Promise<void> {
  const { scenario, variant, beginning, failure } = run
  let [count, isReady, isHealed] = [0, !scenario.hasPrelude, false]
  let failed = 'none'
  let acknowledged = 0
  const onCall = (call: string, target: string): CallFault | undefined => {
    if (!isReady || isHealed) return undefined
    const fault = chooseFault(failure, count, call)
    count += 1
    if (fault !== undefined && failed === 'none') {
      failed = `${call} ${target}`
      acknowledged = world.steps.length
    }
    return fault
  }
  const world = beginWorld(beginning, variant, { onCall, isAcknowledged: true })
  try {
    const ready = (): void => {
      isReady = true
    }
    await drive(scenario.act(world, ready)).catch((error: unknown) => world.errors.push(error))
    for (const error of world.errors) checkError(error, failure)
    isHealed = true
    world.keepStep('the failure')
    world.isAcknowledged = false
    if (!isBeyondHealing(world, failure)) await drive(goOn(world))
    world.end()
    world.steps.splice(0, acknowledged)
    await checkAcknowledged(world, run)
  } catch (error) {
    const { code, how, index, isLasting } = failure
    const what = `call ${index}, ${failed}, failed with ${code} (${how}${isLasting ? ', and so did all after it' : ''})`
    throw new Error(`When ${what}: ${describeError(error)}`)
  } finally {
    world.end()
  }
}

function chooseFault(failure: Failure, count: number, call: string): CallFault | undefined {
  const { code, how, index, isLasting } = failure
  if (count === index) return { code, how }
  if (!isLasting || count < index) return undefined
  if (how === 'short') return call === 'write' ? { code: 'ENOSPC', how: 'undone' } : undefined
  return LASTING_CALLS[code]?.includes(call) === false ? undefined : { code, how }
}

/** F1. */
function checkError(error: unknown, { code }: Failure): void {
  const expected = [SYSTEM_CODES[code], 'STORE_BROKEN', 'FENCED', 'LOCK_TIMEOUT']
  if (error instanceof StorageError && expected.includes(error.code)) return
  throw error
}

/**
 * A filesystem that refuses everything comes back with a new mount, or not at all: if the process is gone by then that
 * knew which flush had failed, nobody knows.
 */
function isBeyondHealing(world: World, { code, isLasting }: Failure): boolean {
  return isLasting && ['EIO', 'EROFS'].includes(code) && world.hasLostProcesses
}

/** F3 and F4. */
async function goOn(world: World): Promise<void> {
  world.errors.length = 0
  await world.wait(3000) // whatever is tried again, is
  for (const process of [...world.open]) {
    await writeHealed(world, process, 1)
    if (world.errors.length === 0) continue
    const broken = world.errors.splice(0)
    if (broken.some((error) => !(error instanceof StorageError && error.code === 'STORE_BROKEN')))
      throw broken[0]
    await world.close(process)
    await world.reopen(process)
    await writeHealed(world, process, 2)
  }
  for (const process of [...world.open]) await world.close(process)
  if (world.errors.length > 0) throw world.errors[0]
  world.endOthers()
  await openAndClose(world)
}

function writeHealed(world: World, process: SimulatedProcess, time: number): Promise<void> {
  const label = `healed ${process.pid} for the ${time}. time`
  return world.commit(process, label, [{ workspace: 'healed' }, { [`${process.pid}`]: label }])
}

/** F2. */
async function checkAcknowledged(world: World, { variant, explorer, outcomes }: FailureRun): Promise<void> {
  for (const { what, image, history } of world.steps)
    if (what === 'the last close') checkFlushed(image, history)
  const { steps, machine } = world
  const { isSessionKnown } = variant
  const origin = { steps, boot: 2, nextPid: machine.nextPid, isSessionKnown, trail: [] }
  await explorer.exploreWorst(origin, outcomes)
}
