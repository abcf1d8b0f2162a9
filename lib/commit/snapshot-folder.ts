/** The folder of a snapshot: values under numbers, by a link to their file or as a copy of it. See snapshot.ts. */

import { StorageError } from '../base/errors.js'
import { CLOCK_TICK_MS, EDITED_READS } from '../base/limits.js'
import { type FileStat, isErrorCode } from '../disk/disk.js'
import { linkName, stagedName } from '../disk/layout.js'
import { ignoring } from './claim.js'
import type { SnapshotReader, SnapshotValue } from './engine.js'
import type { Unpublished } from './publisher.js'
import type { Site } from './site.js'

/** What a system answers that does not let this process link to a file: it is another user's, or has too many names. */
const REFUSALS = ['EPERM', 'EACCES', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EXDEV']

/** A value that the folder holds. */
export interface LinkedValue extends SnapshotValue {
  readonly number: number
  /** Of the key's file. */
  readonly inode: bigint
  /** What was known of the file that it is a copy of. */
  readonly copied?: FileStat | undefined
}

/** The files of one snapshot. */
export class SnapshotFolder {
  readonly #site: Site
  readonly #path: string
  #last = 0

  /** An empty folder of this process's own. */
  constructor(site: Site, path: string) {
    this.#site = site
    this.#path = path
  }

  /** Links to the file at a path, without copying; undefined if there is none, or it cannot be linked to. */
  async link(key: string, path: string): Promise<LinkedValue | undefined> {
    const number = this.#next()
    try {
      await this.#site.disk.link(path, this.#pathOf(number))
    } catch (error) {
      if (isErrorCode(error, 'ENOENT', ...REFUSALS)) return undefined
      throw error
    }
    const stat = await this.#site.disk.stat(this.#pathOf(number))
    if (stat?.kind === 'file') return { key, number, inode: stat.inode, size: stat.size }
    await this.#remove(number) // something else was put there meanwhile
    return undefined
  }

  /** The same for the owner of the store: what cannot be linked to is copied. */
  async hold(key: string, path: string): Promise<LinkedValue | undefined> {
    return (await this.link(key, path)) ?? this.#copy(key, path)
  }

  /** Where a value lies that is certain and not in place yet. */
  stagedPath({ folder, change }: Unpublished): string {
    return `${folder}/${stagedName(change.kind === 'set' ? change.value.staged : 0)}`
  }

  /** Opens a value for reading. Rejects with `IO_ERROR` if it was taken away. */
  async open(value: LinkedValue): Promise<SnapshotReader> {
    const { disk } = this.#site
    const path = this.#pathOf(value.number)
    const stat = await disk.stat(path)
    const isOld = stat !== undefined && ageMs(this.#site, stat) > CLOCK_TICK_MS
    const file = await disk.openReader(path)
    if (file === undefined || stat === undefined) throw this.#lost(value.key)
    const isUnchanged = async (): Promise<boolean> => {
      const now = await disk.stat(path)
      return value.copied !== undefined || (isOld && now?.time === stat.time && now.size === stat.size)
    }
    const { time, mode } = value.copied ?? stat
    return {
      ...{ size: stat.size, time, mode, isUnchanged },
      read: (position, length) => file.read(position, length),
      close: () => file.close(),
    }
  }

  /** A value is not needed any more. */
  async drop({ number }: LinkedValue): Promise<void> {
    await this.#remove(number)
  }

  /** Reads until the file has stood still (N3), and writes the value under a number of the folder. */
  async #copy(key: string, path: string): Promise<LinkedValue | undefined> {
    const { disk, fileMode: mode } = this.#site
    for (let attempt = 1; ; attempt += 1) {
      const found = await disk.readFileAndStat(path)
      if (found === undefined) return undefined
      const { bytes, stat } = found
      const after = await disk.stat(path)
      const isOld = ageMs(this.#site, stat) > CLOCK_TICK_MS
      if (isOld && after?.time === stat.time && after.size === bytes.byteLength) {
        const number = this.#next()
        await disk.createFile(this.#pathOf(number), bytes, { mode })
        return { key, number, inode: stat.inode, size: bytes.byteLength, copied: stat }
      }
      if (attempt === EDITED_READS) throw edited(this.#site, key)
      await new Promise((resolve) => setTimeout(resolve, CLOCK_TICK_MS))
    }
  }

  #next(): number {
    this.#last += 1
    return this.#last
  }

  #pathOf(number: number): string {
    return `${this.#path}/${linkName(number)}`
  }

  async #remove(number: number): Promise<void> {
    await ignoring(['ENOENT'], () => this.#site.disk.unlink(this.#pathOf(number)))
  }

  #lost(key: string): StorageError {
    const message = `The snapshot's file of ${JSON.stringify(key)} was taken away by another process; try again.`
    return new StorageError('IO_ERROR', message, { store: this.#site.layout.root, key })
  }
}

/** How long ago a file was changed, or in how long it will have been, by the clock of files. */
export function ageMs(site: Site, { time }: Pick<FileStat, 'time'>): number {
  return Math.abs(site.host.now() - Number(time / 1_000_000n))
}

/** A value is edited in place again and again. */
function edited(site: Site, key: string): StorageError {
  const message = `The file of ${JSON.stringify(key)} is edited in place again and again; try again when it stands still.`
  return new StorageError('CONFLICT', message, { store: site.layout.root, key })
}
