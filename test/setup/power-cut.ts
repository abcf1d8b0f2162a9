/**
 * What a power cut may leave of a disk: everything that was flushed and, of the rest, whatever a filesystem and a disk
 * with a cache may have written by then.
 *
 * On a *scattered* disk each change of names is kept or lost by itself, in a folder or in several. A file's sectors are
 * old, new, from in between or, where it grew, zeros; its size, and its time with its mode, are from any moment since
 * its last flush, independent of its sectors and of each other; a sector can be torn at any byte.
 * On an *ordered* disk names, times and modes are as they were at one moment: what came later is lost. What a file grew
 * by is there up to some block, without holes; what was written over is old or new, block by block.
 */

import type { Random } from './random.js'
import {
  type DiskImage,
  type FileNode,
  type FileVersion,
  type FolderNode,
  groupByFolder,
  type NameChange,
  type Node,
  type Ordering,
  ROOT_INODE,
  withNames,
} from './simulated-disk.js'

const SECTOR_BYTES = 512
const BLOCK_BYTES = 4096

/** Makes the choices that a power cut leaves open. */
interface Chooser {
  /** Whether sectors are mixed at random too, beside the outcomes that are listed. */
  readonly random?: Random
  /** Which of so many changes of names are kept. */
  keep(count: number): readonly boolean[]
  /** One of so many outcomes. The first is always the newest, the second what was flushed. */
  below(limit: number): number
}

/** Outcomes of one cut, each once: all of them if they are no more than `limit`, otherwise as many, drawn by lot. */
export function* listCuts(image: DiskImage, limit: number, random: Random): Generator<DiskImage> {
  if (countOutcomes(image) <= limit) {
    const odometer = new Odometer()
    do yield cut(image, odometer)
    while (odometer.next())
    return
  }
  const worst = Math.min(EDGES.length, limit >> 1)
  for (let index = 0; index < worst; index += 1) yield cutAtEdge(image, index)
  for (let count = worst; count < limit; count += 1) yield cutAtRandom(image, random)
}

/**
 * The outcomes at the edges: all or none of the names, and of what was written all, nothing, only the size, or what was
 * written before it was written again.
 */
export function listWorstCuts(image: DiskImage): DiskImage[] {
  return EDGES.map((_, index) => cutAtEdge(image, index))
}

const EDGES = [
  [false, 1],
  [true, 1],
  [false, 0],
  [false, Number.POSITIVE_INFINITY],
  [true, 2],
  [true, Number.POSITIVE_INFINITY],
  [false, 2],
  [true, 0],
] as const

function cutAtEdge(image: DiskImage, index: number): DiskImage {
  const [isKept, outcome] = EDGES[index] as (typeof EDGES)[number]
  const below = (limit: number): number => Math.min(outcome, limit - 1)
  return cut(image, { keep: (count) => new Array<boolean>(count).fill(isKept), below })
}

/** Any outcome. */
export function cutAtRandom(image: DiskImage, random: Random): DiskImage {
  return cut(image, {
    random,
    keep: (count) => keepAtRandom(count, random),
    below: (limit) => random.below(limit),
  })
}

/** Everything reaches the disk, as some time after the last change. */
export function settleImage(image: DiskImage): DiskImage {
  return cut(image, { keep: (count) => new Array<boolean>(count).fill(true), below: () => 0 })
}

/** Nothing reaches the disk that was not flushed. */
export function loseUnflushed(image: DiskImage): DiskImage {
  const below = (limit: number): number => Math.min(1, limit - 1)
  return cut(image, { keep: (count) => new Array<boolean>(count).fill(false), below })
}

/** No more than these outcomes are listed for one cut; a file's mixed sectors aside. */
function countOutcomes(image: DiskImage): number {
  const reachable = new Set(image.pending.flatMap(({ entries }) => entries.map(({ inode }) => inode)))
  for (const node of image.nodes.values()) {
    if (node.kind === 'folder')
      for (const names of [node.names, node.disk]) for (const inode of names.values()) reachable.add(inode)
  }
  let count = image.ordering === 'ordered' ? image.pending.length + 1 : 2 ** image.pending.length
  for (const inode of reachable) {
    const node = image.nodes.get(inode)
    if (node?.kind !== 'file' || !isDirty(node)) continue
    const { contents, attributes } = outcomesOf(node, image.ordering)
    count *= contents.length * attributes.length
  }
  return count
}

/** Counts through all choices, the last one first. */
class Odometer implements Chooser {
  readonly #digits: { value: number; readonly limit: number }[] = []
  #at = 0

