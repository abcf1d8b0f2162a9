/** A scope as the storage of Keyv 5 and Keyv 6. */

import Keyv5 from 'keyv'
import Keyv6 from 'keyv6'
import { afterAll, afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { KeyvScope } from '../../lib/adapters/keyv.js'
import type { Scope, Storage } from '../../lib/index.js'
import { createMemoryDisk, type MemoryDisk } from '../../lib/testing/index.js'
import * as suite from './keyv-suite.js'

const opened: Storage[] = []
async function openScope(): Promise<{ scope: Scope; disk: MemoryDisk }> {
  const disk = await createMemoryDisk()
  const storage = await disk.open()
  opened.push(storage)
  return { scope: storage.workspace().plugin('p').storage, disk }
}
afterAll(() => Promise.all(opened.map((storage) => storage.close())))

const { scope: shared } = await openScope()

/** What the suite, which is for Keyv 5, has otherwise than Keyv 6: that answers for each key. */
const OTHERWISE_IN_6 = '.deleteMany([keys]) with nonexistent keys resolves to false'

describe.each([
  ['5', Keyv5],
  ['6', Keyv6],
] as const)('the suite that Keyv publishes, with Keyv %s', (version, Keyv) => {
  const it = (name: string, body: () => unknown): void => {
    if (version === '5' || name !== OTHERWISE_IN_6) test(name, body)
  }
  const runner = { it, beforeEach, afterEach }
  const store = (): KeyvScope => new KeyvScope(shared)
  describe('calls', () => suite.keyvApiTests(runner, Keyv, store))
  describe('values', () => suite.keyvValueTests(runner, Keyv, store))
  describe('namespaces', () => suite.keyvNamespaceTests(runner, Keyv, store))
  describe('iterator', () => suite.keyvIteratorTests(runner, Keyv, store))
})

describe.each([
  ['5', Keyv5],
  ['6', Keyv6],
] as const)('with Keyv %s', (version, Keyv) => {
  let scope: Scope
  let disk: MemoryDisk
  const open = (namespace: string | undefined): InstanceType<typeof Keyv5> =>
    new (Keyv as typeof Keyv5)({ store: new KeyvScope(scope), namespace } as object)

  beforeEach(async () => {
    const made = await openScope()
    scope = made.scope
    disk = made.disk
  })

  test('a value is a file that a person can read', async () => {
    await open('cache').set('city', 'Bern')
    expect(await scope.keys()).toEqual(['cache:city'])
    expect(await scope.get('cache:city', 'json')).toMatchObject({ value: expect.stringContaining('Bern') })
  })

  test('namespaces with colons and percent signs do not meet, nor do keys without one', async () => {
    const pairs = [
      ['a', 'b:c'],
      ['a:b', 'c'],
      ['a%3Ab', 'c'],
      ['a%', '3Ab:c'],
      [undefined, 'x:y'],
      ['x', 'y'],
    ] as const
    for (const [namespace, key] of pairs) await open(namespace).set(key, `${namespace} ${key}`)
    for (const [namespace, key] of pairs) expect(await open(namespace).get(key)).toBe(`${namespace} ${key}`)
    await open('a').clear()
    await open(undefined).clear()
    expect(await open('a').get('b:c')).toBeUndefined()
    expect(await open(undefined).get('x:y')).toBeUndefined()
    for (const [namespace, key] of [pairs[1], pairs[2], pairs[3], pairs[5]])
      expect(await open(namespace).get(key)).toBe(`${namespace} ${key}`)
  })

  test('clear leaves alone what is not of Keyv', async () => {
    await scope.set('settings', 'mine')
    await open('n').set('k', 1)
    await open('n').clear()
    await open(undefined).clear()
    expect(await scope.keys()).toEqual(['settings'])
  })

  test('what has expired is missing, for has as well, and its file goes with the first get', async () => {
    const keyv = open('n')
    await keyv.set('short', 1, 60_000)
    await keyv.set('long', 2, 600_000)
    expect(await keyv.has(['short', 'long'])).toEqual([true, true])
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 })
    onTestFinished(() => void vi.useRealTimers())
    expect(await keyv.has('short')).toBe(false)
    expect(await keyv.get(['short', 'long'])).toEqual([undefined, 2])
    await vi.waitFor(async () => expect(await scope.keys()).toEqual(['n:long']))
  })

  test('several keys are set and deleted in one commit each', async () => {
    const keyv = open('n')
    const entries = Array.from({ length: 20 }, (_, index) => ({ key: `k${index}`, value: index }))
    expect(await keyv.setMany(entries)).toEqual(entries.map(() => true))
    expect(await keyv.get(['k0', 'k19', 'none'])).toEqual([0, 19, undefined])
    const deleted: unknown = await keyv.delete(['k0', 'none'])
    expect(deleted).toEqual(version === '5' ? false : [true, false])
    disk.failNext('write', 'ENOSPC')
    keyv.on('error', () => undefined)
    await keyv.setMany(entries.map(({ key }) => ({ key, value: 'new' })))
    expect(await keyv.get(['k0', 'k1', 'k19'])).toEqual([undefined, 1, 19])
  })

  test('the iterator gives own keys only, as they were set', async () => {
    const keyv = open('n')
    await keyv.set('a:b', 1)
    await open('other').set('n', 2)
    const found: unknown[] = []
    for await (const pair of keyv.iterator?.(undefined) ?? []) found.push(pair)
    expect(found).toEqual([['a:b', 1]])
  })

  test('a disk that fails is told as an error, not as a missing key', async () => {
    const keyv = open('n')
    await keyv.set('k', 1)
    const errors: unknown[] = []
    keyv.on('error', (error: unknown) => errors.push(error))
    disk.failNext('open', 'EIO')
    expect(await keyv.get('k')).toBeUndefined()
    expect(errors).toMatchObject([{ code: 'IO_ERROR' }])
    expect(await keyv.get('k')).toBe(1)
  })
})

test('a value that Keyv did not serialize is refused, since it would not come back as it was', async () => {
  const { scope } = await openScope()
  await expect(new KeyvScope(scope).set('k', { value: 1 })).rejects.toMatchObject({ code: 'INVALID_VALUE' })
})

test('a value that is set anew while an expired one is read stays', async () => {
  const { scope } = await openScope()
  const adapter = new KeyvScope(scope)
  await scope.set(':k', JSON.stringify({ value: 'old', expires: 1 }))
  const reading = adapter.get('k')
  await scope.set(':k', JSON.stringify({ value: 'new' }))
  expect(await reading).toBeUndefined()
  expect(await adapter.get('k')).toBe('{"value":"new"}')
})

test('with Keyv 5 several may share an adapter: each reads and writes its own', async () => {
  const { scope } = await openScope()
  const store = new KeyvScope(scope)
  const [one, two] = [new Keyv5({ store, namespace: 'one' }), new Keyv5({ store, namespace: 'two' })]
  await one.set('k', 1)
  await two.set('k', 2)
  expect([await one.get('k'), await two.get('k')]).toEqual([1, 2])
  expect(await scope.keys()).toEqual(['one:k', 'two:k'])
})
