/** The one true path of a folder, so that two names for it are known to be the same store. */

import { basename, dirname, join, resolve } from 'node:path'
import { isErrorCode } from './disk.js'
import type { FileSystem } from './file-system.js'

/** A path made absolute, its links followed as far as it exists. Throws the error of the system call otherwise. */
export function resolveRealPath(fs: FileSystem, path: string): string {
  const absolute = resolve(path)
  try {
    return fs.realpathSync(absolute)
  } catch (error) {
    const parent = dirname(absolute)
    if (!isErrorCode(error, 'ENOENT') || parent === absolute) throw error
    return join(resolveRealPath(fs, parent), basename(absolute))
  }
}
