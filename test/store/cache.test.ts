/** Values that are kept in memory: a read gives what the file holds, whoever changed it and however. */

import { execFileSync } from 'node:child_process'
import fs, { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openStorage, type Scope, type Storage, type StorageOptions } from '../../lib/index.js'
import { checkStore } from '../setup/check-store.js'
import { FaultyFileSystem } from '../setup/faulty-fs.js'
import { Random } from '../setup/random.js'

let folder: string
let root: string
let storage: Storage
let disk: FaultyFileSystem

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'plainkeep-cache-'))
  root = join(folder, 'store')
})

afterEach(async () => {
  await storage.close()
  await checkStore(root, fs)
  rmSync(folder, { recursive: true, force: true })
})

async function openScope(options: StorageOptions = {}): Promise<Scope> {
  disk = new FaultyFileSystem(fs)
  storage = await openStorage(root, { ...options, fs: disk.fs })
  return storage.workspace().shared
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** How often a file is opened while something runs. */
const countOpens = (run: () => Promise<unknown>): Promise<number> => countCalls(/^open(Sync)?\b/, run)

/** How often a folder is listed while something runs. */
const countListings = (run: () => Promise<unknown>): Promise<number> => countCalls(/^readdir\b/, run)

async function countCalls(name: RegExp, run: () => Promise<unknown>): Promise<number> {
  disk.calls.length = 0
  await run()
  return disk.calls.filter((call) => name.test(call)).length
}

/** Reads a key until its value is kept in memory. */
async function warm(scope: Scope, key: string): Promise<void> {
  await pause(60) // a file that was changed just now is not remembered
  for (let time = 0; time < 3; time += 1) await scope.get(key)
  expect(await countOpens(() => scope.get(key))).toBe(0)
}

const shell = (scope: Scope, script: string): unknown =>
  execFileSync('sh', ['-ec', script], { cwd: scope.path, env: { ...process.env, OUT: folder } })

test('a value that is read again and again is not opened again', async () => {
  const scope = await openScope()
  await scope.set('key', 'value')
  await warm(scope, 'key')
  expect(await scope.get('key', 'text')).toBe('value')
  expect(await scope.entry('key', 'text')).toMatchObject({ value: 'value', size: 5 })
  expect(await countOpens(() => scope.entry('key'))).toBe(0)
})

test('with cacheBytes 0 every read opens the file', async () => {
  const scope = await openScope({ cacheBytes: 0 })
  await scope.set('key', 'value')
  await pause(60)
  for (let time = 0; time < 5; time += 1) expect(await countOpens(() => scope.get('key'))).toBe(1)
})

test('who changes the bytes that a read gave changes no other read', async () => {
  const scope = await openScope()
  await scope.set('key', 'value')
  await warm(scope, 'key')
  ;(await scope.get('key')).fill(0)
  expect(await scope.get('key', 'text')).toBe('value')
  ;(await scope.entry('key'))?.value.fill(0)
  expect(await scope.get('key', 'text')).toBe('value')
})

test('a set is seen by the next read, and so is a delete', async () => {
  const scope = await openScope()
  await scope.set('key', 'value')
  await warm(scope, 'key')
  const version = await scope.set('key', 'other')
  expect(await scope.entry('key', 'text')).toMatchObject({ value: 'other', version })
  await warm(scope, 'key')
  await scope.delete('key')
  expect(await scope.find('key')).toBeUndefined()
})

describe('an edit by hand is seen by the next read:', () => {
  test.each([
    ['as many bytes in place', 'printf eulav | dd of=key conv=notrunc status=none', 'eulav'],
    [
      'as many bytes in place, and the old time',
      'touch -r key $OUT/t; printf eulav > key; touch -r $OUT/t key',
      'eulav',
    ],
    ['another file with the old time', 'printf eulav > $OUT/n; touch -r key $OUT/n; mv $OUT/n key', 'eulav'],
    ['a link to the same file', 'mv key $OUT/moved; ln -s $OUT/moved key', undefined],
    ['a folder', 'rm key; mkdir key', undefined],
    ['a FIFO', 'rm key; mkfifo key', undefined],
    ['nothing', 'rm key', undefined],
    ['an append', 'printf more >> key', 'valuemore'],
  ])('%s', async (_, script, expected) => {
    const scope = await openScope()
    await scope.set('key', 'value')
    await warm(scope, 'key')
    shell(scope, script)
    expect(await scope.find('key', 'text')).toBe(expected)
    shell(scope, 'rm -rf key')
  })
})

test('a value that was changed just now is opened again, since its next change may have the same time', async () => {
  const scope = await openScope()
  await scope.set('key', 'value')
  const path = join(scope.path, 'key')
  for (let number = 0; number < 300; number += 1) {
    const value = String(10_000 + number)
    writeFileSync(path, value) // as long as the one before, and often within one tick of the clock
    for (let time = 0; time < 3; time += 1) expect(await scope.get('key', 'text')).toBe(value)
  }
})

test('on a filesystem with a coarse clock, too', async () => {
  const scope = await openScope()
  Object.assign(disk.fs, { lstatSync: coarsely(fs.lstatSync), fstatSync: coarsely(fs.fstatSync) })
  const path = join(scope.path, 'key')
  await scope.set('key', '0')
  for (let number = 0; number < 200; number += 1) {
    const value = String(10_000 + number)
    const before = fs.lstatSync(path)
    writeFileSync(path, value)
    fs.utimesSync(path, before.atime, before.mtime)
    for (let time = 0; time < 3; time += 1) expect(await scope.get('key', 'text')).toBe(value)
  }
})

/** Times in steps of 10 ms, as those of most filesystems were. */
function coarsely<F extends (...args: never[]) => unknown>(look: F): F {
  return ((...args: never[]) => {
    const stat = look(...args) as { ctimeMs: number | bigint; ctimeNs?: bigint } | undefined
    if (stat === undefined) return undefined
    stat.ctimeMs = typeof stat.ctimeMs === 'number' ? Math.floor(stat.ctimeMs / 10) * 10 : stat.ctimeMs
    if (stat.ctimeNs !== undefined) stat.ctimeNs -= stat.ctimeNs % 10_000_000n
    return stat
  }) as F
}

test('no more is kept than cacheBytes says, and what is read most stays', async () => {
  const scope = await openScope({ cacheBytes: 100_000 })
  await scope.set('hot', 'x'.repeat(1000))
  for (let number = 0; number < 200; number += 1) await scope.set(`k${number}`, 'x'.repeat(1000))
  await warm(scope, 'hot')
  const readAll = async (): Promise<void> => {
    for (let number = 0; number < 200; number += 1) {
      await scope.get(`k${number}`)
      await scope.get('hot')
    }
  }
  await readAll()
  await readAll()
  const opens = await countOpens(readAll)
  expect(opens).toBeGreaterThan(200 - 100_000 / 1000)
  expect(opens).toBeLessThanOrEqual(205)
})

test('a value that is too large for its share is read from its file', async () => {
  const scope = await openScope({ cacheBytes: 100_000 })
  await scope.set('large', 'x'.repeat(20_000))
  await pause(60)
  for (let time = 0; time < 4; time += 1) expect(await countOpens(() => scope.get('large'))).toBe(1)
})

test('reads beside random edits give what the file holds', async () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
  const random = new Random(seed)
  const scope = await openScope({ cacheBytes: 3000 })
  const keys = ['a', 'b', 'c', 'd']
  for (const key of keys) await scope.set(key, `${key}0000`)
  for (let step = 0; step < 1500; step += 1) {
    const key = random.pick(keys)
    const path = join(scope.path, key)
    const kind = random.below(60)
    const value = `${key}${1000 + random.below(9000)}`
    if (kind === 0) await scope.set(key, value)
    else if (kind === 1) writeFileSync(path, value)
    else if (kind === 2) {
      writeFileSync(join(folder, 'new'), value)
      fs.renameSync(join(folder, 'new'), path)
    } else if (kind === 3) await pause(25)
    expect(await scope.get(key, 'text'), `seed ${seed}, step ${step}`).toBe(readFileSync(path, 'utf8'))
  }
})

