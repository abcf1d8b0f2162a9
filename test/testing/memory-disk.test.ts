/** Stores in memory for the unit tests of others. */

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { openStorage, type Storage } from '../../lib/index.js'
import {
  createMemoryDisk,
  createMemoryStorage,
  describeStorage,
  type MemoryDisk,
} from '../../lib/testing/index.js'
import { checkStore } from '../setup/check-store.js'
import { Random } from '../setup/random.js'

const disks = new WeakMap<Storage, MemoryDisk>()
const diskOf = (storage: Storage): MemoryDisk => disks.get(storage) as MemoryDisk
const check = (disk: MemoryDisk): Promise<void> => checkStore('/data', disk.files)

test('each store in memory is one of its own, and no file is made', async () => {
  const [one, two] = await Promise.all([
    createMemoryStorage(),
    createMemoryStorage({ limits: { valueBytes: 3 } }),
  ])
  await one.workspace().shared.set('key', 'value')
  expect(await two.workspace().shared.keys()).toEqual([])
  await expect(two.workspace().shared.set('key', 'value')).rejects.toMatchObject({ code: 'VALUE_TOO_LARGE' })
  await Promise.all([one.close(), two.close()])
  expect(existsSync('/data/.plainkeep')).toBe(false)
})

test('a value lies in a file of the disk, and an edit of the file is seen', async () => {
  const disk = await createMemoryDisk()
  const storage = await disk.open()
  const { shared } = storage.workspace()
  await shared.set('key', 'value')
  expect(disk.files.readFileSync(`${shared.path}/key`, 'utf8')).toBe('value')
  disk.files.writeFileSync(`${shared.path}/key`, 'by hand')
  expect(await shared.get('key', 'text')).toBe('by hand')
  await storage.close()
  await check(disk)
})

test.each([
  ['write', 'ENOSPC', 'DISK_FULL'],
  ['rename', 'ENOSPC', 'DISK_FULL'],
  ['futimes', 'EIO', 'IO_ERROR'],
  ['openSync', 'EACCES', 'ACCESS_DENIED'],
] as const)(
  'a %s that is made to fail with %s gives %s once, and nothing is written',
  async (call, code, expected) => {
    const disk = await createMemoryDisk()
    const storage = await disk.open()
    const { shared } = storage.workspace()
    await shared.set('key', 'old')
    disk.failNext(call, code, { times: 1 })
    await expect(shared.set('key', 'new')).rejects.toMatchObject({ code: expected, outcome: 'none' })
    expect(await shared.get('key', 'text')).toBe('old')
    await shared.set('key', 'new')
    expect(await shared.get('key', 'text')).toBe('new')
    await storage.close()
    await check(disk)
  },
)

test('faults are for calls on one path, as often as told, until they are healed', async () => {
  const disk = await createMemoryDisk()
  const storage = await disk.open()
  const { shared } = storage.workspace()
  await Promise.all([shared.set('bad', '1'), shared.set('good', '1')])
  disk.failNext('open', 'EIO', { path: 'shared/bad', times: 2 })
  expect(await shared.get('good', 'text')).toBe('1')
  await expect(shared.get('bad')).rejects.toMatchObject({ code: 'IO_ERROR' })
  await expect(shared.get('bad')).rejects.toMatchObject({ code: 'IO_ERROR' })
  expect(await shared.get('bad', 'text')).toBe('1')
  disk.failNext('open', 'EIO', { times: 1000 })
  disk.heal()
  expect(await shared.get('bad', 'text')).toBe('1')
  await storage.close()
})

test('a crash loses no commit, stops the old process, and does not hold up the next', async () => {
  const disk = await createMemoryDisk()
  const before = await disk.open()
  await before.workspace().shared.set('kept', 'yes')
  const late = before
    .workspace()
    .shared.set('late', 'perhaps')
    .catch((error: Error) => error)
  await disk.crash()
  await late
  const left = disk.files.readdirSync('/data/.plainkeep')
  expect(left.filter((name) => /^w[0-9a-f]{24}$/.test(name))).toHaveLength(1) // not let go
  await expect(before.workspace().shared.set('kept', 'no')).rejects.toMatchObject({ code: 'STORE_CLOSED' })
  const start = performance.now()
  const after = await disk.open()
  await after.workspace().shared.set('next', 'yes')
  expect(performance.now() - start).toBeLessThan(4000) // a lock that is waited for takes 5 s to go stale
  expect(await after.workspace().shared.get('kept', 'text')).toBe('yes')
  await after.close()
  await check(disk)
})

