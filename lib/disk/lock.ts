/**
 * The lockfile, which keeps the peace among waiting processes. It does not keep the data safe: two may hold it, and
 * a holder may lose it without notice. Nothing but the time it takes depends on it.
 */

import { lockSync } from 'proper-lockfile'
import { LOCK_STALE_MS } from '../base/limits.js'
import type { FileSystem } from './file-system.js'

/** How a lock was had: nobody held it, or its holder had let it go stale. */
type LockState = 'free' | 'stale'

/** A lockfile as one claim uses it. */
export interface Lock {
  /** Takes the lock if nobody holds it or its holder stopped renewing it; undefined if it is held. */
  tryAcquire(): LockState | undefined
  /** Takes the lock whoever holds it. */
  seize(): void
  /** Lets it go if it is held; never fails. */
  release(): void
}

/** A lock over a folder that proper-lockfile makes. `holder` is any name of its own. */
export function createLock(fs: FileSystem, path: string, holder: string): Lock {
  const { mkdirSync, realpathSync, rmdirSync, statSync, utimesSync } = fs
  const lockFileSystem = { mkdirSync, realpathSync, rmdirSync, statSync, utimesSync }
  let letGo: (() => void) | undefined

  function tryAcquire(): LockState | undefined {
    if (letGo !== undefined) return 'free'
    try {
      const seen = fs.statSync(path, { throwIfNoEntry: false })
      letGo = lockSync(holder, {
        fs: lockFileSystem,
        lockfilePath: path,
        realpath: false,
        stale: LOCK_STALE_MS,
        onCompromised: () => undefined,
      })
      // It may have been let go, or taken away, since it was seen: only an old one was stale.
      return seen !== undefined && Date.now() - seen.mtime.getTime() > LOCK_STALE_MS ? 'stale' : 'free'
    } catch {
      return undefined
    }
  }

  function seize(): void {
    if (tryAcquire() !== undefined) return
    try {
      fs.rmdirSync(path)
    } catch {
      // Held by nobody any more, or not to be had: the claim decides, not the lock.
    }
    tryAcquire()
  }

  function release(): void {
    const release = letGo
    letGo = undefined
    try {
      release?.()
    } catch {
      // Lost already.
    }
  }

  return { tryAcquire, seize, release }
}
