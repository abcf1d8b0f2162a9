/**
 * A journal that is damaged in any place, in a store whose values are nowhere else: what is recovered are exactly the
 * commits before the damage, or opening says `CORRUPT_JOURNAL` and touches nothing. Never is anything else read, and the
 * process lives.
 */

import { crc32 } from 'node:zlib'
import { expect, test } from 'vitest'
import { StorageError } from '../../lib/base/errors.js'
import { decodeHeader, decodeRecord, HEADER_BYTES } from '../../lib/commit/record.js'
import { JOURNAL_NAME, keptName, parseControlName } from '../../lib/disk/layout.js'
import { MemoryDisk } from '../setup/memory-disk.js'
import { Random } from '../setup/random.js'
import { readSeed } from '../setup/seed.js'
import { Machine, type StoreProcess } from '../setup/store-process.js'

const isLong = process.env.PLAINKEEP_LONG !== undefined
const KEYS = ['first', 'second', 'third']

/** What the keys hold after each commit. */
const STATES: readonly (readonly (string | undefined)[])[] = [
  [undefined, undefined, undefined],
  ['one', undefined, undefined],
  ['one', 'two', 'x'.repeat(40)],
  [undefined, 'two again', 'x'.repeat(40)],
]

/** A store whose owner died with all its values in the journal only, as a power cut may leave it. */
interface Ruin {
  readonly machine: Machine
  readonly disk: MemoryDisk
  /** The path of the journal. */
  readonly path: string
  readonly journal: Buffer
}

/** Where the journal is: in a work folder, or out of it; of a claim that was released, and whose mark may be lost. */
type Place = 'claimed' | 'kept' | 'kept, the mark lost'

/** Every file of a ruin; all that differs between two are the bytes of the journal. */
interface Blueprint {
  readonly path: string
  readonly folders: readonly string[]
  readonly files: ReadonlyMap<string, Uint8Array>
}

const blueprints = new Map<string, Promise<Blueprint>>()

async function makeRuin(where: Place): Promise<Ruin> {
  const drawing = blueprints.get(where) ?? draw(where)
  blueprints.set(where, drawing)
  const { path, folders, files } = await drawing
  const { machine, disk } = makeEmptyMachine()
  for (const folder of folders) disk.makeFolder(folder, 0o700)
  for (const [file, bytes] of files) disk.createFile(file, bytes, { mode: 0o600, sync: true })
  machine.reboot()
  return { machine, disk, path, journal: Buffer.from(files.get(path) as Uint8Array) }
}

function makeEmptyMachine(): { machine: Machine; disk: MemoryDisk } {
  const disk = new MemoryDisk(() => 1.7e12)
  const machine = new Machine('/store', disk, (path) => disk.pin(path))
  machine.wallMs = () => 1.7e12
  return { machine, disk }
}

async function draw(where: Place): Promise<Blueprint> {
  const { machine, disk } = makeEmptyMachine()
  const owner = await machine.start().open()
  await owner.set('first', 'one')
  await owner.commit({ second: 'two', third: 'x'.repeat(40) })
  await Promise.all([owner.delete('first'), owner.set('second', 'two again')])
  const { control } = machine.layout
  const work = (disk.listNames(control) ?? []).find((name) => parseControlName(name).kind === 'work')
  const [folders, files] = [new Set(['/store', control]), new Map<string, Uint8Array>()]
  for (const name of ['format.json', 'c1']) files.set(`${control}/${name}`, read(disk, `${control}/${name}`))
  const path = where === 'claimed' ? `${control}/${work}/${JOURNAL_NAME}` : `${control}/${keptName(4)}`
  if (where === 'kept') files.set(`${control}/f1`, new Uint8Array())
  if (where === 'claimed') {
    folders.add(`${control}/${work}`)
    files.set(`${control}/${work}/record`, read(disk, `${control}/${work}/record`))
  }
  files.set(path, read(disk, `${control}/${work}/${JOURNAL_NAME}`))
  await owner.close()
  return { path, folders: [...folders], files }
}