describe('a power cut', () => {
  /** Writes to three keys and deletes one now and then; gives what was acknowledged, and what may be there besides. */
  async function writeUntilCut(
    disk: MemoryDisk,
    seed: number,
  ): Promise<Map<string, Set<string | undefined>>> {
    const { shared } = (await disk.open()).workspace()
    const random = new Random(seed)
    const possible = new Map<string, Set<string | undefined>>()
    const write = async (key: string, value: string | undefined): Promise<void> => {
      const values = possible.get(key) ?? new Set([undefined])
      possible.set(key, values.add(value))
      await (value === undefined ? shared.delete(key) : shared.set(key, value))
      for (const one of values) if (one !== value) values.delete(one)
    }
    const isLarge = (): boolean => random.chance(0.1)
    const run = async (key: string): Promise<void> => {
      for (let index = 0; index < 30; index += 1)
        await write(key, random.chance(0.2) ? undefined : `${index}`.repeat(isLarge() ? 40_000 : 1))
    }
    const writers = ['a', 'b', 'c'].map((key) => run(key).catch((error: unknown) => error))
    await new Promise((resolve) => setTimeout(resolve, random.below(15)))
    await disk.cutPower({ seed })
    await Promise.all(writers)
    return possible
  }

  const seeds = Array.from({ length: 12 }, () => Math.floor(Math.random() * 2 ** 32))

  test.each(seeds)(
    'loses nothing that was acknowledged, and leaves nothing half done: seed %i',
    async (seed) => {
      const disk = await createMemoryDisk()
      for (let round = 0; round < 3; round += 1) {
        const possible = await writeUntilCut(disk, seed + round)
        const { shared } = (await disk.open()).workspace()
        for (const [key, values] of possible) expect(values).toContain(await shared.find(key, 'text'))
        await shared.clear()
      }
      await (await disk.open()).close()
      await disk.cutPower()
      const last = await disk.open()
      await last.workspace().shared.set('last', 'its owner sweeps what a process left without a claim')
      await last.close()
      await check(disk)
    },
  )

  test('takes back what was not synced, with the worst luck', async () => {
    const disk = await createMemoryDisk()
    const fs = disk.fs
    fs.mkdirSync('/folder')
    const make = (path: string): number => {
      const descriptor = fs.openSync(path, fs.constants.O_CREAT | fs.constants.O_RDWR, 0o600)
      fs.writeSync(descriptor, Buffer.from('synced'), 0, 6, 0)
      fs.fdatasyncSync(descriptor)
      return descriptor
    }
    const syncFolder = async (path: string): Promise<void> => {
      const descriptor = fs.openSync(path, 'r')
      await new Promise((resolve) => fs.fsync(descriptor, resolve))
      fs.closeSync(descriptor)
    }
    const descriptor = make('/folder/grown')
    for (const name of ['moved', 'gone', 'replaced', 'replacing']) fs.closeSync(make(`/folder/${name}`))
    await Promise.all(['/', '/folder'].map(syncFolder))
    fs.writeSync(descriptor, Buffer.from(' and more'), 0, 9, 6)
    fs.renameSync('/folder/moved', '/folder/elsewhere')
    fs.unlinkSync('/folder/gone')
    fs.renameSync('/folder/replacing', '/folder/replaced')
    fs.closeSync(make('/folder/new'))
    fs.mkdirSync('/more')
    disk.files.writeFileSync('/folder/by hand', 'kept')
    await disk.cutPower()
    expect(disk.files.readdirSync('/')).toEqual(['folder'])
    const names = disk.files.readdirSync('/folder').sort()
    expect(names).toEqual(['by hand', 'gone', 'grown', 'moved', 'replaced', 'replacing'])
    expect(disk.files.readFileSync('/folder/grown', 'utf8')).toBe('synced')
    expect(disk.files.readFileSync('/folder/by hand', 'utf8')).toBe('kept')
  })

  test.each(['fdatasync', 'fsync'] as const)(
    'shows that a store without %s would lose values',
    async (call) => {
      const disk = await createMemoryDisk()
      const { fs } = disk
      const lie = (_: number, done: (error: Error | null) => void): void => done(null)
      Object.assign(fs, { [call]: lie }, call === 'fdatasync' ? { fdatasyncSync: () => undefined } : {})
      const storage = await disk.open()
      await storage.workspace().shared.set('key', 'value')
      if (call === 'fsync') await storage.close()
      await disk.cutPower()
      const found = await disk.open().then(
        (next) => next.workspace().shared.find('key', 'text'),
        (error: unknown) => error,
      )
      expect(found).not.toBe('value')
    },
  )
})

