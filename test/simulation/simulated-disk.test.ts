/** The simulated disk keeps what was flushed, may lose everything else in every way, and finds out stores that are wrong. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NodeDisk } from '../../lib/disk/node-disk.js'
import { hashImage } from '../setup/image-hash.js'
import { cutAtRandom, listCuts, listWorstCuts, settleImage } from '../setup/power-cut.js'
import { Random } from '../setup/random.js'
import {
  Clock,
  type DiskImage,
  type FileVersion,
  makeEmptyImage,
  type Ordering,
  presentOf,
  SimulatedDisk,
} from '../setup/simulated-disk.js'
import { type CallFault, QUICK_CALLS, SimulatedFileSystem, SLOW_CALLS } from '../setup/simulated-fs.js'
import { installVirtualTime, resetVirtualTime, uninstallVirtualTime } from '../setup/virtual-time.js'
import { Explorer } from './explorer.js'
import { playScenario, SCENARIOS, type Variant } from './scenarios.js'

/** More outcomes than any of these disks has, if it can be listed at all. */
const ALL = 100_000

function makeDisk(ordering: Ordering = 'scattered'): SimulatedDisk {
  const disk = new SimulatedDisk(makeEmptyImage(ordering), new Clock(1000))
  disk.makeFolder('/a', 0o700)
  disk.makeFolder('/b', 0o700)
  return new SimulatedDisk(settleImage(disk.image), new Clock(2000))
}

/** A file with a text, neither it nor its name flushed. */
function create(disk: SimulatedDisk, path: string, text: string): number {
  const inode = disk.createFile(path, 0o600)
  disk.clock.us += 1
  disk.write(inode, Buffer.from(text), 0)
  return inode
}

/** A file that is on the disk, its name too. */
function createFlushed(disk: SimulatedDisk, path: string, text: string): number {
  const inode = create(disk, path, text)
  disk.flush(inode)
  disk.flush(disk.find(path.slice(0, path.lastIndexOf('/')))?.inode ?? 0)
  return inode
}

/** The texts of all files after each outcome of a power cut, each once. */
function outcomes(image: DiskImage): string[] {
  const found = new Set<string>()
  for (const cut of listCuts(image, ALL, new Random(1))) found.add(describeFiles(cut))
  return [...found].sort()
}

function describeFiles(image: DiskImage): string {
  const texts: string[] = []
  const visit = (inode: number, path: string): void => {
    const node = image.nodes.get(inode)
    if (node?.kind === 'file') texts.push(`${path}=${show(presentOf(node))}`)
    else for (const [name, child] of node?.names ?? []) visit(child, `${path}/${name}`)
  }
  visit(1, '')
  return texts.sort().join(' ')
}

function show({ bytes }: FileVersion): string {
  return Buffer.from(bytes).toString('latin1').replaceAll('\0', '0')
}

/** The versions of one file after random outcomes. */
function sample(image: DiskImage, path: string, count = 2000): FileVersion[] {
  const random = new Random(2)
  return Array.from({ length: count }, () => {
    const node = new SimulatedDisk(cutAtRandom(image, random), new Clock()).find(path)
    return node?.kind === 'file' ? [presentOf(node)] : []
  }).flat()
}

