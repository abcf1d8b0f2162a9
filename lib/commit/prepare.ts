/** Preparing: a store's folder and its format are there, or an error says why they cannot be. */

import { dirname } from 'node:path'
import { diskError, StorageError } from '../base/errors.js'
import { FORMAT_FILE_BYTES } from '../base/limits.js'
import { isErrorCode } from '../disk/disk.js'
import { encodeFormat, FORMAT, parseFormat, workName } from '../disk/layout.js'
import { emptyAndRemove, ignoring } from './claim.js'
import { describeKind } from './finding.js'
import type { Site } from './site.js'

/**
 * Makes the root folder, `.plainkeep` and `format.json` where they are missing; the folders are synced. Rejects with
 * `UNSUPPORTED_FORMAT` for a store of a later format, which is left untouched, with `IO_ERROR` where the path is not a
 * folder, and with `ACCESS_DENIED` or `DISK_FULL` where nothing can be made.
 */
export async function prepareStore(site: Site): Promise<void> {
  const { layout } = site
  const store = layout.root
  try {
    const bytes = await readFormat(site)
    if (bytes !== undefined) return checkFormat(store, bytes)
    await makeFolders(site, layout.control)
    await makeFormat(site)
  } catch (error) {
    if (isErrorCode(error, 'ENOTDIR', 'EEXIST')) {
      throw new StorageError(
        'IO_ERROR',
        `The store's path ${store} is a file or leads through one; name a folder.`,
        {
          store,
          cause: error,
        },
      )
    }
    throw diskError(error, `open the store ${store}`, { store })
  }
}

/** What `format.json` holds; undefined if it is not there. Of a file that is too long to be one, nothing. */
async function readFormat({ disk, layout }: Site): Promise<Uint8Array | undefined> {
  const stat = await disk.stat(layout.format)
  if (stat === undefined) return undefined
  if (stat.kind === 'file')
    return stat.size > FORMAT_FILE_BYTES ? new Uint8Array() : disk.readFile(layout.format)
  const message = `There is a ${describeKind(stat.kind)} at ${layout.format} where a file of the store belongs; move it away.`
  throw new StorageError('IO_ERROR', message, { store: layout.root })
}

function checkFormat(store: string, bytes: Uint8Array): void {
  const format = parseFormat(bytes)
  if (format === FORMAT) return
  const message =
    format === undefined
      ? `The file .plainkeep/format.json of the store ${store} names no format; it should hold {"format":${FORMAT}}.`
      : `The store ${store} has format ${format} and this version of plainkeep knows format ${FORMAT}; use a newer version.`
  throw new StorageError('UNSUPPORTED_FORMAT', message, { store })
}

/**
 * Makes a folder and those above it, and syncs all their names: whoever made one that is there may have died before that,
 * or not have thought of it. Where nothing had to be made, a folder that refuses is left to those who made it.
 */
async function makeFolders(site: Site, path: string): Promise<void> {
  const parent = dirname(path)
  if (parent === path) return
  await makeFolders(site, parent)
  const isThere = (await site.disk.stat(path)) !== undefined
  if (!isThere) await ignoring(['EEXIST'], () => site.disk.makeFolder(path, site.folderMode))
  await ignoring(isThere ? REFUSALS : [], () => site.disk.syncFolder(parent))
}

/** What the folders above a store may answer to one who only has the use of the store. */
const REFUSALS = ['EACCES', 'EPERM', 'EROFS', 'EINVAL', 'ENOTSUP']

/**
 * The file appears whole, though two processes may make it at once and either may die. Its name is synced before the first
 * commit; until then nothing is lost with it.
 */
async function makeFormat(site: Site): Promise<void> {
  const { disk, layout } = site
  const folder = layout.controlPath(workName(site.host.randomName()))
  const draft = `${folder}/format`
  await disk.makeFolder(folder, site.folderMode)
  try {
    await disk.createFile(draft, Buffer.from(encodeFormat()), { mode: site.fileMode, sync: true })
    await disk.rename(draft, layout.format)
  } catch (error) {
    // Another process has made the store, and swept this folder.
    if (!isErrorCode(error, 'ENOENT') || (await disk.stat(layout.format)) === undefined) throw error
  } finally {
    await emptyAndRemove(site, folder)
  }
}
