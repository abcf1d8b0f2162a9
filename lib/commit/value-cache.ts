/**
 * Values that were read lately, so that reading them again takes one look at the file instead of opening it.
 *
 * V1  A value is given only if its file, looked at for this very call, is the one that it was read from: same device and
 *     inode, size, modification time and change time. The last one is the system's own, which nobody can set back: it
 *     changes with every write by hand and every rename.
 * V2  A file is remembered only if it had not been changed for longer than its clock takes to tick when it was read: so a
 *     later change shows in its change time.
 * V3  Only so many bytes are kept, whatever is read. There are two halves: the younger one takes what is read; when it is
 *     full, the older one is forgotten, and it becomes the older one. A value is kept when it is read for the second time:
 *     most that are read once are not read again soon, and keeping them costs more than it saves.
 */

import type { Awaitable } from '../base/awaitable.js'
import {
  CACHED_VALUE_BYTES,
  CACHED_VALUE_SHARE,
  CLOCK_TICK_MS,
  COARSE_TICK_MS,
  READ_ONCE_BYTES,
} from '../base/limits.js'
import type { ScopeId } from '../base/scope-id.js'
import { type FileStamp, type FileStat, stampFile } from '../disk/disk.js'
import type { Site } from './site.js'

/** A value and what is known of its file. */
export interface ReadFile {
  readonly bytes: Uint8Array
  readonly stat: FileStat
}

interface CachedValue extends ReadFile {
  readonly path: string
  readonly stamp: FileStamp
}

/** What is known of a key that was read: its value, or no more than that it was. */
type Slot = CachedValue | 'read once'

type Half = Map<ScopeId, Map<string, Slot>>

/** Reads values, and remembers them. */
export class ValueCache {
  readonly #site: Site
  readonly #halfBytes: number
  #young: Half = new Map()
  #old: Half = new Map()
  #youngBytes = 0

  /** `limitBytes` is how much it keeps; 0 is nothing. */
  constructor(site: Site, limitBytes: number) {
    this.#site = site
    this.#halfBytes = limitBytes / 2
  }

  /** The value of a key, the caller's own; undefined if it holds none. Throws or rejects with the error of the system call. */
  read(scope: ScopeId, key: string): Awaitable<ReadFile | undefined> {
    if (this.#halfBytes === 0) return this.#site.disk.readFileAndStat(this.#site.layout.keyPath(scope, key))
    const slot = this.#find(scope, key)
    if (slot === undefined) return this.#readOnce(scope, key)
    if (slot === 'read once') return this.#readAgain(scope, key)
    const isUnchanged = this.#site.disk.isUnchanged(slot.path, slot.stamp)
    const give = (isSame: boolean): Awaitable<ReadFile | undefined> =>
      isSame ? { bytes: slot.bytes.slice(), stat: slot.stat } : this.#readAgain(scope, key)
    return isUnchanged instanceof Promise ? isUnchanged.then(give) : give(isUnchanged)
  }

  #find(scope: ScopeId, key: string): Slot | undefined {
    const young = this.#young.get(scope)?.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(scope)?.get(key)
    if (old !== undefined) this.#keep(scope, key, old)
    return old
  }

  #readOnce(scope: ScopeId, key: string): Awaitable<ReadFile | undefined> {
    const path = this.#site.layout.keyPath(scope, key) // throws for what is no key
    this.#keep(scope, key, 'read once')
    return this.#site.disk.readFileAndStat(path)
  }

  #readAgain(scope: ScopeId, key: string): Awaitable<ReadFile | undefined> {
    const path = this.#site.layout.keyPath(scope, key)
    const nowMs = this.#site.host.now()
    const remember = (file: ReadFile | undefined): ReadFile | undefined => {
      const stamp = file && this.#stamp(file, nowMs)
      if (file !== undefined && stamp !== undefined)
        this.#keep(scope, key, { path, stamp, stat: file.stat, bytes: file.bytes.slice() })
      return file
    }
    const found = this.#site.disk.readFileAndStat(path)
    return found instanceof Promise ? found.then(remember) : remember(found)
  }

  /** Undefined if it is not to be remembered. */
  #stamp({ bytes, stat }: ReadFile, nowMs: number): FileStamp | undefined {
    if (bytes.byteLength > this.#halfBytes / CACHED_VALUE_SHARE) return undefined
    const stamp = stampFile(stat)
    return stamp !== undefined && isStill(stamp, nowMs) ? stamp : undefined
  }

  #keep(scope: ScopeId, key: string, slot: Slot): void {
    const addedBytes = slot === 'read once' ? READ_ONCE_BYTES : slot.bytes.byteLength + CACHED_VALUE_BYTES
    this.#youngBytes += addedBytes
    if (this.#youngBytes > this.#halfBytes) {
      this.#old = this.#young
      this.#young = new Map()
      this.#youngBytes = addedBytes
    }
    const slots = this.#young.get(scope) ?? new Map<string, Slot>()
    this.#young.set(scope, slots.set(key, slot))
  }
}

/** V2. Some filesystems keep times in steps of a second or two: theirs have no fraction. */
export function isStill({ timeMs, changedAtMs }: FileStamp, nowMs: number): boolean {
  const isCoarse = timeMs % 1000 === 0 || changedAtMs % 1000 === 0
  return nowMs - changedAtMs > (isCoarse ? COARSE_TICK_MS : CLOCK_TICK_MS)
}
