/** Restoring: an archive is verified, a store is opened where only its folder is named, and the values become commits. */

import { StorageError } from './base/errors.js'
import { nodeFileSystem } from './disk/file-system.js'
import { openArchiveFiles, openStorage } from './open.js'
import { type StoreParts, storePartsOf } from './store/parts.js'
import { type RestoreReport, type RestoreSettings, restoreArchive } from './store/restore.js'
import { Storage } from './store/storage.js'
import { openArchive, type VerifyOptions } from './store/verify.js'

/** How to restore a backup. */
export interface RestoreOptions extends RestoreSettings {
  /** The store: an open one, whose filesystem the archive is on as well, or the folder of one, which is made if missing. */
  readonly into: Storage | string
}

/** What a backup says of itself. */
export interface BackupDescription {
  /** The archive, absolute. */
  readonly path: string
  /** The last commit that is in it. */
  readonly revision: number
  readonly createdAt: Date
  readonly keys: number
  /** Of all values together. */
  readonly bytes: number
}

/**
 * Puts the values of a backup into a store. First the whole archive is verified; then each scope is one commit, and its
 * values get new versions. A new file has the mode that it had, as far as it lets no others write.
 *
 * When the promise resolves, every key of the archive holds its value, as durably as after `set`. When it rejects, each
 * scope is restored or untouched; run it again, and what is there already is passed over. Limits do not count. Rejects with
 * `CORRUPT_BACKUP` or `UNSUPPORTED_FORMAT` before anything is touched; with `CONFLICT` if a key holds another value and
 * `overwrite` is not set; and as `openStorage` and `set` do.
 */
export async function restore(source: string, options: RestoreOptions): Promise<RestoreReport> {
  const { into } = options
  const parts = typeof into === 'string' ? undefined : checkStorage(into)
  const archive = await openArchive(parts?.archives ?? openArchiveFiles(nodeFileSystem), source, options)
  try {
    if (parts !== undefined) return await restoreArchive(parts, archive, options)
    const storage = await openStorage(into as string)
    try {
      return await restoreArchive(checkStorage(storage), archive, options)
    } finally {
      await storage.close()
    }
  } finally {
    archive.close()
  }
}

/** Verifies a whole backup, as `restore` does first, and says what it holds. Rejects as that does. */
export async function verifyBackup(source: string, options: VerifyOptions = {}): Promise<BackupDescription> {
  const archive = await openArchive(openArchiveFiles(nodeFileSystem), source, options)
  archive.close()
  const { revision, createdAt, keys, bytes } = archive.head
  return { path: archive.path, revision, createdAt: new Date(createdAt), keys, bytes }
}

function checkStorage(into: unknown): StoreParts {
  const parts = into instanceof Storage ? storePartsOf(into) : undefined
  if (parts !== undefined) return parts
  throw new StorageError(
    'INVALID_OPTION',
    'The option into must be an open storage, or the path of a folder.',
  )
}
