/** The Disk over node:fs, or over anything that looks like it, such as memfs. */

import type { BigIntStats } from 'node:fs'
import type { Awaitable } from '../base/awaitable.js'
import { SMALL_VALUE_BYTES, TIME_STEPS_NS } from '../base/limits.js'
import {
  type CreateOptions,
  type Disk,
  type FileKind,
  type FileStamp,
  type FileStat,
  type FolderReader,
  identifyFile,
  isErrorCode,
  type ReadableFile,
  UNTIMED_MODE,
  type WritableFile,
} from './disk.js'
import {
  type FileSystem,
  flush,
  readFully,
  readFullySync,
  toSeconds,
  writeFully,
  writeFullySync,
} from './file-system.js'
import { kindOf, openFolderReader } from './folder-reader.js'
import { OpenedFile, RecentFlushes } from './opened-file.js'
import { Spares } from './spares.js'
import { isShared, watchNames } from './watch.js'

/** The smallest step of a time that can be set. */
const TIME_UNIT_NS = 1000n

/** What a name that stands for no value can answer when it is opened: nothing there, a link, a socket. */
const NOT_THERE = ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO']

/** A Disk over node:fs or a look-alike. Small operations are done at once; flushes and large transfers are not. */
export class NodeDisk implements Disk {
  readonly #fs: FileSystem
  readonly #syncReadLimitBytes: number
  readonly #readFlags: number
  readonly #spares: Spares
  /** Of all files that were opened for writing. */
  readonly #flushes = new RecentFlushes()

  /** Files up to `syncReadLimitBytes` are read at once, larger ones without blocking. */
  constructor(fs: FileSystem, syncReadLimitBytes: number) {
    const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = fs.constants
    this.#fs = fs
    this.#syncReadLimitBytes = syncReadLimitBytes
    this.#readFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK
    this.#spares = new Spares(fs, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW)
  }

