/** The names in a folder, some at a time. */

import type { Dir, Dirent } from 'node:fs'
import { FOLDER_READ_NAMES } from '../base/limits.js'
import { type FileKind, type FolderName, type FolderReader, isErrorCode } from './disk.js'
import type { FileSystem } from './file-system.js'

/** What a name stands for, by what the system says of it. */
export function kindOf(found: {
  isFile(): boolean
  isDirectory(): boolean
  isSymbolicLink(): boolean
}): FileKind {
  if (found.isFile()) return 'file'
  if (found.isDirectory()) return 'folder'
  return found.isSymbolicLink() ? 'link' : 'other'
}

/** See `Disk.openFolder`. A filesystem that cannot give names one by one gives all at once. */
export function openFolderReader(fs: FileSystem, path: string): FolderReader | undefined {
  try {
    // Bytes instead of text: Node takes `buffer` here, though its types leave it out.
    const options = { encoding: 'buffer' as BufferEncoding, bufferSize: FOLDER_READ_NAMES }
    const folder = fs.opendirSync?.(path, options)
    return folder === undefined ? readAtOnce(fs, path) : readSome(folder)
  } catch (error) {
    if (isErrorCode(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
}

function readSome(folder: Dir): FolderReader {
  return {
    read: () => {
      const names: FolderName[] = []
      while (names.length < FOLDER_READ_NAMES) {
        const found = folder.readSync()
        if (found === null) break
        names.push(describe(found))
      }
      return names
    },
    close: () => folder.closeSync(),
  }
}

function readAtOnce(fs: FileSystem, path: string): FolderReader {
  let left = fs.readdirSync(path, { withFileTypes: true }).map(describe)
  return {
    read: () => {
      const names = left
      left = []
      return names
    },
    close: () => undefined,
  }
}

/** A name as text, where it is text. */
function describe(found: Dirent): FolderName {
  const raw = found.name as string | Uint8Array
  const name = typeof raw === 'string' ? raw : Buffer.from(raw).toString()
  const isText = typeof raw === 'string' || Buffer.compare(Buffer.from(name), raw) === 0
  return { name, kind: kindOf(found), isText }
}
