/** The calls of node:fs that a store makes, for one process, on a simulated disk. Any of them can be made to fail. */

import { constants } from 'node:fs'
import type { FileSystem } from '../../lib/disk/file-system.js'
import { type FileNode, type Node, presentOf, type SimulatedDisk, systemError } from './simulated-disk.js'

/** How a call fails. */
export interface CallFault {
  /** What it answers. */
  readonly code: string
  /**
   * Nothing is done; or everything, and then it is reported as failed; or half of the bytes of a write, and that is what
   * it says. A flush that is not done loses what it should have flushed. `skipped` is nothing done, reported as done.
   */
  readonly how: 'undone' | 'done' | 'short' | 'skipped'
}

/** What a test learns of a process's calls, and does about them. */
export interface CallHooks {
  /** Asked before each call but `close`; `target` is the path, or that of the open file. */
  onCall?: ((call: string, target: string) => CallFault | undefined) | undefined
  /** Told after each call that changed the disk, or flushed it. */
  onChange?: ((call: string, target: string) => void) | undefined
}

/** How long calls take, in microseconds: the store makes files ahead where that takes long, and flushes in threads. */
export interface CallCosts {
  readonly call: number
  readonly create: number
  readonly flush: number
}

export const QUICK_CALLS: CallCosts = { call: 1, create: 1, flush: 1 }
export const SLOW_CALLS: CallCosts = { call: 1, create: 400, flush: 5000 }

interface OpenFile {
  readonly path: string
  readonly inode: number
}

type Callback = (error: Error | null, result?: unknown) => void

type Body<T> = (disk: SimulatedDisk, fault?: CallFault) => T

/** One process's view of a disk, with descriptors of its own. */
export class SimulatedFileSystem {
  readonly constants: typeof constants = constants
  readonly hooks: CallHooks = {}
  readonly #costs: CallCosts
  readonly #open = new Map<number, OpenFile>()
  #disk: SimulatedDisk | undefined
  #lastDescriptor = 2

  constructor(disk: SimulatedDisk, costs: CallCosts) {
    this.#disk = disk
    this.#costs = costs
  }

  /** As a store takes it. */
  get fs(): FileSystem {
    return this as unknown as FileSystem
  }

  /** The process is gone: nothing that it still does reaches the disk, which it does not keep in memory either. */
  disconnect(): void {
    this.#disk = undefined
    this.#open.clear()
  }

  accessSync(path: string): void {
    this.#look('access', path, (disk) => findNode(disk, path, 'access'))
  }

  realpathSync(path: string): string {
    this.#look('realpath', path, (disk) => findNode(disk, path, 'realpath'))
    return path
  }

