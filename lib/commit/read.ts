/** Reading: a file is opened once, so a reader sees an old value or a new one, whole. */

import type { Awaitable } from '../base/awaitable.js'
import { diskError } from '../base/errors.js'
import type { ScopeId } from '../base/scope-id.js'
import type { FileStat } from '../disk/disk.js'
import { stagedName } from '../disk/layout.js'
import type { EntryBytes, ValueStat } from './engine.js'
import type { RecordedChange } from './record.js'
import type { Site } from './site.js'
import type { ReadFile, ValueCache } from './value-cache.js'
import { encodeVersion } from './version.js'

/** What values are read with. */
export interface Reading {
  readonly site: Site
  readonly cache: ValueCache
}

/** The bytes of a key; undefined if it holds none. */
export function readValue(
  { site, cache }: Reading,
  scope: ScopeId,
  key: string,
): Awaitable<Uint8Array | undefined> {
  const found = describing(site, scope, key, () => cache.read(scope, key))
  return found instanceof Promise ? found.then((file) => file?.bytes) : found?.bytes
}

/** The bytes of a key and what is known of them. */
export async function readEntry(
  { site, cache }: Reading,
  scope: ScopeId,
  key: string,
): Promise<EntryBytes | undefined> {
  const found = await describing(site, scope, key, () => cache.read(scope, key))
  return found && describeEntry(found)
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
  const { scope, key, value } = change
  const found =
    (await site.disk.readFileAndStat(`${folder}/${stagedName(value.staged)}`)) ??
    (await site.disk.readFileAndStat(site.layout.keyPath(scope, key))) // it got there meanwhile
  return found && describeEntry(found)
}

function describeEntry({ bytes, stat }: ReadFile): EntryBytes {
  return { bytes, ...describeValue(stat) }
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