describe.each(['scattered', 'ordered'] as const)('on a disk that is %s', (ordering) => {
  test('a flushed file with a flushed name survives with its time and mode, whatever comes after', () => {
    const disk = makeDisk(ordering)
    const inode = create(disk, '/a/file', 'kept')
    disk.setMode(inode, 0o640)
    disk.setTime(inode, 1234)
    disk.flush(inode)
    disk.flush(disk.find('/a')?.inode ?? 0)
    create(disk, '/a/other', 'other')
    disk.rename('/a/other', '/b/other')
    for (const { bytes, timeUs, mode } of sample(disk.image, '/a/file'))
      expect([Buffer.from(bytes).toString(), timeUs, mode]).toEqual(['kept', 1234, 0o640])
    expect(sample(disk.image, '/a/file')).toHaveLength(2000)
  })

  test('a name that was not flushed is there or not, though its file was flushed', () => {
    const disk = makeDisk(ordering)
    disk.flush(create(disk, '/a/file', 'text'))
    expect(outcomes(disk.image)).toEqual(['', '/a/file=text'])
  })

  test('a rename is never half done, also not between two folders of which one is flushed', () => {
    const disk = makeDisk(ordering)
    createFlushed(disk, '/a/file', 'text')
    disk.rename('/a/file', '/b/file')
    expect(outcomes(disk.image)).toEqual(['/a/file=text', '/b/file=text'])
    disk.flush(disk.find('/a')?.inode ?? 0)
    expect(outcomes(disk.image)).toEqual(['/b/file=text'])
  })

  test('a renamed file may be empty, if its data was not flushed', () => {
    const disk = makeDisk(ordering)
    createFlushed(disk, '/a/file', 'old')
    create(disk, '/a/new', 'new')
    disk.rename('/a/new', '/a/file')
    expect(outcomes(disk.image)).toEqual(expect.arrayContaining(['/a/file=', '/a/file=new', '/a/file=old']))
  })

  test('both names of a linked file show one content', () => {
    const disk = makeDisk(ordering)
    createFlushed(disk, '/a/file', 'old')
    disk.link('/a/file', '/b/file')
    disk.flush(disk.find('/b')?.inode ?? 0)
    disk.write(disk.find('/a/file')?.inode ?? 0, Buffer.from('new'), 0)
    for (const text of outcomes(disk.image)) expect(text).toMatch(/^\/a\/file=(.*) \/b\/file=\1$/)
    expect(outcomes(disk.image).length).toBeGreaterThanOrEqual(2)
  })

  test('a flush that follows a failed one succeeds, and the disk has the old bytes, the new ones or zeros', () => {
    const disk = makeDisk(ordering)
    const inode = createFlushed(disk, '/a/file', 'old')
    disk.write(inode, Buffer.from('new and longer'), 0)
    disk.failFlush(inode)
    disk.flush(inode)
    expect(show(presentOf(disk.file(inode)))).toBe('new and longer')
    const found = new Set(sample(disk.image, '/a/file').map(show))
    expect([...found]).toEqual(expect.arrayContaining(['old', 'new and longer']))
    if (ordering === 'scattered') expect([...found]).toContain('old00000000000')
    disk.write(inode, Buffer.from('written again!'), 0)
    disk.flush(inode)
    expect(new Set(sample(disk.image, '/a/file').map(show))).toEqual(new Set(['written again!']))
  })

  test('what was flushed twice, and a file that nobody has a name for any more, leave one outcome', () => {
    const disk = makeDisk(ordering)
    const inode = createFlushed(disk, '/a/file', 'text')
    disk.write(inode, Buffer.from('Text'), 0)
    disk.unlink('/a/file')
    disk.flush(disk.find('/a')?.inode ?? 0)
    expect(outcomes(disk.image)).toEqual([''])
  })
})

test('names of different folders, and those of one, are lost each by itself where they are scattered', () => {
  const disk = makeDisk()
  disk.flush(create(disk, '/a/one', '1'))
  disk.flush(create(disk, '/a/two', '2'))
  disk.flush(create(disk, '/b/three', '3'))
  expect(outcomes(disk.image)).toHaveLength(8)
})

test('names are lost from one moment on where they are ordered, and a flush takes earlier ones along', () => {
  const disk = makeDisk('ordered')
  disk.flush(create(disk, '/a/one', '1'))
  disk.flush(create(disk, '/b/two', '2'))
  disk.flush(create(disk, '/a/three', '3'))
  const all = ['', '/a/one=1', '/a/one=1 /a/three=3 /b/two=2', '/a/one=1 /b/two=2']
  expect(outcomes(disk.image)).toEqual(all)
  disk.flush(disk.find('/b')?.inode ?? 0)
  expect(outcomes(disk.image)).toEqual(all.slice(2))
})

test('a file can be renamed without having been created, and a folder be gone with what was moved out of it', () => {
  const disk = makeDisk()
  disk.flush(create(disk, '/a/draft', 'text'))
  disk.rename('/a/draft', '/a/file')
  expect(outcomes(disk.image)).toEqual(['', '/a/draft=text', '/a/file=text'])
  const moved = makeDisk()
  createFlushed(moved, '/a/file', 'text')
  moved.rename('/a/file', '/b/file')
  moved.removeFolder('/a')
  expect(outcomes(moved.image)).toContain('')
})

test('an append is torn at any byte or sector, has zeros in it, or is longer than what it holds', () => {
  const disk = makeDisk()
  const inode = createFlushed(disk, '/a/file', 'a'.repeat(512))
  disk.write(inode, Buffer.from('b'.repeat(2048)), 512)
  const found = sample(disk.image, '/a/file').map(show)
  expect(found).toContain('a'.repeat(512))
  expect(found).toContain('a'.repeat(512) + 'b'.repeat(2048))
  expect(found).toContain('a'.repeat(512) + '0'.repeat(2048)) // the size alone
  expect(found.some((text) => /^a+b+0+b+$/.test(text))).toBe(true) // the middle is missing
  expect(found.some((text) => text.includes('b0') && (text.indexOf('b0') + 1) % 512 !== 0)).toBe(true) // torn at a byte
  expect(found.some((text) => /^a+b+$/.test(text) && text.length % 512 !== 0)).toBe(true) // cut short at a byte
  expect(found.every((text) => text.startsWith('a'.repeat(512)))).toBe(true)
})

test('an append has no holes where data is written before what refers to it', () => {
  const disk = makeDisk('ordered')
  const inode = createFlushed(disk, '/a/file', 'a'.repeat(4096))
  disk.write(inode, Buffer.from('b'.repeat(3 * 4096)), 4096)
  const found = new Set(sample(disk.image, '/a/file').map(show))
  expect([...found].every((text) => /^a{4096}b*$/.test(text) && text.length % 4096 === 0)).toBe(true)
  expect(found.size).toBe(4)
})

