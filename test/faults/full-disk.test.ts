/** A full disk: a write stops short without an error, and only the next one fails. What was there stays whole. */

import { execFileSync } from 'node:child_process'
import nodeFs, { mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import writeFileAtomic from 'write-file-atomic'
import { openStorage, type Scope } from '../../lib/index.js'
import { checkStore } from '../setup/check-store.js'
import { FaultyFileSystem } from '../setup/faulty-fs.js'

const KIB = 1024
const MIB = 1024 * KIB

const FULL = { name: 'StorageError', code: 'DISK_FULL', kind: 'disk', outcome: 'none', key: 'key' }

let folder: string
let root: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'plainkeep-full-'))
  root = join(folder, 'store')
})

afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

const canMount = process.platform === 'linux' && process.getuid?.() === 0 && tryMount()

describe('a disk without room (injected)', () => {
  test.each([
    { size: 200, room: 100 },
    { size: 70 * KIB, room: 40 * KIB },
    { size: MIB, room: MIB / 2 },
  ])(
    'a set of $size bytes with room for $room leaves the old value whole, and works when there is more',
    async ({ size, room }) => {
      const disk = new FaultyFileSystem(nodeFs)
      const storage = await openStorage(root, { fs: disk.fs })
      const scope = storage.workspace().shared
      await scope.set('key', Buffer.alloc(size, 'old'))
      disk.limitRoom(root, room)
      await expect(scope.set('key', Buffer.alloc(size, 'new'))).rejects.toMatchObject(FULL)
      await expect(scope.set('key', Buffer.alloc(size, 'new'))).rejects.toMatchObject(FULL)
      await expectValue(scope, 'key', Buffer.alloc(size, 'old'))
      expect(await scope.keys()).toEqual(['key'])
      disk.heal()
      await scope.set('key', Buffer.alloc(size, 'new'))
      await expectValue(scope, 'key', Buffer.alloc(size, 'new'))
      await storage.close()
      await checkStore(root, nodeFs)
    },
  )

  test.each([
    { size: 200, room: 100 },
    { size: 70 * KIB, room: 40 * KIB },
    { size: MIB, room: MIB / 2 },
  ])(
    'beside a set of $size bytes that fails, the sets of the same tick that fit succeed',
    async ({ size, room }) => {
      const disk = new FaultyFileSystem(nodeFs)
      const storage = await openStorage(root, { fs: disk.fs })
      const scope = storage.workspace().shared
      await scope.set('key', Buffer.alloc(size, 'old'))
      disk.limitRoom(root, room)
      const [before, refused, after, another] = await Promise.allSettled([
        scope.set('before', 'fits'),
        scope.set('key', Buffer.alloc(size, 'new')),
        scope.set('after', 'fits'),
        storage.workspace().plugin('plugin').storage.set('another', 'fits'),
      ])
      expect(refused).toMatchObject({ status: 'rejected', reason: FULL })
      for (const fitting of [before, after, another]) expect(fitting).toMatchObject({ status: 'fulfilled' })
      await expectValue(scope, 'key', Buffer.alloc(size, 'old'))
      expect(await scope.get('before', 'text')).toBe('fits')
      expect(await scope.get('after', 'text')).toBe('fits')
      disk.heal()
      await scope.set('key', Buffer.alloc(size, 'new'))
      await storage.close()
      await checkStore(root, nodeFs)
      await expectAfterOpening(size)
    },
  )

  test.each([
    { size: 200, step: 40, rooms: 30 },
    { size: 5 * KIB, step: 700, rooms: 30 },
    { size: 70 * KIB, step: 9 * KIB, rooms: 20 },
    { size: MIB, step: 151 * KIB, rooms: 16 },
  ])(
    'however little room there is, each of several sets of up to $size bytes is done or not, as it says',
    async ({ size, step, rooms }) => {
      const outcomes = new Set<string>()
      for (let index = 0; index < rooms; index += 1) {
        const path = join(folder, `store-${index}`)
        outcomes.add(await fillUp(path, size, index * step))
      }
      expect([...outcomes].some((outcome) => outcome.includes('rejected'))).toBe(true)
      expect(outcomes).toContain('fulfilled fulfilled fulfilled')
    },
    60_000,
  )

  test('a store that cannot be opened for want of room is DISK_FULL, and opens when there is more', async () => {
    const disk = new FaultyFileSystem(nodeFs)
    disk.limitRoom(folder, 5)
    await expect(openStorage(root, { fs: disk.fs })).rejects.toMatchObject({ code: 'DISK_FULL' })
    disk.heal()
    const storage = await openStorage(root, { fs: disk.fs })
    await storage.workspace().shared.set('key', 'value')
    await storage.close()
    await checkStore(root, nodeFs)
  })

  test('a full disk can be emptied: a delete needs little room, and after it the rest fits', async () => {
    const disk = new FaultyFileSystem(nodeFs)
    const storage = await openStorage(root, { fs: disk.fs })
    const scope = storage.workspace().shared
    await scope.set('old', Buffer.alloc(MIB))
    disk.limitRoom(root, 100 * KIB)
    await expect(scope.set('key', Buffer.alloc(MIB))).rejects.toMatchObject(FULL)
    expect(await scope.delete('old')).toBe(true)
    await scope.set('key', Buffer.alloc(MIB))
    expect(await scope.keys()).toEqual(['key'])
    await storage.close()
    await checkStore(root, nodeFs)
  })
})

