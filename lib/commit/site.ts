/** Where a store lies: what every step of a commit works with. */

import { YIELD_MS } from '../base/limits.js'
import type { Disk } from '../disk/disk.js'
import type { Host } from '../disk/host.js'
import type { Layout } from '../disk/layout.js'

/** A store's place on a disk of a machine. */
export interface Site {
  readonly disk: Disk
  readonly layout: Layout
  readonly host: Host
  /** The session of the filesystem (session.ts), as 32 hexadecimal digits; empty if it is not known. */
  readonly session: string
  /** Permission bits of new files, before the umask. */
  readonly fileMode: number
  /** Permission bits of new folders, before the umask. */
  readonly folderMode: number
}

/** Lets other work of the process have its turn whenever a few milliseconds have gone by. */
export class Yielder {
  readonly #host: Host
  #since: number

  constructor(host: Host) {
    this.#host = host
    this.#since = host.monotonicMs()
  }

  /** True if it is time: then await `yield`. */
  isDue(): boolean {
    return this.#host.monotonicMs() - this.#since >= YIELD_MS
  }

  /** Resolves when the event loop has gone round. */
  async yield(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    this.#since = this.#host.monotonicMs()
  }
}
