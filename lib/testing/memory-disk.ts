/**
 * Stores in memory: the same engine over memfs, so that a test sees the same files, errors and versions. What it shows
 * of accidents: a call that fails, a process that dies, and a power cut, each at any moment.
 */

import { type FileSystem, openStorage, type Storage, type StorageOptions } from '../index.js'
import { Power, type PowerCutOptions } from './power.js'
import { type DiskSnapshot, type MemoryFiles, putSnapshot, takeSnapshot } from './snapshot.js'
import { type FaultOptions, type SystemCall, VolatileFileSystem } from './volatile-fs.js'

/** How to open a store in memory: as `openStorage`, but for the filesystem. */
export type MemoryOptions = Omit<StorageOptions, 'fs'> & {
  /** The store's root folder on that disk. Default: `/data`. */
  readonly path?: string | undefined
}

/** Opens an empty store in memory. Needs the package memfs; rejects as `import` does where it is missing. */
export async function createMemoryStorage(options: MemoryOptions = {}): Promise<Storage> {
  return (await createMemoryDisk()).open(options)
}

/** An empty disk in memory, for tests that look at the files, or make calls fail. Needs the package memfs. */
export async function createMemoryDisk(): Promise<MemoryDisk> {
  const { createFsFromVolume, Volume } = await import('memfs')
  return new MemoryDisk(createFsFromVolume(new Volume()) as unknown as MemoryFiles)
}

/** A disk in memory, and the one process that uses it. */
export class MemoryDisk {
  /** The files, as a look-alike of node:fs: what is done here never fails on purpose, like an edit by hand. */
  readonly files: MemoryFiles
  readonly #power: Power
  readonly #stores = new Set<Storage>()
  #process: VolatileFileSystem
  #session = 0

  /** For `createMemoryDisk`; another complete look-alike of node:fs in memory will do as well. */
  constructor(files: MemoryFiles) {
    this.files = files
    this.#power = new Power(files)
    this.#process = this.#startProcess()
  }

  /** The option `fs` of `openStorage`; what `failNext` says holds for calls that come this way. */
  get fs(): FileSystem {
    return this.#process.fs
  }

  /** Opens the store in a folder of this disk; its handles share one engine, as those of one process do. */
  async open({ path = '/data', ...options }: MemoryOptions = {}): Promise<Storage> {
    // Made as by hand, so it is certain: memfs before 4.65 cannot sync the folder `/`.
    this.files.mkdirSync(path, { recursive: true, mode: options.folderMode ?? 0o700 })
    const storage = await openStorage(path, { ...options, fs: this.fs })
    this.#stores.add(storage)
    return storage
  }

  /**
   * The next calls of this name fail: `failNext('rename', 'ENOSPC')`. Nothing of them happens. A value is written by `open`,
   * `write`, `fdatasync` (of the journal) and `rename`. A rename of what is not there does not count.
   */
  failNext(call: SystemCall, code: string, options: FaultOptions = {}): void {
    this.#process.failNext(call, code, options)
  }

  /** What `failNext` said is forgotten. */
  heal(): void {
    this.#process.heal()
  }

  /**
   * The process dies: nothing that is under way reaches the disk, and stores that were opened are of no use any more.
   * Open them again, as the next process does, and what was committed is there. Resolves when the old ones are gone.
   */
  async crash(): Promise<void> {
    this.#process.cut()
    this.#process = this.#startProcess()
    const closing = [...this.#stores].map((storage) => storage.close())
    this.#stores.clear()
    await Promise.allSettled(closing) // each fails: its disk is gone
  }

  /**
   * The power fails: the process dies, and what it had not synced is lost, or only some of it if there is a seed. What was
   * committed is there when a store is opened again. What was done through `files` stays.
   */
  async cutPower(options: PowerCutOptions = {}): Promise<void> {
    this.#process.cut()
    this.#power.cut(options)
    this.#session += 1
    await this.crash()
  }

  /** All files as they are now, in the middle of a commit or not. */
  snapshot(): DiskSnapshot {
    return takeSnapshot(this.files, '/')
  }

  /** Crashes, and puts the files back as they were: what the next process finds after an accident at that moment. */
  async restore(snapshot: DiskSnapshot): Promise<void> {
    await this.crash()
    putSnapshot(this.files, snapshot)
    this.#power.reset()
  }

  #startProcess(): VolatileFileSystem {
    return new VolatileFileSystem({ ...this.#power.watch(), session: `memory ${this.#session}` })
  }
}