describe.skipIf(!canMount)(
  'a disk without room (a real tmpfs of 4 MB; needs root and the right to mount)',
  () => {
    let mount: string

    beforeEach(() => {
      mount = mkdtempSync(join(tmpdir(), 'plainkeep-tmpfs-'))
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', mount])
    })

    afterEach(() => {
      execFileSync('umount', [mount])
      rmSync(mount, { recursive: true, force: true })
    })

    const old = Buffer.alloc(MIB, 'old')
    const tooLarge = Buffer.alloc(8 * MIB, 'new')

    test('8 MB over 1 MB is DISK_FULL, and the 1 MB stays', async () => {
      const path = join(mount, 'store')
      const storage = await openStorage(path)
      const scope = storage.workspace().shared
      await scope.set('key', old)
      const [refused, fitting] = await Promise.allSettled([
        scope.set('key', tooLarge),
        scope.set('other', 'fits'),
      ])
      expect(refused).toMatchObject({ status: 'rejected', reason: FULL })
      expect(fitting).toMatchObject({ status: 'fulfilled' })
      await expectValue(scope, 'key', old)
      expect(await scope.keys()).toEqual(['key', 'other'])
      expect(freeBytes(mount)).toBeGreaterThan(2 * MIB) // what was written in vain is gone
      await scope.set('key', Buffer.alloc(MIB, 'new'))
      await expectValue(scope, 'key', Buffer.alloc(MIB, 'new'))
      await storage.close()
      await checkStore(path, nodeFs)
    })

    test('a disk that somebody else filled to the last byte still reads, and writes when it was emptied', async () => {
      const path = join(mount, 'store')
      const storage = await openStorage(path)
      const scope = storage.workspace().shared
      await scope.set('key', old)
      await storage.close()
      expect(() => writeFileSync(join(mount, 'filler'), tooLarge)).toThrow('ENOSPC')
      const again = await openStorage(path)
      const { shared } = again.workspace()
      await expect(shared.set('key', 'small')).rejects.toMatchObject(FULL)
      await expectValue(shared, 'key', old)
      expect(await shared.keys()).toEqual(['key'])
      rmSync(join(mount, 'filler'))
      await shared.set('key', 'small')
      expect(await shared.get('key', 'text')).toBe('small')
      await again.close()
      await checkStore(path, nodeFs)
    })

    test('beside it: write-file-atomic resolves, and a truncated file has replaced the good one', async () => {
      const path = join(mount, 'file')
      writeFileSync(path, old)
      await expect(writeFileAtomic(path, tooLarge)).resolves.toBeUndefined()
      const left = readFileSync(path)
      expect(left.byteLength).toBeLessThan(4 * MIB)
      expect(left.equals(tooLarge.subarray(0, left.byteLength))).toBe(true)
      expect(readdirSync(mount)).toEqual(['file'])
    })
  },
)

/** Sets of three sizes in one tick with so much room; gives how they ended. What they say is true, then and later. */
async function fillUp(path: string, size: number, room: number): Promise<string> {
  const disk = new FaultyFileSystem(nodeFs)
  const storage = await openStorage(path, { fs: disk.fs })
  const scope = storage.workspace().shared
  const sizes = [1, size, Math.ceil(size / 2)]
  const keys = sizes.map((_, index) => `key-${index}`)
  await Promise.all(keys.map((key, index) => scope.set(key, Buffer.alloc(sizes[index] as number, 'old'))))
  disk.limitRoom(path, room)
  const results = await Promise.allSettled(
    keys.map((key, index) => scope.set(key, Buffer.alloc(sizes[index] as number, 'new'))),
  )
  const expected = results.map((result, index) => {
    if (result.status === 'rejected')
      expect(result.reason, `room ${room}`).toMatchObject({ ...FULL, key: keys[index] })
    return Buffer.alloc(sizes[index] as number, result.status === 'rejected' ? 'old' : 'new')
  })
  for (const [index, key] of keys.entries()) await expectValue(scope, key, expected[index] as Buffer)
  disk.heal()
  await scope.set('more', 'room')
  await storage.close()
  const again = await openStorage(path)
  const { shared } = again.workspace()
  for (const [index, key] of keys.entries()) await expectValue(shared, key, expected[index] as Buffer)
  expect(await shared.keys()).toEqual([...keys, 'more'])
  await again.close()
  await checkStore(path, nodeFs)
  return results.map((result) => result.status).join(' ')
}

/** What the sets of one tick left, as the next one sees it who opens the store. */
async function expectAfterOpening(size: number): Promise<void> {
  const storage = await openStorage(root)
  const scope = storage.workspace().shared
  await expectValue(scope, 'key', Buffer.alloc(size, 'new'))
  expect(await scope.keys()).toEqual(['after', 'before', 'key'])
  expect(await storage.workspace().plugin('plugin').storage.keys()).toEqual(['another'])
  await storage.close()
  await checkStore(root, nodeFs)
}

/** Compares without printing a megabyte. */
async function expectValue(scope: Scope, key: string, value: Uint8Array): Promise<void> {
  const found = Buffer.from(await scope.get(key))
  const isSame = found.equals(value)
  expect({ key, isSame, size: found.byteLength, start: found.toString('latin1', 0, 6) }).toEqual({
    key,
    isSame: true,
    size: value.byteLength,
    start: Buffer.from(value).toString('latin1', 0, 6),
  })
}

function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize
}

/** Whether this process may mount; a root without the right to is common in containers. */
function tryMount(): boolean {
  const path = mkdtempSync(join(tmpdir(), 'plainkeep-mount-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', path], { stdio: 'ignore' })
    execFileSync('umount', [path])
    return true
  } catch {
    return false
  } finally {
    rmSync(path, { recursive: true, force: true })
  }
}