  lstatSync(path: string, { throwIfNoEntry = true }: { throwIfNoEntry?: boolean } = {}): Stats | undefined {
    return this.#look('stat', path, (disk) => {
      const node = throwIfNoEntry ? findNode(disk, path, 'stat') : disk.find(path)
      return node && new Stats(node)
    })
  }

  statSync(path: string, options?: { throwIfNoEntry?: boolean }): Stats | undefined {
    return this.lstatSync(path, options)
  }

  readdirSync(path: string): string[] {
    return this.#look('readdir', path, (disk) => [...listFolder(disk, path).keys()])
  }

  readFileSync(path: string, encoding?: BufferEncoding): Buffer | string {
    return this.#look('readFile', path, (disk) => {
      const bytes = Buffer.from(presentOf(findFile(disk, path)).bytes)
      return encoding === undefined ? bytes : bytes.toString(encoding)
    })
  }

  mkdirSync(path: string, { mode = 0o777 }: { mode?: number } = {}): void {
    this.#change('mkdir', path, (disk) => disk.makeFolder(path, mode))
  }

  renameSync(from: string, to: string): void {
    this.#change('rename', `${from} ${to}`, (disk) => disk.rename(from, to))
  }

  linkSync(from: string, to: string): void {
    this.#change('link', `${from} ${to}`, (disk) => disk.link(from, to))
  }

  unlinkSync(path: string): void {
    this.#change('unlink', path, (disk) => disk.unlink(path))
  }

  rmdirSync(path: string): void {
    this.#change('rmdir', path, (disk) => disk.removeFolder(path))
  }

  openSync(path: string, flags: number, mode = 0o666): number {
    const isNew = (flags & constants.O_CREAT) !== 0
    const inode = isNew
      ? this.#change('open', path, (disk) => disk.createFile(path, mode), this.#costs.create)
      : this.#look('open', path, (disk) => findNode(disk, path, 'open').inode)
    this.#lastDescriptor += 1
    this.#open.set(this.#lastDescriptor, { path, inode })
    return this.#lastDescriptor
  }

  /** What a process holds is given back whatever becomes of it. */
  closeSync(descriptor: number): void {
    this.#open.delete(descriptor)
  }

  fstatSync(descriptor: number): Stats {
    const { path, inode } = this.#find(descriptor)
    return this.#look('fstat', path, (disk) => new Stats(disk.node(inode)))
  }

  fchmodSync(descriptor: number, mode: number): void {
    const { path, inode } = this.#find(descriptor)
    this.#change('fchmod', path, (disk) => disk.setMode(inode, mode))
  }

  utimesSync(path: string, _: number, seconds: number): void {
    this.#change('utimes', path, (disk) => {
      const { kind, inode } = findNode(disk, path, 'utimes')
      if (kind === 'file') disk.setTime(inode, Math.floor(seconds * 1e6))
    })
  }

  futimesSync(descriptor: number, _: number, seconds: number): void {
    const { path, inode } = this.#find(descriptor)
    this.#change('futimes', path, (disk) => disk.setTime(inode, Math.floor(seconds * 1e6)))
  }

  readSync(descriptor: number, bytes: Uint8Array, offset: number, length: number, position: number): number {
    const { path, inode } = this.#find(descriptor)
    return this.#look('read', path, (disk) => {
      const found = presentOf(disk.file(inode)).bytes.subarray(position, position + length)
      bytes.set(found, offset)
      return found.byteLength
    })
  }

  writeSync(descriptor: number, bytes: Uint8Array, offset: number, length: number, position: number): number {
    const { path, inode } = this.#find(descriptor)
    return this.#change('write', path, (disk, fault) => {
      const count = fault?.how === 'short' ? Math.ceil(length / 2) : length
      disk.write(inode, bytes.subarray(offset, offset + count), position)
      return count
    })
  }

  fdatasyncSync(descriptor: number): void {
    this.#flush('fdatasync', descriptor)
  }

  fdatasync(descriptor: number, callback: Callback): void {
    later(callback, () => this.#flush('fdatasync', descriptor))
  }

  fsync(descriptor: number, callback: Callback): void {
    later(callback, () => this.#flush('fsync', descriptor))
  }

  open(path: string, flags: number, mode: number, callback: Callback): void {
    later(callback, () => this.openSync(path, flags, mode))
  }

  readdir(path: string, _: unknown, callback: Callback): void {
    later(callback, () =>
      this.#look('readdir', path, (disk) =>
        [...listFolder(disk, path)].map(([name, inode]) => new Entry(name, disk.node(inode))),
      ),
    )
  }

  read(...[descriptor, bytes, offset, length, position, callback]: AsyncTransfer): void {
    later(callback, () => this.readSync(descriptor, bytes, offset, length, position))
  }

  write(...[descriptor, bytes, offset, length, position, callback]: AsyncTransfer): void {
    later(callback, () => this.writeSync(descriptor, bytes, offset, length, position))
  }

  watch(): { on(): void; close(): void } {
    return { on: () => undefined, close: () => undefined }
  }

  #flush(call: string, descriptor: number): void {
    const { path, inode } = this.#find(descriptor)
    const flush = (disk: SimulatedDisk): void => disk.flush(inode, call === 'fdatasync')
    this.#change(call, path, flush, this.#costs.flush, (disk) => disk.failFlush(inode))
  }

  #find(descriptor: number): OpenFile {
    const file = this.#open.get(descriptor)
    if (file === undefined) throw systemError('EBADF', `descriptor ${descriptor}`)
    return file
  }

  #look<T>(call: string, target: string, body: Body<T>): T {
    const disk = this.#enter(this.#costs.call)
    const fault = this.hooks.onCall?.(call, target)
    if (fault?.how === 'undone') throw makeFailed(fault, call, target)
    const result = body(disk)
    if (fault?.how === 'done') throw makeFailed(fault, call, target)
    return result
  }

  #change<T>(
    call: string,
    target: string,
    body: Body<T>,
    costUs: number = this.#costs.call,
    fail?: (disk: SimulatedDisk) => void,
  ): T {
    const disk = this.#enter(costUs)
    const fault = this.hooks.onCall?.(call, target)
    if (fault?.how === 'undone') {
      fail?.(disk)
      throw makeFailed(fault, call, target)
    }
    if (fault?.how === 'skipped') return undefined as T
    const result = body(disk, fault)
    this.hooks.onChange?.(call, target)
    if (fault?.how === 'done') throw makeFailed(fault, call, target)
    return result
  }

  #enter(costUs: number): SimulatedDisk {
    const disk = this.#disk
    if (disk === undefined) throw systemError('EIO', 'the process is gone')
    disk.clock.us += costUs
    return disk
  }
}

