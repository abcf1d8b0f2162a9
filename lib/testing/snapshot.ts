/** All that a filesystem in memory holds at one moment. */

import type { FileSystem } from '../index.js'

/** A look-alike of node:fs with what tests and snapshots use beside the store. */
export interface MemoryFiles extends FileSystem {
  /** The bytes of a file. */
  readFileSync(path: string): Uint8Array
  /** The text of a file. */
  readFileSync(path: string, encoding: 'utf8'): string
  /** Makes or overwrites a file in place, as an editor may. */
  writeFileSync(path: string, contents: string | Uint8Array, options?: { readonly mode?: number }): void
  /** Removes a file, or a folder with all that is in it. */
  rmSync(path: string, options?: { readonly recursive?: boolean; readonly force?: boolean }): void
}

interface Stored {
  readonly path: string
  /** Undefined for a folder. */
  readonly bytes: Uint8Array | undefined
  readonly mode: number
  /** Modification time, in seconds since 1970. */
  readonly seconds: number
}

/** Folders and files with their modes and times; folders come before what is in them. */
export type DiskSnapshot = readonly Stored[]

/** Everything below a folder. */
export function takeSnapshot(fs: MemoryFiles, folder: string): DiskSnapshot {
  return fs.readdirSync(folder).flatMap((name) => {
    const path = `${folder === '/' ? '' : folder}/${name}`
    const stat = fs.lstatSync(path)
    const isFolder = stat.isDirectory()
    const bytes = isFolder ? undefined : Uint8Array.from(fs.readFileSync(path))
    const stored = { path, bytes, mode: stat.mode & 0o777, seconds: stat.mtimeMs / 1000 }
    return [stored, ...(isFolder ? takeSnapshot(fs, path) : [])]
  })
}

/** Puts a snapshot in place of everything. */
export function putSnapshot(fs: MemoryFiles, snapshot: DiskSnapshot): void {
  for (const name of fs.readdirSync('/')) fs.rmSync(`/${name}`, { recursive: true, force: true })
  for (const { path, bytes, mode } of snapshot) {
    if (bytes === undefined) fs.mkdirSync(path, { mode })
    else fs.writeFileSync(path, bytes, { mode })
  }
  for (const { path, seconds } of [...snapshot].reverse()) fs.utimesSync(path, seconds, seconds)
}
