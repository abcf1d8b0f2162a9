/** Opening: one committer for each store of a process, given to all who open it, and let go by the last. */

import { diskError, StorageError } from '../base/errors.js'
import { WATCH_OWNER_MS } from '../base/limits.js'
import type { Lock } from '../disk/lock.js'
import { isAbandoned, isOwnerUnknown, readControlNames } from './claim.js'
import { Committer } from './committer.js'
import type { Engine } from './engine.js'
import { DEFAULT_FOLLOWING, Follower } from './follow.js'
import type { FollowSettings } from './followed-scopes.js'
import { hasLostJournals, isRecovering } from './kept-journals.js'
import { ListingCache } from './listing-cache.js'
import { type OpenStore, PlainEngine } from './plain-engine.js'
import { prepareStore } from './prepare.js'
import type { Site } from './site.js'
import { sweepSnapshots } from './snapshot.js'
import { ValueCache } from './value-cache.js'

/** A store's place, and how to commit there. */
export interface EngineParts {
  readonly site: Site
  readonly lock: Lock
  /** How long a commit may wait for its turn. */
  readonly lockTimeoutMs: number
  /** How changes are looked for. */
  readonly following?: FollowSettings | undefined
  /** How many bytes of values are kept that were read lately. Default: none. */
  readonly cacheBytes?: number | undefined
}

interface SharedStore extends OpenStore {
  readonly ownerWatch: NodeJS.Timeout
  users: number
}

/** The stores that are open in this process, by what stands for their filesystem, then by their root. */
const openStores = new WeakMap<object, Map<string, Promise<SharedStore>>>()

const opened = new Set<Pick<SharedStore, 'committer' | 'follower'>>()

/**
 * Opens a store, and recovers it if its last owner died. `filesystem` is whatever tells one filesystem from another:
 * the same one and the same root share one committer, with the parts of the first who opened it.
 */
export async function openEngine(
  filesystem: object,
  root: string,
  makeParts: () => EngineParts,
): Promise<Engine> {
  const stores = openStores.get(filesystem) ?? new Map<string, Promise<SharedStore>>()
  openStores.set(filesystem, stores)
  const sharing = stores.get(root) ?? share(makeParts())
  stores.set(root, sharing)
  const forget = (): void => {
    if (stores.get(root) === sharing) stores.delete(root)
  }
  const shared = await sharing.catch((error: unknown) => {
    forget()
    throw error
  })
  if (shared.committer.isBroken) {
    forget()
    return openEngine(filesystem, root, makeParts)
  }
  shared.users += 1
  return new PlainEngine(shared, async () => {
    shared.users -= 1
    if (shared.users > 0) return
    forget()
    await endSharing(shared)
  })
}

async function share({
  site,
  lock,
  lockTimeoutMs,
  following,
  cacheBytes,
}: EngineParts): Promise<SharedStore> {
  await prepareStore(site)
  const committer = new Committer(site, lock, lockTimeoutMs)
  await recoverIfNeeded(site, committer)
  await sweepSnapshots(site)
  const ownerWatch = setInterval(() => watchOwner(site, committer), WATCH_OWNER_MS)
  ownerWatch.unref()
  if (opened.size === 0) process.on('exit', releaseAll)
  const follower = new Follower(site, committer, following ?? DEFAULT_FOLLOWING)
  const caches = makeCaches(site, cacheBytes ?? 0)
  const shared = { site, ...caches, committer, follower, ownerWatch, users: 0 }
  opened.add(shared)
  return shared
}

/** An eighth is for listings. */
function makeCaches(site: Site, bytes: number): Pick<SharedStore, 'cache' | 'listings'> {
  return { cache: new ValueCache(site, (bytes * 7) / 8), listings: new ListingCache(site, bytes / 8) }
}

async function endSharing(shared: SharedStore): Promise<void> {
  clearInterval(shared.ownerWatch)
  try {
    await shared.follower.close()
    await shared.committer.close()
  } finally {
    opened.delete(shared)
    if (opened.size === 0) process.off('exit', releaseAll)
  }
}

function releaseAll(): void {
  for (const { committer, follower } of opened) {
    follower.closeAtExit()
    committer.releaseAtExit()
  }
}

/**
 * What a dead owner committed must be seen by the first read. Another who is recovering it is waited for as a write would,
 * and so is an owner who may be dead. Where nothing can be written, it stays as it is.
 */
async function recoverIfNeeded(site: Site, committer: Committer): Promise<void> {
  try {
    const names = await readControlNames(site)
    const isLeft = (await isAbandoned(site, names)) || (await hasLostJournals(site, names))
    const isUnderWay = (await isRecovering(site, names)) || (await isOwnerUnknown(site, names))
    if (isLeft || isUnderWay) await committer.visit(async () => undefined)
  } catch (error) {
    if (error instanceof StorageError && error.code === 'ACCESS_DENIED') return
    const store = site.layout.root
    throw diskError(error, `open the store ${store}`, { store })
  }
}

/** A process that only reads notices that the owner has died. */
async function watchOwner(site: Site, committer: Committer): Promise<void> {
  try {
    if (!committer.isActive && (await isAbandoned(site, await readControlNames(site))))
      await committer.visit(async () => undefined)
  } catch {
    // The next who writes is told.
  }
}