function read(disk: MemoryDisk, path: string): Uint8Array {
  return Uint8Array.from(disk.readFile(path) as Uint8Array)
}

function replace({ disk, path }: Ruin, bytes: Uint8Array): void {
  disk.unlink(path)
  disk.createFile(path, bytes, { mode: 0o600, sync: true })
}

/** Opens the store; undefined if that says `CORRUPT_JOURNAL`. */
async function tryOpen({ machine }: Ruin): Promise<StoreProcess | undefined> {
  try {
    return await machine.start().open()
  } catch (error) {
    if (error instanceof StorageError && error.code === 'CORRUPT_JOURNAL') return undefined
    throw error
  }
}

let recoveries = 0

/** The number of the state that is recovered from a journal of these bytes; undefined for `CORRUPT_JOURNAL`. */
async function recover(where: Place, damage: (journal: Buffer) => Buffer): Promise<number | undefined> {
  const ruin = await makeRuin(where)
  const bytes = damage(Buffer.from(ruin.journal))
  replace(ruin, bytes)
  const next = await tryOpen(ruin)
  if (next === undefined) {
    const moved = (ruin.disk.listNames(ruin.machine.layout.control) ?? []).map(
      (name) => `${ruin.machine.layout.control}/${name}/${JOURNAL_NAME}`,
    )
    const present = [ruin.path, ...moved]
      .map((path) => ruin.disk.readFile(path))
      .find((found) => found !== undefined)
    expect(Buffer.compare(present as Uint8Array, bytes), 'the journal was touched').toBe(0)
    expect(ruin.disk.listNames(ruin.machine.root)).toEqual(['.plainkeep'])
    return undefined
  }
  const found = await Promise.all(KEYS.map((key) => next.get(key)))
  const state = STATES.findIndex((values) => JSON.stringify(values) === JSON.stringify(found))
  expect(state, `what is there was never committed: ${JSON.stringify(found)}`).toBeGreaterThanOrEqual(0)
  recoveries += 1
  if (recoveries % 16 === 0) {
    await next.set('after', 'wards')
    expect(await next.get('after')).toBe('wards')
  }
  await next.close()
  return state
}

/** Where each record ends, its padding left out; the first is the mark. */
function findEnds(journal: Buffer): number[] {
  const ends: number[] = []
  const { salt } = decodeHeader(journal) as { salt: number }
  for (let offset = HEADER_BYTES; ; ) {
    const found = decodeRecord(journal, offset, salt)
    if (found === undefined) return ends
    ends.push(offset + journal.readUInt32LE(offset + 8))
    offset = found.next
  }
}

test('every byte of a journal is another one: the commits before it are there, or it is CORRUPT_JOURNAL', async () => {
  const seed = readSeed()
  const random = new Random(seed)
  const { journal } = await makeRuin('claimed')
  const ends = findEnds(journal)
  const last = ends.at(-1) as number
  const starts = ends.map((_, index) => (index === 0 ? HEADER_BYTES : padded(ends[index - 1] as number)))
  /** Zeros at the end of the header, between records and behind the last say nothing. */
  const isCovered = (offset: number): boolean =>
    offset < 36 || starts.some((start, index) => offset >= start && offset < (ends[index] as number))
  const results = new Map<number | undefined, number>()
  for (let offset = 0; offset < last + 40; offset += 1) {
    for (const flip of isLong ? [0x01, 0x80, 0xff] : [1 + random.below(255)]) {
      const state = await recover('claimed', (bytes) => {
        bytes.writeUInt8(bytes.readUInt8(offset) ^ flip, offset)
        return bytes
      })
      results.set(state, (results.get(state) ?? 0) + 1)
      const before = ends.filter((end) => end <= offset).length - 1
      const wanted = isCovered(offset) ? [undefined, Math.max(before, 0)] : [3]
      expect(wanted, `seed ${seed}, byte ${offset} ^ ${flip}`).toContain(state)
    }
  }
  console.log(`seed ${seed}; bytes flipped: ${describe(results)}`)
  expect(results.get(undefined)).toBeGreaterThan(100)
}, 120_000)

