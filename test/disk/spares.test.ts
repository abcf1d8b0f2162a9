/** Files that are made ahead, on a filesystem where making one takes long. */

import nodeFs, {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { NodeDisk } from '../../lib/disk/node-disk.js'
import { type FileSystem, openStorage } from '../../lib/index.js'
import { checkStore } from '../setup/check-store.js'

const MODE = 0o600
const { O_CREAT } = nodeFs.constants

let root: string
let folder: string
/** How many files were made at once. */
let madeAtOnce: number
/** Files are made in a thread, but it is said that they are not. */
let failOpen: (() => Error) | undefined
let fs: FileSystem

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'plainkeep-spares-'))
  folder = join(root, 'work')
  mkdirSync(folder)
  madeAtOnce = 0
  failOpen = undefined
  fs = { ...nodeFs, openSync: openSlowly, open: openOrFail as typeof nodeFs.open }
})

afterEach(() => rmSync(root, { recursive: true, force: true }))

function openSlowly(path: nodeFs.PathLike, flags: nodeFs.OpenMode, mode?: nodeFs.Mode | null): number {
  if (!(Number(flags) & O_CREAT)) return nodeFs.openSync(path, flags, mode)
  madeAtOnce += 1
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2)
  return nodeFs.openSync(path, flags, mode)
}

function openOrFail(
  path: string,
  flags: number,
  mode: number,
  done: (error: Error | null, descriptor: number) => void,
): void {
  nodeFs.open(path, flags, mode, (error, descriptor) => {
    if (failOpen === undefined) return done(error, descriptor)
    nodeFs.closeSync(descriptor)
    done(failOpen(), -1)
  })
}

/** A disk that has seen that files take long to make. */
async function makeDisk(): Promise<NodeDisk> {
  const disk = new NodeDisk(fs, 65536)
  await disk.createFile(join(folder, 'first'), Buffer.from('x'), { mode: MODE })
  madeAtOnce = 0
  return disk
}

function countDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}

const isMade = (path: string): Promise<void> => expect.poll(() => existsSync(path)).toBe(true)

test.each([64, 100_000])('a spare is filled with %i bytes, and has its mode and its time', async (length) => {
  const disk = await makeDisk()
  const path = join(folder, 's1')
  disk.makeSpare(path, MODE)
  const bytes = Buffer.alloc(length, 'v')
  const options = { mode: 0o640, exactMode: true, time: 1_600_000_000_000_001_000n, sync: length > 64 }
  const stat = await disk.createFile(path, bytes, options)
  expect(madeAtOnce).toBe(0)
  expect(readFileSync(path)).toEqual(bytes)
  expect(statSync(path, { bigint: true })).toMatchObject({ mtimeNs: stat.time, ino: stat.inode })
  expect(stat).toMatchObject({ mode: 0o640, size: length })
  expect(stat.time / 1000n).toBe(1_600_000_000_000_001n) // from Node 24 on there are nanoseconds, too
})

test('a spare whose folder has lost its name cannot be filled: as a file cannot be made there', async () => {
  const disk = await makeDisk()
  disk.makeSpare(join(folder, 's1'), MODE)
  await isMade(join(folder, 's1'))
  renameSync(folder, `${folder}.s2`)
  const before = countDescriptors()
  const filling = async (): Promise<unknown> =>
    disk.createFile(join(folder, 's1'), Buffer.from('x'), { mode: MODE })
  await expect(filling()).rejects.toMatchObject({ code: 'ENOENT' })
  expect(countDescriptors()).toBe(before - 1)
  expect(readFileSync(join(`${folder}.s2`, 's1'), 'utf8')).toBe('')
})

test('a spare that could not be made, or seems not to be, is made when its value comes', async () => {
  const disk = await makeDisk()
  failOpen = () => Object.assign(new Error('EIO: injected'), { code: 'EIO' })
  disk.makeSpare(join(folder, 's1'), MODE)
  await isMade(join(folder, 's1'))
  await disk.createFile(join(folder, 's1'), Buffer.from('value'), { mode: MODE })
  expect(madeAtOnce).toBe(1)
  expect(readFileSync(join(folder, 's1'), 'utf8')).toBe('value')
})

test('spares that are not needed are removed and closed, also those that are still being made', async () => {
  const disk = await makeDisk()
  const before = countDescriptors()
  disk.makeSpare(join(folder, 's1'), MODE)
  await isMade(join(folder, 's1'))
  await new Promise((resolve) => setImmediate(resolve))
  disk.makeSpare(join(folder, 's2'), MODE)
  disk.makeSpare(join(root, 'other'), MODE)
  await disk.removeSpares(folder)
  expect(readdirSync(folder)).toEqual(['first'])
  await disk.removeSpares(root)
  expect(countDescriptors()).toBe(before)
})

test('no spare is made where making a file is quick', async () => {
  const disk = new NodeDisk(nodeFs, 65536)
  disk.makeSpare(join(folder, 's1'), MODE)
  await disk.removeSpares(folder)
  await disk.createFile(join(folder, 's1'), Buffer.from('x'), { mode: MODE })
  expect(readdirSync(folder)).toEqual(['s1'])
})

test('a store with spares: sets and deletes of all kinds, one by one and together, and nothing is left', async () => {
  const path = join(root, 'store')
  await (await openStorage(path)).close()
  const storage = await openStorage(path, { fs })
  await storage.workspace().shared.set('key', 'value')
  const before = countDescriptors() // with a watch, which the process keeps, and a journal
  const scope = storage.workspace().plugin('plugin').storage
  for (let index = 0; index < 60; index += 1) {
    await scope.set(`key${index % 7}`, `${index}`)
    if (index % 5 === 0) await scope.delete(`key${index % 3}`)
    if (index % 20 === 0) await scope.set('large', Buffer.alloc(100_000, index))
  }
  await Promise.all(Array.from({ length: 40 }, (_, index) => scope.set(`burst${index}`, `${index}`)))
  madeAtOnce = 0
  for (let index = 0; index < 10; index += 1) await scope.set('last', `${index}`)
  expect(madeAtOnce).toBeLessThan(10)
  expect(await scope.get('last', 'text')).toBe('9')
  expect(await scope.get('key5', 'text')).toBe('54')
  await storage.close()
  await checkStore(path, nodeFs)
  expect(countDescriptors()).toBeLessThan(before)
})