  keep(count: number): boolean[] {
    return Array.from({ length: count }, () => this.below(2) === 1)
  }

  below(limit: number): number {
    const digit = this.#digits[this.#at] ?? { value: 0, limit }
    this.#digits[this.#at] = digit
    this.#at += 1
    return digit.value
  }

  /** False when all choices were made. */
  next(): boolean {
    this.#at = 0
    for (let last = this.#digits.at(-1); last !== undefined; last = this.#digits.at(-1)) {
      last.value += 1
      if (last.value < last.limit) return true
      this.#digits.pop()
    }
    return false
  }
}

/** One by one with some odds, or all up to some point, or all but one, or only one. */
function keepAtRandom(count: number, random: Random): boolean[] {
  const [way, point] = [random.below(7), random.below(count + 1)]
  const odds = [0.5, 0.5, 0.15, 0.85][way]
  return Array.from({ length: count }, (_, index) => {
    if (odds !== undefined) return random.chance(odds)
    if (way === 4) return index < point
    return way === 5 ? index !== point : index === point
  })
}

function cut(image: DiskImage, chooser: Chooser): DiskImage {
  const { kept, until } = chooseNames(image, chooser)
  const changes = groupByFolder(kept)
  const nodes = new Map<number, Node>()
  const visit = (inode: number): void => {
    if (nodes.has(inode)) return // another name of the same file
    const node = image.nodes.get(inode) as Node
    if (node.kind === 'file') {
      nodes.set(inode, isDirty(node) ? chooseFile(node, image.ordering, until, chooser) : node)
      return
    }
    const folder = cutFolder(node, changes.get(inode))
    nodes.set(inode, folder)
    for (const child of folder.names.values()) visit(child)
  }
  visit(ROOT_INODE)
  return { ordering: image.ordering, nodes, pending: [], order: image.order, lastInode: image.lastInode }
}

function cutFolder(folder: FolderNode, changes: Parameters<typeof withNames>[1] | undefined): FolderNode {
  if (changes === undefined && folder.names === folder.disk && !folder.isRemoved) return folder
  const names = changes === undefined ? folder.disk : withNames(folder.disk, changes)
  return { ...folder, names, disk: names, isRemoved: false }
}

/** The changes of names that are kept; on an ordered disk, those up to a moment. */
function chooseNames(
  { ordering, pending }: DiskImage,
  chooser: Chooser,
): { kept: readonly NameChange[]; until: number } {
  const keep = chooser.keep(ordering === 'ordered' ? Math.min(1, pending.length) : pending.length)
  if (ordering === 'scattered')
    return { kept: pending.filter((_, index) => keep[index]), until: Number.POSITIVE_INFINITY }
  const isWhole = chooser.random === undefined && !(chooser instanceof Odometer)
  const count = isWhole ? (keep[0] ? pending.length : 0) : chooser.below(pending.length + 1)
  const until = count === pending.length ? Number.POSITIVE_INFINITY : (pending[count] as NameChange).order - 1
  return { kept: pending.slice(0, count), until }
}

function isDirty(file: FileNode): boolean {
  return file.dirty.length > 0 || file.disk.length > 1
}

function chooseFile(file: FileNode, ordering: Ordering, until: number, chooser: Chooser): FileNode {
  const { contents, attributes } = outcomesOf(file, ordering)
  const bytes =
    chooser.random?.chance(0.5) && file.dirty.length > 0
      ? mix(file, ordering, chooser.random)
      : (contents[chooser.below(contents.length)] as Uint8Array)
  const known =
    ordering === 'ordered' ? attributes.filter(({ order }) => order <= until).slice(0, 1) : attributes
  const { timeUs, mode } = known[chooser.below(known.length)] as FileVersion
  return { ...file, disk: [{ bytes, timeUs, mode }], dirty: [] }
}

/** What of a file can be on the disk, without the mixtures; the newest first, then what was flushed. */
interface Outcomes {
  readonly contents: readonly Uint8Array[]
  readonly attributes: readonly (FileVersion & { readonly order: number })[]
}

const knownOutcomes = new WeakMap<FileNode, Outcomes>()

function outcomesOf(file: FileNode, ordering: Ordering): Outcomes {
  const known = knownOutcomes.get(file)
  if (known !== undefined) return known
  const outcomes = { contents: listContents(file, ordering), attributes: listAttributes(file) }
  knownOutcomes.set(file, outcomes)
  return outcomes
}

