/**
 * Archives: files outside of the store, read piece by piece, and written so that they appear only when they are whole.
 *
 * On the real filesystem write-file-atomic does the replacing: it makes a file beside the archive, flushes it, and
 * renames it. Its own writing is not used, since it takes a short write for success; the contents are written here, into
 * its new file, between the two. Over a look-alike of node:fs, which it does not take, the same steps are done here.
 */

import { randomBytes } from 'node:crypto'
import { dirname } from 'node:path'
import type { Awaitable } from '../base/awaitable.js'
import type { FileStat, ReadableFile } from './disk.js'
import { type FileSystem, flush, nodeFileSystem, writeFully } from './file-system.js'
import type { NodeDisk } from './node-disk.js'
import { resolveRealPath } from './real-path.js'

/** An archive that is being written. */
export interface GrowingFile {
  /** Writes all bytes there, or rejects having written some. Nothing is synced. */
  write(bytes: Uint8Array, position: number): Promise<void>
}

/** How archives are read and written. */
export interface ArchiveFiles {
  /** A path made absolute, its links followed as far as it exists. Throws the error of the system call. */
  resolve(path: string): string
  /** What a path stands for; undefined if there is nothing. Links are not followed. */
  stat(path: string): FileStat | undefined
  /** Opens a file for reading; undefined if there is none of that name. */
  open(path: string): Awaitable<ReadableFile | undefined>
  /**
   * Resolves when the file of this name holds what `body` wrote, and both it and its name are synced. Rejects with what
   * `body` rejects with, or with the error of a system call: then what was there before is there still, whole. A new file
   * has this mode, a replaced one keeps its own. A process that dies leaves a file beside it whose name has a number
   * behind it.
   */
  replace(path: string, mode: number, body: (file: GrowingFile) => Promise<void>): Promise<void>
}

/** Archives over a filesystem, and a disk over the same one. */
export function makeArchiveFiles(fs: FileSystem, disk: NodeDisk): ArchiveFiles {
  const replaceFile = fs === nodeFileSystem ? replaceByPackage : replaceByHand
  return {
    resolve: (path) => resolveRealPath(fs, path),
    stat: (path) => disk.stat(path),
    open: (path) => disk.openReader(path),
    replace: async (path, mode, body) => {
      await replaceFile(fs, path, mode, body)
      await disk.syncFolder(dirname(path))
    },
  }
}

type Replace = (
  fs: FileSystem,
  path: string,
  mode: number,
  body: (file: GrowingFile) => Promise<void>,
) => Promise<void>

const replaceByPackage: Replace = async (fs, path, mode, body) => {
  const { default: writeFileAtomic } = await import('write-file-atomic')
  const isNew = fs.statSync(path, { throwIfNoEntry: false }) === undefined
  const { O_RDWR, O_NOFOLLOW } = fs.constants
  await writeFileAtomic(path, undefined as never, {
    ...(isNew ? { mode } : {}),
    fsync: false, // done below, where a failure is told at once
    tmpfileCreated: (draft) => writing(fs, fs.openSync(draft, O_RDWR | O_NOFOLLOW), body),
  })
}

const replaceByHand: Replace = async (fs, path, mode, body) => {
  const { O_CREAT, O_EXCL, O_WRONLY, O_NOFOLLOW } = fs.constants
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  const present = fs.statSync(path, { throwIfNoEntry: false })
  const descriptor = fs.openSync(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode)
  try {
    if (present !== undefined) fs.fchmodSync(descriptor, present.mode & 0o777)
    await writing(fs, descriptor, body)
    fs.renameSync(draft, path)
  } catch (error) {
    try {
      fs.unlinkSync(draft)
    } catch {
      // The first error is the one to tell.
    }
    throw error
  }
}

/** Has a file written, flushes and closes it. */
async function writing(
  fs: FileSystem,
  descriptor: number,
  body: (file: GrowingFile) => Promise<void>,
): Promise<void> {
  try {
    await body({ write: (bytes, position) => writeFully(fs, descriptor, bytes, position) })
    await flush(fs, 'fsync', descriptor)
  } finally {
    fs.closeSync(descriptor)
  }
}
