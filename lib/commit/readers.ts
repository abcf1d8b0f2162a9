/**
 * Readers: a process that follows says so in `.plainkeep`, and owners leave it for a while what they need no more.
 *
 * Definitions. A *reader* is a file with a random name that says which process follows. A journal is *past* when all of
 * its commits are synced as plain files, so that only those who follow still want it.
 *
 * Invariants.
 * L1  Nothing relies on a reader or a past journal: any process may remove them at any moment, and a past journal is
 *     made by giving a second name to a kept one, before that loses its own.
 * L2  Where no reader is, none is left. What is left goes when it is old, or too much.
 */

import { PAST_BYTES, PAST_MS } from '../base/limits.js'
import { isSameProcess, type ProcessIdentity } from '../disk/host.js'
import { keptName, pastName, readerName } from '../disk/layout.js'
import { type ControlNames, ignoring, readControlNames } from './claim.js'
import type { Site } from './site.js'

/** The readers of this process: another one that names it is a dead one's. */
const ownReaders = new Set<string>()

/** This process as a reader, while it follows. */
export class Reader {
  readonly #site: Site
  #name: string | undefined
  #changing: Promise<void> = Promise.resolve()

  constructor(site: Site) {
    this.#site = site
  }

  /** Resolves when others can know that it follows, or that it does no more. */
  get settled(): Promise<void> {
    return this.#changing
  }

  /** Says that it follows. Where nothing can be written it does so unseen, and may miss what it is late for. */
  announce(): void {
    this.#change(async () => {
      const { layout, host, disk, fileMode: mode } = this.#site
      const name = readerName(host.randomName())
      ownReaders.add(name)
      this.#name = name
      const bytes = Buffer.from(`${JSON.stringify(host.identity)}\n`)
      await disk.createFile(layout.controlPath(name), bytes, { mode })
    })
  }

  /** Says that it follows no more; what was left for it goes, if it was the only one. */
  withdraw(): void {
    this.#change(async () => {
      const name = this.#name
      this.#name = undefined
      if (name === undefined) return
      ownReaders.delete(name)
      await ignoring(['ENOENT'], () => this.#site.disk.unlink(this.#site.layout.controlPath(name)))
      await removePast(this.#site)
    })
  }

  /** The same as the process exits, when nothing can be awaited; others see that it is gone. */
  withdrawAtExit(): void {
    try {
      if (this.#name !== undefined) void this.#site.disk.unlink(this.#site.layout.controlPath(this.#name))
    } catch {
      // The next owner removes it.
    }
  }

  #change(body: () => Promise<void>): void {
    this.#changing = this.#changing.then(body).catch(() => undefined)
  }
}

/** Leaves a kept journal, which is about to lose its name, to those who follow. Never fails. */
export async function leavePast(site: Site, names: ControlNames, revision: number): Promise<void> {
  const { layout } = site
  try {
    if (!(await hasReaders(site, names))) return
    await site.disk.link(layout.controlPath(keptName(revision)), layout.controlPath(pastName(revision)))
  } catch {
    // It is there already, or not needed any more, or the filesystem cannot: then those who are late compare.
  }
}

/** Removes past journals that nobody wants, or that have been there for long enough. Never fails. */
export async function removePast(site: Site): Promise<void> {
  try {
    const names = await readControlNames(site)
    if (names.past.length === 0) return
    const isWanted = await hasReaders(site, names)
    let bytes = 0
    for (const { name } of [...names.past].reverse()) {
      const path = site.layout.controlPath(name)
      const stat = await site.disk.stat(path)
      const ageMs = site.host.now() - Number((stat?.time ?? 0n) / 1_000_000n)
      bytes += stat?.size ?? 0
      if (!isWanted || ageMs > PAST_MS || bytes > PAST_BYTES) await site.disk.unlink(path)
    }
  } catch {
    // Whoever comes next removes them.
  }
}

/** Whether a process follows. Readers of dead ones are removed. */
async function hasReaders(site: Site, { readers }: ControlNames): Promise<boolean> {
  let isAny = false
  for (const { name } of readers) {
    const path = site.layout.controlPath(name)
    const bytes = await site.disk.readFile(path)
    const identity = bytes && parseIdentity(bytes)
    if (identity !== undefined && isGone(site, name, identity))
      await ignoring(['ENOENT'], () => site.disk.unlink(path))
    else isAny = true
  }
  return isAny
}

function isGone(site: Site, name: string, identity: ProcessIdentity): boolean {
  if (isSameProcess(identity, site.host.identity)) return !ownReaders.has(name)
  return site.host.isAlive(identity) === false
}

function parseIdentity(bytes: Uint8Array): ProcessIdentity | undefined {
  try {
    const identity = JSON.parse(Buffer.from(bytes).toString('utf8')) as ProcessIdentity
    return typeof identity.pid === 'number' ? identity : undefined
  } catch {
    return undefined // it is being written
  }
}