test('a snapshot brings back values, versions and modes, and recovers what was under way', async () => {
  const disk = await createMemoryDisk()
  const storage = await disk.open({ fileMode: 0o640 })
  await storage.workspace().shared.set('key', 'then')
  const version = (await storage.workspace().shared.entry('key'))?.version.split('-')[0]
  const snapshot = disk.snapshot()
  await storage.workspace().shared.set('key', 'later')
  await storage.workspace('other').plugin('p').setStorage('more', 1)
  await disk.restore(snapshot)
  const again = await disk.open()
  expect(await again.workspaces()).toEqual(['default'])
  const entry = await again.workspace().shared.entry('key', 'text')
  expect(entry?.value).toBe('then')
  expect(entry?.version.split('-')[0]).toBe(version)
  expect(disk.files.statSync(`${again.workspace().shared.path}/key`).mode & 0o777).toBe(0o640)
  await again.close()
  await check(disk)
})

test('a snapshot of every moment of a commit is all of it or nothing', async () => {
  const disk = await createMemoryDisk()
  const storage = await disk.open()
  const { shared } = storage.workspace()
  await shared.transaction(async (tx) => void (await Promise.all([tx.set('a', '1'), tx.set('b', '1')])))
  const moments = [disk.snapshot()]
  const rename = disk.fs.renameSync
  disk.fs.renameSync = (...paths) => {
    rename(...paths)
    moments.push(disk.snapshot())
  }
  await shared.transaction(async (tx) => void (await Promise.all([tx.set('a', '2'), tx.set('b', '2')])))
  expect(moments.length).toBeGreaterThan(2)
  for (const moment of moments) {
    await disk.restore(moment)
    const found = await disk.open()
    const values = await Promise.all(['a', 'b'].map((key) => found.workspace().shared.get(key, 'text')))
    expect(['11', '22']).toContain(values.join(''))
    await found.close()
  }
})

test("a volume of one's own goes into openStorage as it is", async () => {
  const { createFsFromVolume, Volume } = await import('memfs')
  const volume = Volume.fromJSON({ '/mine/default/shared/key': 'put there before' })
  const storage = await openStorage('/mine', { fs: createFsFromVolume(volume) as never })
  expect(await storage.workspace().shared.get('key', 'text')).toBe('put there before')
  await storage.workspace().shared.set('key', 'changed')
  await storage.close()
  expect(volume.toJSON()['/mine/default/shared/key']).toBe('changed')
})

describeStorage({
  test: (name, body) => test(`in memory, ${name}`, body),
  open: async (options) => {
    const disk = await createMemoryDisk()
    const storage = await disk.open(options)
    disks.set(storage, disk)
    return storage
  },
  openAgain: (storage) => diskOf(storage).open(),
  check: (storage) => check(diskOf(storage)),
})

test.each(['examples/plugin-test', 'test/testing/conformance-under-node-test.js'])(
  'node --test runs %s',
  (path) => {
    const files = path.endsWith('.js') ? path : `${path}/plugin.test.js`
    const printed = execFileSync(process.execPath, ['--test', files], {
      encoding: 'utf8',
      env: { ...process.env, NODE_OPTIONS: '' },
    })
    expect(printed).toMatch(/^# fail 0|ℹ fail 0/m)
    expect(printed).not.toMatch(/^# pass 0|ℹ pass 0/m)
  },
)
