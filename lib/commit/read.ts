/** Reading: a file is opened once, so a reader sees an old value or a new one, whole. */

import type { Awaitable } from '../base/awaitable.js'
import { diskError } from '../base/errors.js'
import type { ScopeId } from '../base/scope-id.js'
import type { FileStat } from '../disk/disk.js'
import { stagedName } from '../disk/layout.js'
import type { EntryBytes, ValueStat } from './engine.js'
import type { RecordedChange } from './record.js'
import type { Site } from './site.js'
import { encodeVersion } from './version.js'

/** The bytes of a key; undefined if it holds none. */
export function readValue(site: Site, scope: ScopeId, key: string): Awaitable<Uint8Array | undefined> {
  return describing(site, scope, key, () => site.disk.readFile(site.layout.keyPath(scope, key)))
}

/** The bytes of a key and what is known of them. */
export async function readEntry(site: Site, scope: ScopeId, key: string): Promise<EntryBytes | undefined> {
  const path = site.layout.keyPath(scope, key)
  const found = await describing(site, scope, key, () => site.disk.readFileAndStat(path))
  return found === undefined ? undefined : { bytes: found.bytes, ...describeValue(found.stat) }
}

/** What is known of a key's value; undefined if it holds none. */
export async function statValue(site: Site, scope: ScopeId, key: string): Promise<ValueStat | undefined> {
  const path = site.layout.keyPath(scope, key)
  const stat = await describing(site, scope, key, () => site.disk.stat(path))
  return stat?.kind === 'file' ? describeValue(stat) : undefined
}

/** What a certain change that is not in place yet gives to readers; undefined for a delete. */
export async function readUnpublished(
  site: Site,
  folder: string,
  change: RecordedChange,
): Promise<EntryBytes | undefined> {
  if (change.kind !== 'set') return undefined
  const found = await site.disk.readFileAndStat(`${folder}/${stagedName(change.value.staged)}`)
  if (found === undefined) return readEntry(site, change.scope, change.key) // it got there meanwhile
  return { bytes: found.bytes, ...describeValue(found.stat) }
}

function describeValue(stat: FileStat): ValueStat {
  const modifiedAt = new Date(Number(stat.time / 1_000_000n))
  return { version: encodeVersion(stat), size: stat.size, modifiedAt }
}

/** Runs a read; the error of a system call becomes a `StorageError` that says what was read. */
function describing<T>(site: Site, scope: ScopeId, key: string, read: () => Awaitable<T>): Awaitable<T> {
  const describe = (error: unknown): never => {
    throw diskError(error, `read ${JSON.stringify(key)}`, { store: site.layout.root, scope, key })
  }
  try {
    const result = read()
    return result instanceof Promise ? result.catch(describe) : result
  } catch (error) {
    return describe(error)
  }
}