test('data and time of a file are lost each by itself; a flush of its data leaves the time to chance', () => {
  const disk = makeDisk()
  const inode = create(disk, '/a/file', 'text')
  disk.flush(disk.find('/a')?.inode ?? 0)
  disk.setTime(inode, 5000)
  const times = (text: string): Set<number> =>
    new Set(sample(disk.image, '/a/file').flatMap((file) => (show(file) === text ? file.timeUs : [])))
  expect(times('text')).toEqual(new Set([2000, 2001, 5000]))
  expect(times('')).toEqual(new Set([2000, 2001, 5000]))
  disk.flush(inode, true)
  expect(times('')).toEqual(new Set())
  expect(times('text')).toEqual(new Set([2000, 5000]))
})

test('a removed folder takes no new names, not even by way of a lookup before it was removed', () => {
  const disk = makeDisk()
  create(disk, '/b/file', 'text')
  const pinned = disk.pin('/a/late')
  disk.removeFolder('/a')
  expect(() => disk.createFile('/a/late', 0o600)).toThrow(expect.objectContaining({ code: 'ENOENT' }))
  expect(() => disk.rename('/b/file', pinned)).toThrow(expect.objectContaining({ code: 'ENOENT' }))
})

test('images of which one is a copy of the other have one hash, and those that differ have two', () => {
  const disk = makeDisk()
  const before = disk.image
  create(disk, '/a/file', 'text')
  const hashes = new Set([...listCuts(disk.image, ALL, new Random(1))].map(hashImage))
  const distinct = new Set(
    [...listCuts(disk.image, ALL, new Random(1))].map((image) => JSON.stringify(dump(image))),
  )
  expect(hashes.size).toBe(distinct.size)
  expect(hashImage(before)).toBe(hashImage(new SimulatedDisk(before, new Clock()).image))
  expect(hashImage(before)).not.toBe(hashImage(disk.image))
})

function dump({ nodes }: DiskImage, inode = 1): unknown {
  const node = nodes.get(inode)
  if (node?.kind !== 'folder') return node && [show(presentOf(node)), presentOf(node).timeUs]
  return [...node.names].map(([name, child]) => [name, dump({ nodes } as DiskImage, child)])
}

test('the worst outcomes are among all of them, and no two lists depend on chance', () => {
  const disk = makeDisk()
  create(disk, '/a/one', '1')
  create(disk, '/b/two', '2')
  disk.rename('/b/two', '/a/two')
  const all = new Set([...listCuts(disk.image, ALL, new Random(1))].map(hashImage))
  expect(new Set([...listCuts(disk.image, ALL, new Random(7))].map(hashImage))).toEqual(all)
  for (const image of listWorstCuts(disk.image)) expect(all).toContain(hashImage(image))
})

test('a file that was made ahead lies empty on the disk until it is filled', async () => {
  const disk = makeDisk()
  const files = new SimulatedFileSystem(disk, SLOW_CALLS)
  installVirtualTime()
  resetVirtualTime(disk.clock)
  const store = new NodeDisk(files.fs, 65_536)
  for (
    let count = 0;
    count < 20;
    count += 1 // it takes some until making files counts as slow
  )
    await store.createFile(`/a/${count}`, new Uint8Array(), { mode: 0o600 })
  store.makeSpare('/b/spare', 0o600)
  await new Promise((resolve) => setImmediate(resolve))
  expect(disk.find('/b/spare')).toMatchObject({ kind: 'file' })
  await store.createFile('/b/spare', Buffer.from('filled'), { mode: 0o600, sync: true })
  uninstallVirtualTime()
  expect(new Set(sample(disk.image, '/b/spare').map(show))).toEqual(new Set(['filled']))
})

describe('a store that is wrong is found out:', () => {
  beforeAll(installVirtualTime)
  afterAll(uninstallVirtualTime)

  const variant: Variant = { ordering: 'scattered', costs: QUICK_CALLS, isSessionKnown: true }
  const skip =
    (...calls: string[]) =>
    (call: string): CallFault | undefined =>
      calls.includes(call) ? { code: 'none', how: 'skipped' } : undefined

  const explore = async (
    ordering: Ordering,
    onCall?: (call: string) => CallFault | undefined,
  ): Promise<void> => {
    for (const scenario of SCENARIOS.slice(0, 6)) {
      const { steps, machine } = await playScenario(scenario, { ...variant, ordering }, { onCall })
      const origin = { steps, boot: 2, nextPid: machine.nextPid, isSessionKnown: true, trail: [] }
      await new Explorer(new Random(1), new Set()).exploreSteps(origin, 24)
    }
  }

  test.each(['scattered', 'ordered'] as const)(
    'one that is right is not, on a disk that is %s',
    async (ordering) => {
      await explore(ordering)
    },
  )

  test.each([
    ['one that flushes nothing', ['fsync', 'fdatasync']],
    ['one that does not flush its journal', ['fdatasync']],
    ['one that flushes nothing but its journal', ['fsync']],
  ] as const)('%s', async (_, calls) => {
    await expect(explore('scattered', skip(...calls))).rejects.toThrow()
    await expect(explore('ordered', skip(...calls))).rejects.toThrow()
  })
})
