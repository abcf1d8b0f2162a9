/** A scope as a driver of unstorage 1 and 2. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as unstorage1 from 'unstorage'
import * as unstorage2 from 'unstorage2'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type PlainkeepDriver, plainkeepDriver } from '../../lib/adapters/unstorage.js'
import { openStorage, type Scope, type Storage } from '../../lib/index.js'
import { createMemoryDisk, type MemoryDisk } from '../../lib/testing/index.js'

let disk: MemoryDisk
let host: Storage
let scope: Scope
let driver: PlainkeepDriver

beforeEach(async () => {
  disk = await createMemoryDisk()
  host = await disk.open()
  scope = host.workspace().plugin('p').storage
  driver = plainkeepDriver({ scope })
})
afterEach(() => host.close())

describe.each([
  ['1', unstorage1.createStorage],
  ['2', unstorage2.createStorage as unknown as typeof unstorage1.createStorage],
])('with unstorage %s', (_, createStorage) => {
  const open = (): unstorage1.Storage => createStorage({ driver })

  test('values come back as they were, and a missing one is null', async () => {
    const storage = open()
    for (const value of ['text', 0, false, null, { a: [1, 'ü'] }, ''] as const) {
      await storage.setItem('key', value)
      expect(await storage.getItem('key')).toEqual(value)
    }
    expect(await storage.getItem('missing')).toBeNull()
    expect(await storage.hasItem('key')).toBe(true)
    await storage.removeItem('key')
    expect(await storage.hasItem('key')).toBe(false)
    await storage.removeItem('key')
  })

  test('raw items are exact to the byte', async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_unused, index) => index)
    await open().setItemRaw('raw', bytes)
    expect(disk.files.readFileSync(`${scope.path}/raw`)).toEqual(Buffer.from(bytes))
    expect(Buffer.from((await open().getItemRaw('raw')) as Uint8Array)).toEqual(Buffer.from(bytes))
    await open().setItemRaw('raw', bytes.subarray(10, 13))
    expect(Buffer.from((await open().getItemRaw('raw')) as Uint8Array)).toEqual(Buffer.from([10, 11, 12]))
    expect(await open().getItemRaw('missing')).toBeNull()
  })

  test('bytes that are no text are refused as text, not changed', async () => {
    await open().setItemRaw('raw', Uint8Array.of(0xff, 0xfe))
    await expect(open().getItem('raw')).rejects.toMatchObject({ code: 'DECODE_FAILED' })
  })

  test('keys that are alike are kept apart', async () => {
    const keys = ['a', 'a:b', 'A', 'a:B', 'con', 'a.', '.a', 'café', 'a b', '__proto__']
    const storage = open()
    for (const key of keys) await storage.setItem(key, `value of ${key}`)
    for (const key of keys) expect(await storage.getItem(key)).toBe(`value of ${key}`)
    expect((await storage.getKeys()).sort()).toEqual([...keys].sort())
  })

  test('a key that is too long is refused, and nothing is written', async () => {
    const storage = open()
    await expect(storage.setItem('k'.repeat(300), 'v')).rejects.toMatchObject({ code: 'KEY_TOO_LONG' })
    expect(await storage.getKeys()).toEqual([])
  })

  test('the size and the time of a key are known, and what was said of it', async () => {
    await open().setItem('key', 'four')
    await open().setMeta('key', { by: 'me' })
    const meta = await open().getMeta('key')
    expect(meta).toMatchObject({ size: 4, by: 'me', version: (await scope.entry('key'))?.version })
    expect(Math.abs(Date.now() - (meta.mtime as Date).getTime())).toBeLessThan(60_000)
    expect(await open().getMeta('missing')).toEqual({})
    expect(await open().getKeys()).toEqual(['key'])
  })

  test('a base confines what is listed and what is cleared', async () => {
    const storage = createStorage()
    storage.mount('data', driver)
    for (const key of ['data:a', 'data:a:1', 'data:a:2', 'data:ab', 'elsewhere'])
      await storage.setItem(key, 1)
    expect((await storage.getKeys('data:a')).sort()).toEqual(['data:a:1', 'data:a:2'])
    await driver.clear('a:')
    expect(await scope.keys()).toEqual(['a', 'ab'])
    await storage.clear('data')
    expect(await storage.getKeys()).toEqual(['elsewhere'])
    expect(await scope.keys()).toEqual([])
  })

  test('several items are set in one commit', async () => {
    const storage = open()
    const items = ['a', 'b', 'c'].map((key) => ({ key, value: `new ${key}` }))
    await storage.setItem('a', 'old')
    disk.failNext('write', 'ENOSPC')
    await expect(storage.setItems(items)).rejects.toMatchObject({ code: 'DISK_FULL' })
    expect(await storage.getItems(['a', 'b'])).toMatchObject([{ value: 'old' }, { value: null }])
    await storage.setItems(items)
    expect(await storage.getItems(['a', 'c'])).toMatchObject([{ value: 'new a' }, { value: 'new c' }])
  })

  test('changes are told with the keys that were set, whoever makes them, until it is enough', async () => {
    const storage = createStorage()
    storage.mount('data', driver)
    const told: string[] = []
    const unwatch = await storage.watch((event, key) => told.push(`${event} ${key}`))
    const say = (...expected: string[]): Promise<void> =>
      vi.waitFor(() => expect(told.splice(0, expected.length)).toEqual(expected), 10_000)
    await storage.setItem('data:a:B c', 1)
    await say('update data:a:B c')
    await scope.set('a/b', 'unstorage has no name for this')
    disk.files.writeFileSync(`${scope.path}/by%20hand`, 'x')
    await say('update data:by hand')
    await storage.removeItem('data:a:B c')
    await say('remove data:a:B c')
    await unwatch()
    await storage.setItem('data:a', 1)
    await driver.watch(() => told.push('after dispose'))
    await driver.dispose()
    await scope.set('b', '1')
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(told).toEqual([])
  })

  test('keys of the scope that unstorage has no name for are not listed', async () => {
    for (const key of ['fine', 'a/b', 'a?b', ':a', 'a::b', 'a\\b']) await scope.set(key, '1')
    expect(await open().getKeys()).toEqual(['fine'])
  })
})

test('the driver keeps apart what unstorage itself takes for one key', async () => {
  const keys = ['a', 'a?x=1', 'a$', 'a/b', 'a:b', 'a\\b']
  for (const key of keys) await driver.setItem(key, `value of ${key}`)
  for (const key of keys) expect(await driver.getItem(key)).toBe(`value of ${key}`)
})

test('a driver with a path opens the store at its first use, and closes it when it is disposed of', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'plainkeep-unstorage-')), 'data')
  onTestFinished(() => rmSync(join(path, '..'), { recursive: true }))
  const storage = unstorage1.createStorage({
    driver: plainkeepDriver({ path, plugin: 'p', syncReadLimit: 0 }),
  })
  await storage.setItem('key', 'value')
  await storage.dispose()
  const other = await openStorage(path)
  expect(await other.workspace().plugin('p').storage.get('key', 'text')).toBe('value')
  await other.close()
})

test('a driver whose store cannot be opened says so, and tries again', async () => {
  disk.files.writeFileSync('/file', '')
  const broken = plainkeepDriver({ path: '/file', fs: disk.fs })
  await expect(broken.getItem('key')).rejects.toMatchObject({ code: 'IO_ERROR' })
  disk.files.rmSync('/file')
  expect(await broken.getItem('key')).toBeNull()
  await broken.dispose()
})

test('a scope that was given stays open when the driver is disposed of', async () => {
  await unstorage1.createStorage({ driver }).dispose()
  await scope.set('key', 'value')
})