  /** See `Disk`. */
  readFile(path: string): Awaitable<Uint8Array | undefined> {
    const descriptor = this.#openIfPresent(path)
    if (descriptor === undefined) return undefined
    return this.#closing(descriptor, () => {
      const stat = this.#fs.fstatSync(descriptor)
      return stat.isFile() ? this.#read(descriptor, stat.size) : undefined
    })
  }

  /** See `Disk`. */
  readFileAndStat(path: string): Awaitable<{ bytes: Uint8Array; stat: FileStat } | undefined> {
    const descriptor = this.#openIfPresent(path)
    if (descriptor === undefined) return undefined
    return this.#closing(descriptor, () => {
      const stat = describeStat(this.#fs.fstatSync(descriptor, { bigint: true }))
      if (stat.kind !== 'file') return undefined
      const reading = this.#read(descriptor, stat.size)
      return reading instanceof Promise
        ? reading.then((bytes) => ({ bytes, stat }))
        : { bytes: reading, stat }
    })
  }

  /** See `Disk`. */
  stat(path: string): FileStat | undefined {
    try {
      const stat = this.#fs.lstatSync(path, { bigint: true, throwIfNoEntry: false })
      return stat === undefined ? undefined : describeStat(stat)
    } catch (error) {
      if (isErrorCode(error, 'ENOTDIR')) return undefined // a file stands where a folder of the path was
      throw error
    }
  }

  /** See `Disk`. */
  isUnchanged(path: string, stamp: FileStamp): boolean {
    const stat = this.#fs.lstatSync(path, { throwIfNoEntry: false })
    return (
      stat !== undefined &&
      stat.ino === stamp.inode &&
      stat.ctimeMs === stamp.changedAtMs &&
      stat.mtimeMs === stamp.timeMs &&
      stat.size === stamp.size &&
      stat.dev === stamp.device
    )
  }

  /** See `Disk`. */
  isWritable(folder: string): boolean {
    try {
      this.#fs.accessSync(folder, this.#fs.constants.W_OK | this.#fs.constants.X_OK)
      return true
    } catch (error) {
      if (isErrorCode(error, 'EACCES', 'EPERM', 'EROFS')) return false
      throw error
    }
  }

  /** See `Disk`. */
  listNames(folder: string): string[] | undefined {
    try {
      return this.#fs.readdirSync(folder)
    } catch (error) {
      if (isErrorCode(error, 'ENOENT', 'ENOTDIR')) return undefined
      throw error
    }
  }

  /** See `Disk`. */
  listKind(folder: string, kind: FileKind): Promise<string[] | undefined> {
    return new Promise((resolve, reject) => {
      this.#fs.readdir(folder, { withFileTypes: true }, (error, found) => {
        if (isErrorCode(error, 'ENOENT', 'ENOTDIR')) resolve(undefined)
        else if (error) reject(error)
        else resolve(found.filter((entry) => kindOf(entry) === kind).map((entry) => entry.name))
      })
    })
  }

  /** See `Disk`. */
  openFolder(path: string): FolderReader | undefined {
    return openFolderReader(this.#fs, path)
  }

  /** See `Disk`. */
  createFile(path: string, bytes: Uint8Array, options: CreateOptions): Awaitable<FileStat> {
    if (!this.#spares.has(path)) return this.#createNew(path, bytes, options)
    const spare = this.#spares.take(path)
    if (spare instanceof Promise)
      return spare.then((descriptor) => this.#fillSpare(path, descriptor, bytes, options))
    return this.#fillSpare(path, spare, bytes, options)
  }

  /** See `Disk`. */
  makeSpare(path: string, mode: number): void {
    this.#spares.make(path, mode)
  }

  /** See `Disk`. */
  removeSpares(folder: string): Awaitable<void> {
    return this.#spares.remove(folder)
  }

  /** See `Disk`. */
  openFile(path: string): WritableFile {
    const fs = this.#fs
    const descriptor = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_NOFOLLOW)
    return new OpenedFile(fs, descriptor, this.#flushes)
  }

  /** See `Disk`. */
  makeFolder(path: string, mode: number): void {
    this.#fs.mkdirSync(path, { mode })
  }

  /** See `Disk`. */
  rename(from: string, to: string): void {
    this.#fs.renameSync(from, to)
  }

  /** See `Disk`. */
  link(existing: string, path: string): void {
    this.#fs.linkSync(existing, path)
  }

  /** See `Disk`. */
  unlink(path: string): void {
    this.#fs.unlinkSync(path)
  }

  /** See `Disk`. */
  removeFolder(path: string): void {
    this.#fs.rmdirSync(path)
  }

  /** See `Disk`. */
  setTime(path: string, time: bigint): void {
    this.#fs.utimesSync(path, toSeconds(time), toSeconds(time))
  }

  /** See `Disk`. */
  syncFile(path: string): Awaitable<boolean> {
    return this.#syncIf(path, (stat) => stat.isFile())
  }

  /** See `Disk`. */
  syncFolder(path: string): Awaitable<boolean> {
    return this.#syncIf(path, (stat) => stat.isDirectory())
  }

  /** See `Disk`. */
  openReader(path: string): ReadableFile | undefined {
    const fs = this.#fs
    const descriptor = this.#openIfPresent(path)
    if (descriptor === undefined) return undefined
    const stat = describeStat(fs.fstatSync(descriptor, { bigint: true }))
    if (stat.kind !== 'file') {
      fs.closeSync(descriptor)
      return undefined
    }
    return {
      identity: identifyFile(stat),
      read: (position, length) => readFullySync(fs, descriptor, new Uint8Array(length), position),
      close: () => fs.closeSync(descriptor),
    }
  }

  /** See `Disk`. */
  isShared(folder: string): boolean {
    return isShared(this.#fs, folder)
  }

  /** See `Disk`. */
  watchFolder(
    path: string,
    onHint: (name: string | undefined) => void,
    onLost?: (error: unknown) => void,
  ): { close(): void } {
    return watchNames(this.#fs, path, onHint, onLost)
  }

  #createNew(path: string, bytes: Uint8Array, options: CreateOptions): Awaitable<FileStat> {
    return this.#fill(path, this.#spares.create(path, options.mode), bytes, options)
  }

  #fillSpare(
    path: string,
    descriptor: number | undefined,
    bytes: Uint8Array,
    options: CreateOptions,
  ): Awaitable<FileStat> {
    if (descriptor === undefined) return this.#createNew(path, bytes, options)
    try {
      this.#fs.lstatSync(path) // like a new file, it must be in a folder that still has its name
    } catch (error) {
      this.#discard(path, descriptor)
      throw error
    }
    return this.#fill(path, descriptor, bytes, options)
  }

  #fill(path: string, descriptor: number, bytes: Uint8Array, options: CreateOptions): Awaitable<FileStat> {
    if (options.sync || bytes.byteLength > SMALL_VALUE_BYTES)
      return this.#fillLater(path, descriptor, bytes, options)
    try {
      writeFullySync(this.#fs, descriptor, bytes, 0)
      const stat = this.#finish(descriptor, options)
      this.#fs.closeSync(descriptor)
      return stat
    } catch (error) {
      this.#discard(path, descriptor)
      throw error
    }
  }

  #openIfPresent(path: string): number | undefined {
    try {
      return this.#fs.openSync(path, this.#readFlags)
    } catch (error) {
      if (isErrorCode(error, ...NOT_THERE)) return undefined
      throw error
    }
  }

  /** Does something with an open file and closes it, at once or when the promise is settled. */
  #closing<T>(descriptor: number, body: () => Awaitable<T>): Awaitable<T> {
    let result: Awaitable<T> | undefined
    try {
      result = body()
    } finally {
      if (!(result instanceof Promise)) this.#fs.closeSync(descriptor)
    }
    return result instanceof Promise ? result.finally(() => this.#fs.closeSync(descriptor)) : result
  }

  #read(descriptor: number, size: number): Awaitable<Uint8Array> {
    const bytes = new Uint8Array(size)
    if (size > this.#syncReadLimitBytes) return readFully(this.#fs, descriptor, bytes)
    return readFullySync(this.#fs, descriptor, bytes, 0)
  }

  async #fillLater(
    path: string,
    descriptor: number,
    bytes: Uint8Array,
    options: CreateOptions,
  ): Promise<FileStat> {
    try {
      await writeFully(this.#fs, descriptor, bytes)
      const stat = this.#finish(descriptor, options)
      if (options.sync) await flush(this.#fs, 'fsync', descriptor)
      this.#fs.closeSync(descriptor)
      return stat
    } catch (error) {
      this.#discard(path, descriptor)
      throw error
    }
  }

  #finish(descriptor: number, options: CreateOptions): FileStat {
    if (options.exactMode) this.#fs.fchmodSync(descriptor, options.mode)
    const { time, laterThan } = options
    if (time === undefined) return this.#statOpen(descriptor)
    if (laterThan === undefined) return this.#stampTime(descriptor, time, 0n)
    const written = this.#statOpen(descriptor).time
    return this.#stampTime(descriptor, written > time ? written + TIME_UNIT_NS : time, laterThan)
  }

  #statOpen(descriptor: number): FileStat {
    return describeStat(this.#fs.fstatSync(descriptor, { bigint: true }))
  }

  /** Sets the time, by coarser and coarser steps until what the filesystem holds is late enough. */
  #stampTime(descriptor: number, time: bigint, laterThan: bigint): FileStat {
    for (const step of TIME_STEPS_NS) {
      const seconds = toSeconds(time + step)
      this.#fs.futimesSync(descriptor, seconds, seconds)
      const stat = this.#statOpen(descriptor)
      if (stat.time <= laterThan) continue
      if ((stat.mode & UNTIMED_MODE) === 0) return stat
      this.#fs.fchmodSync(descriptor, stat.mode & ~UNTIMED_MODE)
      return this.#statOpen(descriptor)
    }
    throw Object.assign(new Error('The filesystem does not keep modification times.'), { code: 'ENOTSUP' })
  }

  /** Takes back a file that could not be completed, as far as possible: the first error is the one to tell. */
  #discard(path: string, descriptor: number): void {
    for (const undo of [() => this.#fs.closeSync(descriptor), () => this.#fs.unlinkSync(path)]) {
      try {
        undo()
      } catch {
        // Told already by the error that led here.
      }
    }
  }

  #syncIf(
    path: string,
    isWanted: (stat: { isFile(): boolean; isDirectory(): boolean }) => boolean,
  ): Awaitable<boolean> {
    const descriptor = this.#openIfPresent(path)
    if (descriptor === undefined) return false
    return this.#closing(descriptor, () => {
      if (!isWanted(this.#fs.fstatSync(descriptor))) return false
      return flush(this.#fs, 'fsync', descriptor).then(() => true)
    })
  }
}

function describeStat(stat: BigIntStats): FileStat {
  return {
    kind: kindOf(stat),
    time: stat.mtimeNs,
    inode: stat.ino,
    device: stat.dev,
    size: Number(stat.size),
    mode: Number(stat.mode) & 0o7777,
    bornAt: stat.birthtimeNs,
    changedAt: stat.ctimeNs,
  }
}