describe('listings', () => {
  /** Lists a scope until its listing is kept in memory. */
  async function warmListing(scope: Scope): Promise<void> {
    await pause(60) // a folder that was changed just now is not remembered
    await scope.keys()
    expect(await countListings(() => scope.keys())).toBe(0)
  }

  test('a folder in which nothing happens is not listed again', async () => {
    const scope = await openScope()
    for (const key of ['b', 'a', 'A', 'user/1']) await scope.set(key, key)
    await warmListing(scope)
    expect(await scope.keys()).toEqual(['A', 'a', 'b', 'user/1'])
    expect(await scope.keys({ prefix: 'user' })).toEqual(['user/1'])
    expect(await countListings(() => scope.usage())).toBe(0)
  })

  test('with cacheBytes 0 every call lists the folder', async () => {
    const scope = await openScope({ cacheBytes: 0 })
    await scope.set('key', 'value')
    await pause(60)
    for (let time = 0; time < 3; time += 1) expect(await countListings(() => scope.keys())).toBeGreaterThan(0)
  })

  test('who changes the list that a call gave changes no other', async () => {
    const scope = await openScope()
    await scope.set('key', 'value')
    await warmListing(scope)
    ;(await scope.keys()).push('other')
    expect(await scope.keys()).toEqual(['key'])
  })

  test.each([
    ['a file more', 'echo > other', ['key', 'other']],
    ['a file less', 'rm key', []],
    ['another name', 'mv key other', ['other']],
    ['a file in from elsewhere', 'echo > $OUT/other; mv $OUT/other .', ['key', 'other']],
    ['a folder in place of a file', 'rm key; mkdir key', []],
    ['another folder in place of the whole', 'mv "$PWD" $OUT/old; mkdir "$PWD"', []],
  ])('an edit by hand is seen by the next call: %s', async (_, script, expected) => {
    const scope = await openScope()
    await scope.set('key', 'value')
    await warmListing(scope)
    shell(scope, script)
    expect(await scope.keys()).toEqual(expected)
    rmSync(join(scope.path, 'key'), { recursive: true, force: true })
  })

  test('a set of a new key is seen by the next call, and so is a delete', async () => {
    const scope = await openScope()
    await scope.set('key', 'value')
    await warmListing(scope)
    await scope.set('other', 'value')
    expect(await scope.keys()).toEqual(['key', 'other'])
    await warmListing(scope)
    await scope.delete('key')
    expect(await scope.keys()).toEqual(['other'])
  })

  test('no more keys are kept than cacheBytes says', async () => {
    const scope = await openScope({ cacheBytes: 40_000 })
    await Promise.all(Array.from({ length: 60 }, (_, number) => scope.set(`k${number}`, '')))
    await pause(60)
    await scope.keys()
    expect(await countListings(() => scope.keys())).toBeGreaterThan(0)
  })
})
