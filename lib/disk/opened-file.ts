/** A file that is open for reading and writing, as a journal is: written at once, flushed at once or by a thread. */

import type { Awaitable } from '../base/awaitable.js'
import { QUICK_FLUSH_BYTES, QUICK_FLUSH_MS } from '../base/limits.js'
import type { WritableFile } from './disk.js'
import { type FileSystem, flush, readFullySync, writeFullySync } from './file-system.js'

/** How long flushes took lately. */
export class RecentFlushes {
  #ms = 2 * QUICK_FLUSH_MS

  /** Whether the next one is likely to be too short to be noticed. */
  get areQuick(): boolean {
    return this.#ms <= QUICK_FLUSH_MS
  }

  /** One more, which took so many milliseconds. */
  add(ms: number): void {
    this.#ms = (3 * this.#ms + ms) / 4
  }
}

/** See `WritableFile`. */
export class OpenedFile implements WritableFile {
  readonly #fs: FileSystem
  readonly #descriptor: number
  readonly #flushes: RecentFlushes
  #unsyncedBytes = 0

  /** `flushes` are those of the same disk. */
  constructor(fs: FileSystem, descriptor: number, flushes: RecentFlushes) {
    this.#fs = fs
    this.#descriptor = descriptor
    this.#flushes = flushes
  }

  /** See `WritableFile`. */
  read(position: number, length: number): Uint8Array {
    return readFullySync(this.#fs, this.#descriptor, new Uint8Array(length), position)
  }

  /** See `WritableFile`. */
  write(bytes: Uint8Array, position: number): void {
    this.#unsyncedBytes += bytes.byteLength
    writeFullySync(this.#fs, this.#descriptor, bytes, position)
  }

  /** See `WritableFile`. Where little is flushed, and that was quick lately, the detour through a thread would take longer. */
  sync(): Awaitable<void> {
    const isLittle = this.#unsyncedBytes <= QUICK_FLUSH_BYTES
    this.#unsyncedBytes = 0
    const start = performance.now()
    const measure = (): void => {
      if (isLittle) this.#flushes.add(performance.now() - start)
    }
    if (!isLittle || !this.#flushes.areQuick)
      return flush(this.#fs, 'fdatasync', this.#descriptor).then(measure)
    this.#fs.fdatasyncSync(this.#descriptor)
    measure()
  }

  /** See `WritableFile`. */
  close(): void {
    this.#fs.closeSync(this.#descriptor)
  }
}
