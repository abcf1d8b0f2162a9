/** What a store goes through while the power is cut, processes are killed, and calls fail: one scenario for each step. */

import type { ScopeId } from '../../lib/base/scope-id.js'
import { settleImage } from '../setup/power-cut.js'
import { type DiskImage, makeEmptyImage, type Ordering } from '../setup/simulated-disk.js'
import type { CallCosts } from '../setup/simulated-fs.js'
import { ROOT } from '../setup/simulated-process.js'
import { drive } from '../setup/virtual-time.js'
import { beginHistory, type History, lastRevision, readFiles } from './history.js'
import { makeBytes, World, type WorldOptions } from './world.js'

/** A workspace's shared storage, with values from the beginning. */
export const SHARED: ScopeId = { workspace: 'default' }
/** A plugin's storage, with values from the beginning. */
export const WEATHER: ScopeId = { workspace: 'default', plugin: 'acme/weather' }
/** A plugin's storage that has no folder at the beginning. */
export const NOTES: ScopeId = { workspace: 'other', plugin: 'notes' }

/** More than what a journal holds itself. */
const LARGE_BYTES = 70 * 1024

const LARGE = [1, 2, 3].map((seed) => makeBytes(seed, LARGE_BYTES))

export interface Scenario {
  /** Continues "the power is cut while". */
  readonly name: string
  /** There is no store at the beginning, nor the folders above it. */
  readonly isNew?: boolean
  /** What it does before it calls `ready` is what others do as well. */
  readonly hasPrelude?: boolean
  /** `ready` says that what comes now is what the scenario is about. */
  act(world: World, ready: () => void): Promise<unknown>
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'a store is made and gets its first value',
    isNew: true,
    act: async (world) => {
      const process = await world.openStore()
      await world.commit(process, 'first', [SHARED, { first: 'first' }])
    },
  },
  {
    name: 'a value is set in a scope that has no folder',
    act: async (world) => {
      const process = await world.openStore()
      await world.commit(process, 'new', [NOTES, { new: 'new 1' }])
    },
  },
  {
    name: 'a value is replaced twice',
    hasPrelude: true,
    act: async (world, ready) => {
      const process = await world.openStore()
      await world.commit(process, 'second', [SHARED, { old: 'old 2' }])
      ready()
      await world.commit(process, 'third', [SHARED, { old: 'old 3' }])
      await world.commit(process, 'fourth', [SHARED, { old: 'old 4' }])
    },
  },
  {
    name: 'values are deleted, and set again',
    hasPrelude: true,
    act: async (world, ready) => {
      const process = await world.openStore()
      await world.commit(process, 'delete', [SHARED, { gone: undefined }])
      ready()
      await world.commit(process, 'delete two', [SHARED, { old: undefined }], [WEATHER, { small: undefined }])
      await world.commit(process, 'again', [SHARED, { gone: 'gone 2' }])
    },
  },
  {
    name: 'an empty value is set, and an empty one replaced',
    hasPrelude: true,
    act: async (world, ready) => {
      const process = await world.openStore()
      await world.commit(process, 'empty', [SHARED, { nothing: '', old: '' }])
      ready()
      await world.commit(process, 'filled', [SHARED, { empty: 'filled', other: '' }])
    },
  },
  {
    name: 'values of 70 KiB are set, replaced and deleted',
    hasPrelude: true,
    act: async (world, ready) => {
      const process = await world.openStore()
      await world.commit(process, 'large', [SHARED, { large: LARGE[1] }])
      ready()
      await world.commit(process, 'larger', [WEATHER, { large: LARGE[2] }], [SHARED, { old: 'old 2' }])
      await world.commit(process, 'elsewhere', [NOTES, { large: LARGE[0] }])
      await world.commit(process, 'none', [SHARED, { large: undefined }])
    },
  },
  {
    name: '20 keys of three scopes change in one commit',
    hasPrelude: true,
    act: async (world, ready) => {
      const process = await world.openStore()
      await world.commit(process, 'before', [SHARED, { old: 'old 2' }])
      ready()
      const keys = Array.from({ length: 12 }, (_, index) => `many ${index}`)
      const many = Object.fromEntries(keys.map((key) => [key, key]))
      await world.commit(
        process,
        'twenty',
        [SHARED, { ...many, old: 'old 3', gone: undefined }],
        [WEATHER, { small: 'small 2', large: LARGE[1] }],
        [NOTES, { one: 'one', two: makeBytes(9, 5000), three: '' }],
      )
    },
  },
  {
    name: 'commits of a group are made at once',
    hasPrelude: true,
    act: async (world, ready) => {
      const process = await world.openStore()
      await world.commit(process, 'before', [SHARED, { other: 'other 2' }])
      ready()
      await Promise.all([
        world.commit(process, 'one', [SHARED, { old: 'old 2', gone: undefined }]),
        world.commit(process, 'two', [SHARED, { old: 'old 3' }], [WEATHER, { small: 'small 2' }]),
        world.commit(process, 'three', [SHARED, { gone: 'gone 3' }]),
      ])
    },
  },
  {
    name: 'it is quiet and a checkpoint is made, between writes',
    hasPrelude: true,
    act: async (world, ready) => {
      const process = await world.openStore()
      await world.commit(
        process,
        'before',
        [SHARED, { old: 'old 2', gone: undefined }],
        [NOTES, { new: 'new 1' }],
      )
      ready()
      await world.wait(1200)
      await world.commit(process, 'between', [SHARED, { old: 'old 3' }], [WEATHER, { large: LARGE[1] }])
      await world.wait(3000)
      await world.commit(process, 'after', [SHARED, { gone: 'gone 3' }])
    },
  },
  {
    name: 'the store is closed, opened and closed',
    hasPrelude: true,
    act: async (world, ready) => {
      const process = await world.openStore()
      await world.commit(process, 'one', [SHARED, { old: 'old 2' }], [WEATHER, { large: LARGE[1] }])
      await world.commit(process, 'two', [SHARED, { gone: undefined }], [NOTES, { new: 'new 2' }])
      ready()
      await world.close(process)
      const second = await world.openStore()
      await world.commit(second, 'three', [SHARED, { gone: 'gone 3' }])
      await world.close(second)
    },
  },
  {
    name: 'owners die, and the third makes a checkpoint of what all have left',
    hasPrelude: true,
    act: async (world, ready) => {
      const first = await world.openStore()
      await world.commit(first, 'set', [NOTES, { coming: 'coming' }], [SHARED, { old: 'old 2' }])
      world.kill(first)
      ready()
      const second = await world.openStore()
      await world.commit(second, 'delete', [NOTES, { coming: undefined }], [SHARED, { old: 'old 3' }])
      world.kill(second)
      const third = await world.openStore()
      await world.commit(third, 'last', [SHARED, { other: 'other 3' }], [WEATHER, { large: LARGE[2] }])
      await world.close(third)
    },
  },
  {
    name: 'the store is taken from an owner that lives',
    hasPrelude: true,
    act: async (world, ready) => {
      const first = await world.openStore()
      await world.commit(first, 'mine', [SHARED, { old: 'old 2' }], [NOTES, { new: 'new 2' }])
      ready()
      world.machine.isLockStale = true
      const second = await world.openStore()
      await world.commit(second, 'yours', [SHARED, { old: 'old 3', gone: undefined }])
      await world.commit(first, 'mine again', [SHARED, { old: 'old 4' }])
      await world.commit(second, 'yours again', [SHARED, { other: 'other 5' }])
    },
  },
  {
    name: 'values are edited and removed by hand after they were committed',
    hasPrelude: true,
    act: async (world, ready) => {
      const process = await world.openStore()
      await world.commit(process, 'before', [SHARED, { old: 'old 2', gone: 'gone 2', other: 'other 2' }])
      ready()
      world.edit(SHARED, 'old', 'old by hand')
      world.remove(SHARED, 'gone')
      await world.commit(process, 'between', [SHARED, { new: 'new 3' }])
      world.edit(SHARED, 'new', 'new by hand')
      await world.wait(1200)
      await world.commit(process, 'after', [SHARED, { new: 'new 4' }])
    },
  },
]

