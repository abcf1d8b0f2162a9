/**
 * Publishing: a key changes by one rename, from the work folder to the key or from the key to the work folder.
 *
 * P1  Only after the flush of the record that names the change.
 * P2  A large value, which no journal holds, is renamed into a folder with a synced name: lost with it, it would be gone.
 * P3  An error may be the reply of a call that was done all the same, and `ENOENT` a missing scope folder, a missing key
 *     or a work folder that lost its name; which one is looked up.
 */

import { crc32 } from 'node:zlib'
import type { Awaitable } from '../base/awaitable.js'
import type { ScopeId } from '../base/scope-id.js'
import { isErrorCode } from '../disk/disk.js'
import { deletedName, stagedName } from '../disk/layout.js'
import type { RecordedChange } from './record.js'
import type { Site } from './site.js'

/** A call that fails for a reason that cannot be found is tried again so often. */
const ATTEMPTS = 3

/** Whether a change is in place now, or its staged file and with it the work folder is gone. */
export type Published = 'published' | 'gone'

/** Makes a change visible. `folder` is the work folder; a superseded change has nothing to show. */
export function publishChange(site: Site, folder: string, change: RecordedChange): Awaitable<Published> {
  if (change.kind === 'set') return publishSet(site, `${folder}/${stagedName(change.value.staged)}`, change)
  if (change.kind === 'delete') return publishDelete(site, folder, change)
  return 'published'
}

type SetChange = RecordedChange & { readonly kind: 'set' }

function publishSet(site: Site, staged: string, change: SetChange): Promise<Published> {
  const path = site.layout.keyPath(change.scope, change.key)
  return renameSurely(site, [staged, path], async () => {
    if ((await site.disk.stat(staged)) !== undefined) {
      await makeScopeFolders(site, change.scope).catch(() => undefined) // the rename's own error is the one to tell
      if (isLarge(change)) await syncScopeNames(site, change.scope)
      return undefined
    }
    return (await isAt(site, path, change)) ? 'published' : 'gone'
  })
}

/** Whether a file holds what was recorded: its time alone could be another owner's, who took the same. */
async function isAt(site: Site, path: string, { time, value }: SetChange): Promise<boolean> {
  if ((await site.disk.stat(path))?.time !== time) return false
  const present = await site.disk.readFileAndStat(path)
  return present?.stat.time === time && present.stat.size === value.size && crc32(present.bytes) === value.crc
}

async function publishDelete(
  site: Site,
  folder: string,
  change: RecordedChange & { kind: 'delete' },
): Promise<Published> {
  const path = site.layout.keyPath(change.scope, change.key)
  const removed = `${folder}/${deletedName(change.removed)}`
  const published = await renameSurely(site, [path, removed], async () => {
    if ((await site.disk.stat(folder)) === undefined) return 'gone'
    return (await site.disk.stat(path)) === undefined ? 'published' : undefined
  })
  try {
    if (published === 'published') await site.disk.unlink(removed)
  } catch {
    // The key is gone, and what is left here goes when the work folder is emptied.
  }
  return published
}

/** Renames. Where that fails, `explain` looks what came of it (P3); if nothing, and something was missing, once more. */
async function renameSurely(
  site: Site,
  [from, to]: readonly [string, string],
  explain: () => Promise<Published | undefined>,
): Promise<Published> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await site.disk.rename(from, to)
      return 'published'
    } catch (error) {
      const isMissing = isErrorCode(error, 'ENOENT')
      const meaning = await explain()
      if (meaning === 'published' || (isMissing && meaning === 'gone')) return meaning
      if (!isMissing || attempt === ATTEMPTS) throw error
    }
  }
}

/** Whether no journal holds the value, but only its staged file. */
export function isLarge(change: RecordedChange): boolean {
  return change.kind === 'set' && change.value.bytes === undefined
}

/** Makes the folders of a scope where they are missing. */
export async function makeScopeFolders(site: Site, scope: ScopeId): Promise<void> {
  for (const folder of site.layout.scopeFolders(scope)) {
    try {
      await site.disk.makeFolder(folder, site.folderMode)
    } catch (error) {
      if (!isErrorCode(error, 'EEXIST')) throw error
    }
  }
}

/** The names of a scope's folders are synced, but not those of the files in it. */
export async function syncScopeNames(site: Site, scope: ScopeId): Promise<void> {
  const folders = [site.layout.root, ...site.layout.scopeFolders(scope)]
  for (const folder of folders.slice(0, -1)) await site.disk.syncFolder(folder)
}

/** The folders whose names must be synced for the files of these scopes to be found: their own and all above. */
export async function syncScopeFolders(site: Site, scopes: Iterable<ScopeId>): Promise<void> {
  const folders = new Set<string>()
  for (const scope of scopes) for (const folder of site.layout.scopeFolders(scope)) folders.add(folder)
  if (folders.size === 0) return
  for (const folder of [...folders].reverse()) await site.disk.syncFolder(folder)
  await site.disk.syncFolder(site.layout.root)
}
