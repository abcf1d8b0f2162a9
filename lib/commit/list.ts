/**
 * Listing: which keys a scope holds, beside other processes that rename in it.
 *
 * On tmpfs and btrfs a readdir beside renames leaves out names that are there all the time. So a listing counts as
 * whole only if nothing was renamed meanwhile: because this process owns the store and published nothing, or because
 * the folder's time stood still, and has for longer than the kernel's clock takes to tick.
 */

import { CLOCK_TICK_MS, LISTING_ROUNDS, UNION_ROUNDS } from '../base/limits.js'
import type { ScopeId } from '../base/scope-id.js'
import type { FileKind } from '../disk/disk.js'
import { decodeName } from '../disk/layout.js'
import type { ListingCache } from './listing-cache.js'
import type { Publisher } from './publisher.js'
import type { RecordedChange } from './record.js'
import type { Site } from './site.js'

/** What a listing asks of the one that commits. */
export interface Stillness {
  /** Two equal numbers mean that nothing was published between them; undefined while others may publish. */
  readonly publications: number | undefined
  /** The certain changes of a scope that are not in place yet. */
  unpublishedOf(scope: ScopeId): Iterable<RecordedChange>
  /** Whether others are kept from publishing still. */
  isOwner(): Promise<boolean>
  /** Runs something while nobody publishes. */
  visit<T>(body: () => Promise<T>): Promise<T>
}

/** For those who only read: they cannot keep anybody from publishing. */
export const NO_STILLNESS: Stillness = {
  publications: undefined,
  unpublishedOf: () => [],
  isOwner: async () => false,
  visit: () => Promise.reject(new Error('Whoever only reads owns nothing.')),
}

/** What keys are listed with. */
export interface Listing {
  readonly site: Site
  readonly listings: ListingCache
}

/** The keys of a scope, in no order; a key that exists throughout the call is never left out. */
export async function listKeys(
  listing: Listing,
  stillness: Stillness,
  scope: ScopeId,
  signal?: AbortSignal,
): Promise<string[]> {
  const unpublished = [...stillness.unpublishedOf(scope)] // before the listing: in the course of it they may get there
  const keys = (await listing.listings.find(scope)) ?? (await listKeysAnew(listing, stillness, scope, signal))
  return applyChanges(keys, unpublished)
}

async function listKeysAnew(
  { site, listings }: Listing,
  stillness: Stillness,
  scope: ScopeId,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const folder = site.layout.scopePath(scope)
  const before = await site.disk.stat(folder)
  const nowMs = site.host.now()
  const keys = await decodeKeys(site, scope, await listStill(site, stillness, folder, signal))
  listings.keep(scope, keys, before, nowMs)
  return keys
}

/** The same while this process owns the store and publishes nothing. */
export async function listOwned(
  site: Site,
  scope: ScopeId,
  publisher?: Pick<Publisher, 'ofScope'>,
): Promise<string[]> {
  const names = await site.disk.listKind(site.layout.scopePath(scope), VALUE_KIND)
  const keys = await decodeKeys(site, scope, names ?? [])
  return applyChanges(keys, [...(publisher?.ofScope(scope) ?? [])])
}

/** The keys that names stand for. */
async function decodeKeys(site: Site, scope: ScopeId, names: Iterable<string>): Promise<string[]> {
  const keys: string[] = []
  for (const name of names) {
    const key = decodeName(name)
    if (key === undefined) continue
    if (key === name || isComposed(name) || (await isReachable(site, scope, key, name))) keys.push(key)
  }
  return keys
}

/** The keys after changes that are certain and not in place yet. */
function applyChanges(keys: string[], changes: readonly RecordedChange[]): string[] {
  if (changes.length === 0) return keys
  const left = new Set(keys)
  for (const change of changes) {
    if (change.kind === 'delete') left.delete(change.key)
    else left.add(change.key)
  }
  return [...left]
}

/** The decoded names of the folders in a folder, in no order. */
export async function listFolders(site: Site, folder: string): Promise<string[]> {
  const names = (await site.disk.listKind(folder, 'folder')) ?? []
  return names.flatMap((name) => decodeName(name) ?? [])
}

/** Whether a name is in NFC, as all are that the store makes. */
function isComposed(name: string): boolean {
  return name.normalize('NFC') === name
}

/** A name in decomposed form is a key only where the filesystem takes both forms for one. */
async function isReachable(site: Site, scope: ScopeId, key: string, name: string): Promise<boolean> {
  const path = site.layout.keyPath(scope, key)
  const [own, canonical] = [
    await site.disk.stat(`${site.layout.scopePath(scope)}/${name}`),
    await site.disk.stat(path),
  ]
  return own !== undefined && own.inode === canonical?.inode && own.device === canonical.device
}

/** The names of the files in a folder, in no order; one that exists throughout the call is never left out. */
export async function listStill(
  site: Site,
  stillness: Stillness,
  folder: string,
  signal?: AbortSignal,
): Promise<Iterable<string>> {
  const union = new Set<string>()
  for (let round = 0; round < LISTING_ROUNDS; round += 1) {
    signal?.throwIfAborted()
    const { names, isWhole } = await listOnce(site, stillness, folder)
    if (isWhole) return names
    for (const name of names) union.add(name)
    await new Promise((resolve) => setTimeout(resolve, CLOCK_TICK_MS))
  }
  return listAlone(site, stillness, folder, union)
}

async function listOnce(
  site: Site,
  stillness: Stillness,
  folder: string,
): Promise<{ names: readonly string[]; isWhole: boolean }> {
  const published = stillness.publications
  const before = await site.disk.stat(folder)
  const nowMs = site.host.now()
  const names = (await site.disk.listKind(folder, VALUE_KIND)) ?? []
  if (published !== undefined && published === stillness.publications && (await stillness.isOwner())) {
    return { names, isWhole: true }
  }
  const after = await site.disk.stat(folder)
  const ageMs = nowMs - Number((before?.time ?? 0n) / 1_000_000n)
  const isSame = before?.time === after?.time && before?.inode === after?.inode
  return { names, isWhole: isSame && Math.abs(ageMs) > CLOCK_TICK_MS }
}

/** Others publish without a pause: keep them from it for one listing. Where that cannot be, all that was seen counts. */
async function listAlone(
  site: Site,
  stillness: Stillness,
  folder: string,
  seen: ReadonlySet<string>,
): Promise<Iterable<string>> {
  const list = async (): Promise<readonly string[]> => (await site.disk.listKind(folder, VALUE_KIND)) ?? []
  try {
    return await stillness.visit(list)
  } catch {
    const names = new Set(seen)
    for (let round = 0; round < UNION_ROUNDS; round += 1) for (const name of await list()) names.add(name)
    const present: string[] = []
    for (const name of names)
      if ((await site.disk.stat(`${folder}/${name}`))?.kind === VALUE_KIND) present.push(name)
    return present
  }
}

const VALUE_KIND: FileKind = 'file'
