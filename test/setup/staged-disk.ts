/** A Disk whose every call a test can hold, fail, count, lose the reply of, or let act after its lookup. */

import type { Awaitable } from '../../lib/base/awaitable.js'
import type {
  CreateOptions,
  Disk,
  FileKind,
  FileStamp,
  FileStat,
  FolderReader,
  ReadableFile,
  WritableFile,
} from '../../lib/disk/disk.js'

/** The operations by name; `read`, `write`, `sync` and `close` are those of an open file. */
export type Operation = Exclude<keyof Disk, 'watchFolder' | 'isShared'> | 'read' | 'write' | 'sync'

/** One call on its way to the disk. */
export interface DiskCall {
  readonly operation: Operation
  readonly paths: readonly string[]
  /** For a write: what is written. */
  readonly bytes?: Uint8Array | undefined
  /** Looks the folders of all paths up now; the call then acts in those folders, whatever their names are by then. */
  pin(): void
}

/** Stands between a process and its disk: `perform` does the call. */
export type Interceptor = (call: DiskCall, perform: () => Promise<unknown>) => Promise<unknown>

/** How to name a path by the identity of its folder. Rejects with `ENOENT` if there is no such folder. */
export type Pin = (path: string) => string

/** A Disk before another one, for one process. */
export class StagedDisk implements Disk {
  /** What every call goes through; with none calls go straight to the disk. */
  intercept: Interceptor | undefined
  /** What every hint goes through; with none they are given at once. */
  onHint: ((give: () => void, giveNoName: () => void) => void) | undefined
  /** Every call so far, as `rename /a /b`. */
  readonly log: string[] = []
  #disk: Disk
  /** Whether the file was made, by the path of the spare. */
  readonly #spares = new Map<string, Promise<boolean>>()
  readonly #pin: Pin

  constructor(disk: Disk, pin: Pin) {
    this.#disk = disk
    this.#pin = pin
  }

  /** Nothing that this process still does reaches the disk, and no call returns. */
  disconnect(): void {
    this.intercept = () => new Promise(() => {})
    this.onHint = () => {}
    this.#disk = this
    this.log.length = 0
  }

  readFile(path: string): Awaitable<Uint8Array | undefined> {
    return this.#call('readFile', [path], (disk, at) => disk.readFile(at))
  }

  readFileAndStat(path: string): Awaitable<{ bytes: Uint8Array; stat: FileStat } | undefined> {
    return this.#call('readFileAndStat', [path], (disk, at) => disk.readFileAndStat(at))
  }

  stat(path: string): Awaitable<FileStat | undefined> {
    return this.#call('stat', [path], (disk, at) => disk.stat(at))
  }

  isUnchanged(path: string, stamp: FileStamp): Awaitable<boolean> {
    return this.#call('isUnchanged', [path], (disk, at) => disk.isUnchanged(at, stamp))
  }

  isWritable(folder: string): Awaitable<boolean> {
    return this.#call('isWritable', [folder], (disk, at) => disk.isWritable(at))
  }

  listNames(folder: string): Awaitable<string[] | undefined> {
    return this.#call('listNames', [folder], (disk, at) => disk.listNames(at))
  }

  listKind(folder: string, kind: FileKind): Awaitable<string[] | undefined> {
    return this.#call('listKind', [folder], (disk, at) => disk.listKind(at, kind))
  }

  openFolder(path: string): Awaitable<FolderReader | undefined> {
    return this.#call('openFolder', [path], (disk, at) => disk.openFolder(at))
  }