type AsyncTransfer = [
  descriptor: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
  position: number,
  callback: Callback,
]

const NOW: Promise<void> = Promise.resolve()

/** Acts when the caller's code has come to its end, as a thread would. */
function later(callback: Callback, body: () => unknown): void {
  void NOW.then(() => {
    let result: unknown
    try {
      result = body()
    } catch (error) {
      callback(error as Error)
      return
    }
    callback(null, result)
  })
}

function makeFailed({ code, how }: CallFault, call: string, target: string): Error {
  return systemError(
    code,
    `${call} ${target}, ${how === 'done' ? 'done and reported as failed' : 'made to fail'}`,
  )
}

function findNode(disk: SimulatedDisk, path: string, call: string): Node {
  const node = disk.find(path)
  if (node === undefined) throw systemError('ENOENT', `${call} ${path}`)
  return node
}

function findFile(disk: SimulatedDisk, path: string): FileNode {
  const node = findNode(disk, path, 'open')
  if (node.kind === 'folder') throw systemError('EISDIR', `open ${path}`)
  return node
}

function listFolder(disk: SimulatedDisk, path: string): ReadonlyMap<string, number> {
  const node = findNode(disk, path, 'readdir')
  if (node.kind === 'file') throw systemError('ENOTDIR', `readdir ${path}`)
  return node.names
}

/** What is known of a node; the numbers are made when they are asked for, since most never are. */
class Stats {
  readonly #node: Node

  constructor(node: Node) {
    this.#node = node
  }

  isFile(): boolean {
    return this.#node.kind === 'file'
  }

  isDirectory(): boolean {
    return this.#node.kind === 'folder'
  }

  isSymbolicLink(): boolean {
    return false
  }

  get size(): number {
    return this.#node.kind === 'file' ? presentOf(this.#node).bytes.byteLength : 0
  }

  get mode(): number {
    return this.#node.kind === 'file' ? presentOf(this.#node).mode : this.#node.mode
  }

  get ino(): bigint {
    return BigInt(this.#node.inode)
  }

  get dev(): bigint {
    return 1n
  }

  get mtimeNs(): bigint {
    return BigInt((this.#node.kind === 'file' ? presentOf(this.#node) : this.#node).timeUs) * 1000n
  }

  get birthtimeNs(): bigint {
    return BigInt(this.#node.inode)
  }
}

/** A name in a folder and its kind. */
class Entry extends Stats {
  readonly name: string

  constructor(name: string, node: Node) {
    super(node)
    this.name = name
  }
}