test('a journal is cut off at every length: the commits before the cut are there', async () => {
  const { journal } = await makeRuin('claimed')
  const ends = findEnds(journal)
  const results = new Map<number | undefined, number>()
  for (let length = 0; length <= (ends.at(-1) as number) + 8; length += 1) {
    const state = await recover('claimed', (bytes) => bytes.subarray(0, length))
    results.set(state, (results.get(state) ?? 0) + 1)
    const before = Math.max(ends.filter((end) => end <= length).length - 1, 0)
    expect(state, `cut at ${length}`).toBe(before)
  }
  console.log(`cut: ${describe(results)}`)
}, 120_000)

test('a kept journal is damaged or cut anywhere: all of its commits are there, or it is CORRUPT_JOURNAL', async () => {
  const seed = readSeed()
  const random = new Random(seed)
  const { journal } = await makeRuin('kept')
  const last = findEnds(journal).at(-1) as number
  const step = isLong ? 1 : 5
  const results = new Map<number | undefined, number>()
  for (let offset = random.below(step); offset < last + 40; offset += step) {
    const flipped = await recover('kept', (bytes) => {
      bytes.writeUInt8(bytes.readUInt8(offset) ^ (1 + random.below(255)), offset)
      return bytes
    })
    const cut = await recover('kept', (bytes) => bytes.subarray(0, offset))
    for (const state of [flipped, cut]) {
      results.set(state, (results.get(state) ?? 0) + 1)
      expect([undefined, 3], `seed ${seed}, byte ${offset}`).toContain(state)
    }
    if (offset < last) expect(cut, `seed ${seed}, cut at ${offset}`).toBeUndefined()
  }
  console.log(`seed ${seed}; kept: ${describe(results)}`)
}, 120_000)

test('after a power cut acknowledged values were missing until the next write: a claim without its work folder is released', async () => {
  expect(await recover('kept, the mark lost', (bytes) => bytes)).toBe(3)
})

test('records that make no sense, though their CRC is right, crash nothing and lead nowhere', async () => {
  const seed = readSeed()
  const random = new Random(seed)
  const { journal } = await makeRuin('claimed')
  const { salt } = decodeHeader(journal) as { salt: number }
  const starts = [HEADER_BYTES, ...findEnds(journal).map(padded)].slice(0, -1)
  for (let tried = 0; tried < (isLong ? 3000 : 300); tried += 1) {
    const ruin = await makeRuin('claimed')
    const bytes = Buffer.from(ruin.journal)
    const start = random.pick(starts)
    const length = bytes.readUInt32LE(start + 8)
    for (let times = 1 + random.below(3); times > 0; times -= 1)
      bytes.writeUInt8(
        random.pick([0, 0xff, 0x7f, 0x2e, 0x2f, random.below(256)]),
        start + 12 + random.below(length - 12),
      )
    bytes.writeUInt32LE(crc32(bytes.subarray(start + 8, start + length), salt), start + 4)
    replace(ruin, bytes)
    const next = await tryOpen(ruin).catch((error: unknown) => {
      expect(error, `seed ${seed}, the ${tried}th`).toBeInstanceOf(StorageError)
      return undefined
    })
    await next?.close().catch((error: unknown) => expect(error).toBeInstanceOf(StorageError))
    expect(ruin.disk.listNames('/'), `seed ${seed}, the ${tried}th`).toEqual(['store'])
    expect(ruin.disk.listNames('/store/.plainkeep')).toContain('format.json')
  }
}, 120_000)

function padded(length: number): number {
  return Math.ceil(length / 8) * 8
}

function describe(results: ReadonlyMap<number | undefined, number>): string {
  const words = [...results].map(([state, count]) => `${count} times ${state ?? 'CORRUPT_JOURNAL'}`)
  return words.sort().join(', ')
}
