/** Migrations of one process: what a step may do, and what is said when it cannot. */

import { beforeEach, describe, expect, test } from 'vitest'
import {
  type MigrateOptions,
  type MigrationStep,
  migrate,
  type Scope,
  StorageError,
} from '../../lib/index.js'
import { createMemoryDisk } from '../../lib/testing/index.js'
import { openMemoryScope } from '../setup/memory-scope.js'

let scope: Scope

beforeEach(async () => {
  scope = await openMemoryScope()
})

const nothing: MigrationStep = () => undefined

const run = (steps: MigrateOptions['steps'], more: Partial<MigrateOptions> = {}): Promise<number> =>
  migrate(scope, { versionKey: 'version', steps, ...more })

async function failure(call: () => Promise<unknown>): Promise<StorageError> {
  const error = await call().then(
    () => 'nothing',
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(StorageError)
  return error as StorageError
}

test('an empty scope goes through all steps, and without steps it stays as it is', async () => {
  expect(await run({})).toBe(1)
  expect(await scope.keys()).toEqual([])
  const done: number[] = []
  const steps = { 2: () => void done.push(2), 3: () => void done.push(3), 10: nothing }
  for (let version = 4; version < 10; version += 1) Object.assign(steps, { [version]: nothing })
  expect(await run(steps)).toBe(10)
  expect(done).toEqual([2, 3])
  expect(await scope.get('version', 'text')).toBe('10')
})

test('at the newest version nothing is written and no step runs', async () => {
  await scope.set('version', '2\n')
  const before = await scope.entry('version')
  const fail: MigrationStep = () => {
    throw new Error('no')
  }
  expect(await run({ 2: fail })).toBe(2)
  expect(await scope.entry('version')).toEqual(before)
})

test('a step may clear the scope, forget to await, and write the version itself', async () => {
  await scope.set('old', '1')
  const steps: MigrateOptions['steps'] = {
    2: async (own) => void (await own.clear()),
    3: (own) => void own.set('late', 'x'),
    4: async (own) => {
      await own.set('version', 99)
    },
  }
  expect(await run(steps)).toBe(4)
  expect(await scope.keys()).toEqual(['late', 'version'])
  expect(await scope.get('version', 'json')).toBe(4)
})

test('a step runs again on data that changes while it runs, and never on half of it', async () => {
  await scope.set('count', '1')
  let runs = 0
  const double: MigrationStep = async (own) => {
    runs += 1
    const count = Number(await own.get('count', 'text'))
    if (runs === 1) await scope.set('count', '10')
    await own.set('count', String(count * 2))
  }
  expect(await run({ 2: double })).toBe(2)
  expect([runs, await scope.get('count', 'text')]).toEqual([2, '20'])
})

test('whenever the power fails, one version is there or the next, whole, and the rest is done later', async () => {
  const keys = ['a', 'b', 'c']
  const raise =
    (to: number): MigrationStep =>
    async (own) => {
      for (const key of keys) await own.update(key, (value) => Number(value) * to, { codec: 'json' })
    }
  const steps = { 2: raise(2), 3: raise(3) }
  const expected = new Map([
    [1, [1, 1, 1]],
    [2, [2, 2, 2]],
    [3, [6, 6, 6]],
  ])
  const found = new Set<number>()
  for (let calls = 0; !found.has(3); calls += 1) {
    const disk = await createMemoryDisk()
    const before = (await disk.open()).workspace().shared
    await before.transaction(async (own) => void (await Promise.all(keys.map((key) => own.set(key, '1')))))
    const { fs } = disk
    let [left, cut] = [calls, Promise.resolve()]
    for (const name of ['renameSync', 'fdatasyncSync', 'fdatasync'] as const) {
      const call = fs[name] as (...args: unknown[]) => void
      const counting = (...args: unknown[]): void => {
        if (left === 0) cut = disk.cutPower({ seed: calls })
        left -= 1
        call(...args) // fails where the power is off
      }
      Object.assign(fs, { [name]: counting })
    }
    await migrate(before, { versionKey: 'version', steps }).catch(() => undefined)
    await cut
    const after = (await disk.open()).workspace().shared
    const version = Number((await after.find('version', 'json')) ?? 1)
    found.add(version)
    const values = await Promise.all(keys.map((key) => after.get(key, 'json')))
    expect(values, `after ${calls} calls`).toEqual(expected.get(version))
    expect(await migrate(after, { versionKey: 'version', steps })).toBe(3)
    expect(await after.get('c', 'json')).toBe(6)
    await disk.crash()
  }
  expect([...found]).toEqual([1, 2, 3])
})

describe('a step that fails leaves the version before it', () => {
  test.each<[string, MigrationStep]>([
    ['by an error of its own', () => Promise.reject(new RangeError('no'))],
    ['over a key that is not there', async (own) => void (await own.get('absent'))],
    ['over a value that does not decode', async (own) => void (await own.get('data', 'json'))],
    ['over a value that cannot be stored', (own) => own.set('x', Number.NaN)],
    ['over a key that is none', (own) => own.set('', 1)],
  ])('%s', async (_, step) => {
    await scope.set('data', '{')
    const error = await failure(() =>
      run({
        2: nothing,
        3: async (own) => {
          await own.delete('data')
          await own.set('data', '{')
          await step(own)
        },
      }),
    )
    expect(error).toMatchObject({ code: 'MIGRATION_FAILED', outcome: 'none', scope: scope.id })
    expect(error.message).toContain('the step to version 3 failed')
    expect(error.cause).toBeInstanceOf(Error)
    expect(await scope.get('version', 'json')).toBe(2)
    expect(await scope.get('data', 'text')).toBe('{')
  })
})

describe('a signal ends it with its reason', () => {
  const reason = new Error('enough')

  test('before the first step', async () => {
    await expect(run({ 2: nothing }, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(await scope.has('version')).toBe(false)
  })

  test('between two steps', async () => {
    const controller = new AbortController()
    const onProgress = ({ version }: { version: number }): void => {
      if (version === 2) controller.abort(reason)
    }
    const { signal } = controller
    await expect(run({ 2: nothing, 3: nothing }, { signal, onProgress })).rejects.toBe(reason)
    expect(await scope.get('version', 'json')).toBe(2)
  })

  test('in a step that looks at it', async () => {
    const controller = new AbortController()
    const { signal } = controller
    const step: MigrationStep = async (own) => {
      await own.set('x', 1)
      controller.abort(reason)
      await own.keys({ signal })
    }
    await expect(run({ 2: step }, { signal })).rejects.toBe(reason)
    expect(await scope.keys()).toEqual([])
  })
})

describe('it says what to do about', () => {
  test.each<[string, MigrateOptions['steps'], string]>([
    ['a gap', { 2: nothing, 4: nothing }, 'there is no step to version 3; keep the steps'],
    ['missing first steps', { 5: nothing }, 'there is no step to version 2; keep the steps'],
    ['a step to the first version', { 1: nothing }, 'the first step leads to version 2'],
    ['a step to no version', { [Number.NaN]: nothing }, 'the first step leads to version 2'],
    ['a step that is no function', { 2: 1 as never }, 'there is no step to version 2'],
  ])('%s', async (_, steps, words) => {
    const error = await failure(() => run(steps))
    expect(error).toMatchObject({
      code: 'MIGRATION_FAILED',
      kind: 'value',
      outcome: 'none',
      store: scope.store,
    })
    expect(error.message).toContain(words)
    expect(await scope.keys()).toEqual([])
  })

  test('a newer version', async () => {
    await scope.set('version', '3')
    expect((await failure(() => run({ 2: nothing }))).message).toContain('use a newer program')
    expect(await scope.get('version', 'text')).toBe('3')
  })

  test.each(['', 'two', '-1', '1.5', '0', '2 3', '"2"', '{', '99999999999999999999'])(
    'a version that is none: %j',
    async (text) => {
      await scope.set('version', text)
      const error = await failure(() => run({ 2: nothing }))
      expect(error).toMatchObject({ code: 'MIGRATION_FAILED' })
      expect(error.message).toContain('put the right number there')
      expect(await scope.get('version', 'text')).toBe(text)
    },
  )

  test('no steps at all, and a key that cannot be one', async () => {
    expect(await failure(() => run(undefined as never))).toMatchObject({ code: 'INVALID_OPTION' })
    expect(await failure(() => run({ 2: nothing }, { versionKey: '' }))).toMatchObject({
      code: 'INVALID_KEY',
    })
  })
})