  createFile(path: string, bytes: Uint8Array, options: CreateOptions): Awaitable<FileStat> {
    const spare = this.#spares.get(path)
    const create = (disk: Disk, at: string): Awaitable<FileStat> => disk.createFile(at, bytes, options)
    if (spare === undefined) return this.#call('createFile', [path], create, bytes)
    this.#spares.delete(path)
    const fill = async (disk: Disk, at: string): Promise<FileStat> => {
      await disk.unlink(at)
      return disk.createFile(at, bytes, options)
    }
    return spare.then((isMade) => this.#call('createFile', [path], isMade ? fill : create, bytes))
  }

  makeSpare(path: string, mode: number): void {
    const make = async (): Promise<boolean> => {
      try {
        await this.#call('makeSpare', [path], (disk, at) => disk.createFile(at, new Uint8Array(), { mode }))
        return true
      } catch {
        return false
      }
    }
    this.#spares.set(path, make())
  }

  async removeSpares(folder: string): Promise<void> {
    for (const [path, spare] of this.#spares) {
      if (!path.startsWith(`${folder}/`)) continue
      this.#spares.delete(path)
      try {
        if (await spare) await this.unlink(path)
      } catch {} // it goes when the folder is emptied
    }
  }

  openFile(path: string): Awaitable<WritableFile> {
    const stage = (file: WritableFile): WritableFile => ({
      read: (position, length) => this.#call('read', [path], () => file.read(position, length)),
      write: (bytes, position) => this.#call('write', [path], () => file.write(bytes, position), bytes),
      sync: () => this.#call('sync', [path], () => file.sync()),
      close: () => file.close(),
    })
    const opened = this.#call('openFile', [path], (disk, at) => disk.openFile(at))
    return opened instanceof Promise ? opened.then(stage) : stage(opened)
  }

  openReader(path: string): Awaitable<ReadableFile | undefined> {
    return this.#call('openReader', [path], (disk, at) => disk.openReader(at))
  }

  makeFolder(path: string, mode: number): Awaitable<void> {
    return this.#call('makeFolder', [path], (disk, at) => disk.makeFolder(at, mode))
  }

  rename(from: string, to: string): Awaitable<void> {
    return this.#call('rename', [from, to], (disk, source, target) => disk.rename(source, target))
  }

  link(existing: string, path: string): Awaitable<void> {
    return this.#call('link', [existing, path], (disk, source, target) => disk.link(source, target))
  }

  unlink(path: string): Awaitable<void> {
    return this.#call('unlink', [path], (disk, at) => disk.unlink(at))
  }

  removeFolder(path: string): Awaitable<void> {
    return this.#call('removeFolder', [path], (disk, at) => disk.removeFolder(at))
  }

  setTime(path: string, time: bigint): Awaitable<void> {
    return this.#call('setTime', [path], (disk, at) => disk.setTime(at, time))
  }

  syncFile(path: string): Awaitable<boolean> {
    return this.#call('syncFile', [path], (disk, at) => disk.syncFile(at))
  }

  syncFolder(path: string): Awaitable<boolean> {
    return this.#call('syncFolder', [path], (disk, at) => disk.syncFolder(at))
  }

  isShared(): boolean {
    return false
  }

  watchFolder(...[path, onHint, onLost]: Parameters<Disk['watchFolder']>): { close(): void } {
    if (this.#disk === this) return { close: () => {} }
    let isOpen = true
    const give = (name: string | undefined): void => {
      if (isOpen) onHint(name)
    }
    const stage = (name: string | undefined): void => {
      if (this.onHint === undefined) give(name)
      else
        this.onHint(
          () => give(name),
          () => give(undefined),
        )
    }
    const watch = this.#disk.watchFolder(path, stage, onLost)
    return {
      close: () => {
        isOpen = false
        watch.close()
      },
    }
  }

  #call<T>(
    operation: Operation,
    paths: readonly string[],
    body: (disk: Disk, source: string, target: string) => Awaitable<T>,
    bytes?: Uint8Array,
  ): Awaitable<T> {
    this.log.push([operation, ...paths].join(' '))
    const disk = this.#disk
    let [source = '', target = ''] = paths
    if (this.intercept === undefined) return body(disk, source, target)
    const pin = (): void => {
      source = this.#pin(source)
      if (paths.length > 1) target = this.#pin(target)
    }
    return this.intercept({ operation, paths, bytes, pin }, async () =>
      body(disk, source, target),
    ) as Promise<T>
  }
}