/** How a scenario is run. */
export interface Variant {
  readonly ordering: Ordering
  readonly costs: CallCosts
  readonly isSessionKnown: boolean
}

/** The disk before a scenario, and the files on it. */
export interface Beginning {
  readonly image: DiskImage
  readonly history: History
}

/** Where scenarios begin: nothing at all, or a store that was closed a while ago. */
export async function prepareBeginning(
  { isNew }: Scenario,
  { ordering, isSessionKnown }: Variant,
): Promise<Beginning> {
  const empty = makeEmptyImage(ordering)
  if (isNew) return { image: empty, history: beginHistory() }
  const world = new World(empty, beginHistory(), { boot: 1, firstPid: 1, isSessionKnown })
  await drive(fill(world))
  world.end()
  const history = beginHistory(readFiles(world.disk), lastRevision(world.history))
  return { image: settleImage(world.disk.image), history }
}

async function fill(world: World): Promise<void> {
  const process = await world.openStore()
  await world.commit(process, 'first', [
    SHARED,
    { old: 'old 1', other: 'other 1', gone: 'gone 1', empty: '' },
  ])
  await world.commit(process, 'first of a plugin', [WEATHER, { small: 'small 1', large: LARGE[0] }])
  const inode = world.disk.createFile(`${ROOT}/default/shared/Not a key.txt`, 0o644)
  world.disk.write(inode, Buffer.from('left by hand'), 0)
  await world.close(process)
}

/** A world in which a scenario can be run. */
export function beginWorld(
  { image, history }: Beginning,
  { costs, isSessionKnown }: Variant,
  options: Partial<WorldOptions>,
): World {
  return new World(image, history, { boot: 2, firstPid: 10, costs, isSessionKnown, ...options })
}

/** Runs a scenario to its end, and gives all its steps. */
export async function playScenario(
  scenario: Scenario,
  variant: Variant,
  options: Partial<WorldOptions> = {},
): Promise<World> {
  const world = beginWorld(await prepareBeginning(scenario, variant), variant, {
    isRecorded: true,
    ...options,
  })
  await drive(scenario.act(world, () => undefined))
  world.end()
  if (world.errors.length > 0) throw world.errors[0]
  return world
}
