/**
 * Listings that were made lately, so that listing a scope again in which nothing happened takes one look at its folder.
 *
 * L1  A listing is given only if the folder, looked at for this very call, is as it was before the listing was made: a name
 *     that came, went or was replaced since, also in the middle of the listing, changes the folder's times.
 * L2  A folder's listing is remembered only if it had stood still for longer than its clock takes to tick.
 * L3  Only so many keys are kept, of all scopes together; where one listing more would be too much, all are forgotten.
 */

import { CACHED_KEY_BYTES } from '../base/limits.js'
import type { ScopeId } from '../base/scope-id.js'
import { type FileStamp, type FileStat, stampFile } from '../disk/disk.js'
import type { Site } from './site.js'
import { isStill } from './value-cache.js'

interface CachedListing {
  readonly stamp: FileStamp
  readonly keys: readonly string[]
}

/** Remembers listings. */
export class ListingCache {
  readonly #site: Site
  readonly #limitKeys: number
  readonly #listings = new Map<ScopeId, CachedListing>()
  #keys = 0

  /** `limitBytes` is how much it keeps; 0 is nothing. */
  constructor(site: Site, limitBytes: number) {
    this.#site = site
    this.#limitKeys = limitBytes / CACHED_KEY_BYTES
  }

  /** The keys of a scope, the caller's own; undefined if they are not known. */
  async find(scope: ScopeId): Promise<string[] | undefined> {
    const listing = this.#listings.get(scope)
    if (listing === undefined) return undefined
    const folder = this.#site.layout.scopePath(scope)
    return (await this.#site.disk.isUnchanged(folder, listing.stamp)) ? [...listing.keys] : undefined
  }

  /** Remembers a listing. `before` is what was known of the folder before it was made. */
  keep(scope: ScopeId, keys: string[], before: FileStat | undefined, nowMs: number): void {
    const stamp = before && stampFile(before)
    if (stamp === undefined || !isStill(stamp, nowMs) || keys.length > this.#limitKeys) return
    this.#keys += keys.length - (this.#listings.get(scope)?.keys.length ?? 0)
    if (this.#keys > this.#limitKeys) {
      this.#listings.clear()
      this.#keys = keys.length
    }
    this.#listings.set(scope, { stamp, keys: keys.toSorted() })
  }
}