function listContents(file: FileNode, ordering: Ordering): Uint8Array[] {
  const versions = [...file.disk, ...file.dirty].map(({ bytes }) => bytes)
  const [oldest, newest] = [versions[0] as Uint8Array, versions.at(-1) as Uint8Array]
  const [start, end] = findChanged(file, newest.byteLength)
  const grown = resize(oldest, Math.max(newest.byteLength, oldest.byteLength))
  const torn = (from: number, to: number): Uint8Array => {
    const bytes = newest.slice()
    bytes.set(grown.subarray(from, to), from)
    return bytes
  }
  const middle = (start + end) >> 1
  const found = [newest, oldest]
  if (ordering === 'ordered') {
    if (newest.byteLength - oldest.byteLength > BLOCK_BYTES)
      found.push(newest.slice(0, oldest.byteLength + floorTo(middle - start, BLOCK_BYTES)))
    if (start < oldest.byteLength) found.push(torn(floorTo(middle, BLOCK_BYTES), oldest.byteLength))
  } else {
    if (newest.byteLength > oldest.byteLength) {
      found.push(grown, newest.slice(0, (oldest.byteLength + newest.byteLength) >> 1))
    }
    found.push(torn(middle, end))
    if (end - start > SECTOR_BYTES) {
      found.push(torn(start, floorTo(start, SECTOR_BYTES) + SECTOR_BYTES))
      found.push(torn(floorTo(middle, SECTOR_BYTES), floorTo(middle, SECTOR_BYTES) + SECTOR_BYTES))
    }
  }
  found.push(...versions.slice(1, -1).slice(-3))
  return found.filter((bytes, index) => found.findIndex((other) => isSame(other, bytes)) === index)
}

function listAttributes(file: FileNode): Outcomes['attributes'] {
  const all = [...file.disk.map((version) => ({ order: 0, ...version })), ...file.dirty].reverse()
  const isFirst = ({ timeUs, mode }: FileVersion, index: number): boolean =>
    all.findIndex((other) => other.timeUs === timeUs && other.mode === mode) === index
  return all.filter(isFirst)
}

/** Sectors, or blocks, from any moment, and the size of any moment, or one in between. */
function mix(file: FileNode, ordering: Ordering, random: Random): Uint8Array {
  const versions = [...file.disk, ...file.dirty].map(({ bytes }) => bytes)
  const newest = versions.at(-1) as Uint8Array
  const oldest = versions[0] as Uint8Array
  const size = mixSize(versions, ordering, random)
  const bytes = resize(newest, size)
  const [start, end] = findChanged(file, size)
  const step = ordering === 'ordered' ? BLOCK_BYTES : SECTOR_BYTES
  for (let from = floorTo(start, step); from < end; from += step) {
    if (ordering === 'ordered' && from + step > oldest.byteLength) break // written before the size that shows it
    const isZero = ordering === 'scattered' && from >= oldest.byteLength && random.chance(0.3)
    const source = resize(random.pick(versions).subarray(from, from + step), Math.min(step, size - from))
    const tear = random.chance(0.1) ? random.below(source.byteLength) : 0
    bytes.set((isZero ? new Uint8Array(source.byteLength) : source).subarray(tear), from + tear)
  }
  if (ordering === 'scattered' || size === oldest.byteLength || random.chance(0.5)) return bytes
  return bytes.slice(0, Math.max(oldest.byteLength, floorTo(random.below(size + 1), BLOCK_BYTES)))
}

function mixSize(versions: readonly Uint8Array[], ordering: Ordering, random: Random): number {
  const sizes = versions.map(({ byteLength }) => byteLength)
  if (random.chance(0.6)) return sizes.at(-1) as number
  if (ordering === 'ordered' || random.chance(0.5)) return random.pick(sizes)
  return Math.min(...sizes) + random.below(Math.max(...sizes) - Math.min(...sizes) + 1)
}

/** The bytes that are not the same in all versions; all of them after a flush that failed. */
function findChanged({ disk, dirty }: FileNode, size: number): readonly [number, number] {
  const writes = dirty.filter(({ start, end }) => end > start)
  if (disk.length > 1) return [0, size]
  return [
    Math.min(size, ...writes.map(({ start }) => start)),
    Math.min(size, Math.max(0, ...writes.map(({ end }) => end))),
  ]
}

function resize(bytes: Uint8Array, size: number): Uint8Array {
  const resized = new Uint8Array(size)
  resized.set(bytes.subarray(0, size))
  return resized
}

function floorTo(position: number, step: number): number {
  return position - (position % step)
}

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return left === right || Buffer.compare(left, right) === 0
}
