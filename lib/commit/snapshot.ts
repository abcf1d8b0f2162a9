/**
 * Snapshots: all values of a store as of one moment, while it goes on being written.
 *
 * Definitions. A value's file is never written to by the store: a commit puts another file at the key. So a second name
 * for it, a *link* in a folder of the snapshot, keeps the value whatever becomes of the key. Where the system refuses the
 * link, as for the file of another user, the value is *copied* there.
 *
 * Invariants.
 * N1  The links are those of one moment: this process owns the store, every certain commit is in them and no part of
 *     another, and it still owns the store when the last of them is made. Otherwise they are completed once more.
 * N2  Most links are made before, without keeping anybody from writing; while the store is owned only what has changed
 *     since is linked anew. A scope whose folder has stood still is not even listed.
 * N3  An edit in place changes the one file of a value and its link alike. Who reads a value reads it again until its
 *     file has stood still meanwhile, and for longer than the clock of files takes to tick: it is whole, if of a later
 *     moment.
 * N4  The folder names its maker, and holds nothing that anybody else needs: when its maker is dead, it is removed.
 */

import { StorageError } from '../base/errors.js'
import { CLOCK_TICK_MS, LOCK_STALE_MS, SNAPSHOT_ROUNDS, SNAPSHOT_STALE_MS } from '../base/limits.js'
import { describeScope, type ScopeId } from '../base/scope-id.js'
import type { FileStat } from '../disk/disk.js'
import { snapshotName } from '../disk/layout.js'
import { ignoring, isAlive, makeWorkFolder, readControlNames, readMaker, removeWorkFolder } from './claim.js'
import type { Committer } from './committer.js'
import type { Snapshot, SnapshotReader, SnapshotRequest, SnapshotScope, SnapshotValue } from './engine.js'
import { listFolders, listOwned } from './list.js'
import { type Site, Yielder } from './site.js'
import { ageMs, type LinkedValue, SnapshotFolder } from './snapshot-folder.js'

/** What a snapshot asks of the one that commits. */
export type SnapshotOwner = Pick<Committer, 'visit' | 'isOwner' | 'own' | 'unpublishedOf' | 'findUnpublished'>

/**
 * Takes a snapshot, which must be closed. `onClose` is called once, when it is, or could not be taken. Rejects with the
 * error of a system call, or `FENCED`.
 */
export async function takeSnapshot(
  site: Site,
  owner: SnapshotOwner,
  { scopes, signal }: SnapshotRequest,
  onClose: () => void,
): Promise<Snapshot> {
  const name = snapshotName(site.host.randomName())
  const folder = new SnapshotFolder(site, site.layout.controlPath(name))
  const snapshot = new LinkedSnapshot(site, name, folder, onClose)
  try {
    await sweepSnapshots(site)
    await makeWorkFolder(site, { folder: name, sync: false })
    for (const scope of scopes ?? (await listScopes(site))) await snapshot.linkAhead(scope, signal)
    for (let round = 1; ; round += 1) {
      const isWhole = await owner.visit(() => snapshot.complete(owner, scopes, signal), { signal })
      if (isWhole) return snapshot
      if (round === SNAPSHOT_ROUNDS) throw fenced(site)
    }
  } catch (error) {
    await snapshot.close()
    throw error
  }
}

/** Removes what dead processes left of their snapshots (N4). Never fails. */
export async function sweepSnapshots(site: Site): Promise<void> {
  try {
    for (const name of (await readControlNames(site)).snapshots)
      if (await isSnapshotLeft(site, name)) await emptySnapshot(site, name)
  } catch {
    // It takes room, and does no other harm: the next one tries again.
  }
}

/** The scopes that have a folder, in no order. */
async function listScopes(site: Site): Promise<ScopeId[]> {
  const { disk, layout } = site
  const scopes: ScopeId[] = []
  for (const workspace of await listFolders(site, layout.root)) {
    if ((await disk.stat(layout.scopePath({ workspace }))) !== undefined) scopes.push({ workspace })
    for (const plugin of await listFolders(site, layout.pluginsPath(workspace)))
      scopes.push({ workspace, plugin })
  }
  return scopes
}

/** Whether nobody uses the folder of a snapshot any more: its maker is gone, or nothing is known of it, and it is old. */
export async function isSnapshotLeft(site: Site, name: string): Promise<boolean> {
  const maker = await readMaker(site, name)
  const isMakerAlive = maker && isAlive(site, name, maker)
  if (isMakerAlive !== undefined) return !isMakerAlive
  const folder = await site.disk.stat(site.layout.controlPath(name))
  return (
    folder !== undefined && ageMs(site, folder) > (maker === undefined ? LOCK_STALE_MS : SNAPSHOT_STALE_MS)
  )
}

async function emptySnapshot(site: Site, name: string): Promise<void> {
  const path = site.layout.controlPath(name)
  const yielder = new Yielder(site.host)
  for (const file of (await site.disk.listNames(path)) ?? []) {
    await ignoring(['ENOENT'], () => site.disk.unlink(`${path}/${file}`))
    if (yielder.isDue()) await yielder.yield()
  }
  await removeWorkFolder(site, name)
}

interface LinkedScope {
  readonly scope: ScopeId
  readonly values: Map<string, LinkedValue>
  /** Its folder before it was listed, if it stood still meanwhile: then the same time later means that nothing changed. */
  readonly still: FileStat | undefined
}

class LinkedSnapshot implements Snapshot {
  /** See `Snapshot`. */
  revision = 0
  /** See `Snapshot`. */
  scopes: readonly SnapshotScope[] = []
  readonly #site: Site
  readonly #name: string
  readonly #folder: SnapshotFolder
  readonly #linked = new Map<string, LinkedScope>()
  readonly #onClose: () => void

  constructor(site: Site, name: string, folder: SnapshotFolder, onClose: () => void) {
    this.#site = site
    this.#name = name
    this.#folder = folder
    this.#onClose = onClose
  }

  /** Links what a scope holds, beside others that write (N2). */
  async linkAhead(scope: ScopeId, signal: AbortSignal | undefined): Promise<void> {
    const { disk, layout, host } = this.#site
    const path = layout.scopePath(scope)
    const before = await disk.stat(path)
    const isOld = before !== undefined && ageMs(this.#site, before) > CLOCK_TICK_MS
    const values = new Map<string, LinkedValue>()
    const yielder = new Yielder(host)
    const keys = await listOwned(this.#site, scope)
    for (const key of keys) {
      const value = await this.#folder.link(key, layout.keyPath(scope, key))
      if (value !== undefined) values.set(key, value)
      if (yielder.isDue()) await yielder.yield()
      signal?.throwIfAborted()
    }
    const isStill = isOld && values.size === keys.length && isSame(before, await disk.stat(path))
    this.#linked.set(path, { scope, values, still: isStill ? before : undefined })
  }

  /** For the owner: brings the links to this moment (N1). False if the store was lost meanwhile. */
  async complete(
    owner: SnapshotOwner,
    wanted: readonly ScopeId[] | undefined,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const scopes = wanted ?? (await listScopes(this.#site))
    this.revision = owner.own?.revision ?? 0
    const completed: SnapshotScope[] = []
    for (const scope of scopes) completed.push(await this.#completeScope(owner, scope, signal))
    this.scopes = completed
    return owner.isOwner()
  }

  /** See `Snapshot`. */
  async open(value: SnapshotValue): Promise<SnapshotReader> {
    return this.#folder.open(value as LinkedValue)
  }

  /** See `Snapshot`. */
  async drop(value: SnapshotValue): Promise<void> {
    await this.#folder.drop(value as LinkedValue)
  }

  /** See `Snapshot`. */
  async close(): Promise<void> {
    try {
      await emptySnapshot(this.#site, this.#name)
    } catch {
      // What is left is removed by the next who opens the store.
    } finally {
      this.#onClose()
    }
  }

  async #completeScope(
    owner: SnapshotOwner,
    scope: ScopeId,
    signal: AbortSignal | undefined,
  ): Promise<SnapshotScope> {
    const { disk, layout } = this.#site
    const path = layout.scopePath(scope)
    const found = await this.#findFolders(scope)
    const linked = this.#linked.get(path)
    const isStill = linked?.still !== undefined && isSame(linked.still, await disk.stat(path))
    const values = isStill ? linked.values : await this.#relink(scope, linked?.values, signal)
    for (const { key } of [...owner.unpublishedOf(scope)]) {
      const staged = owner.findUnpublished(scope, key)
      values.delete(key)
      if (staged?.change.kind !== 'set') continue
      const value = await this.#folder.hold(key, this.#folder.stagedPath(staged))
      if (value !== undefined) values.set(key, value)
    }
    this.#linked.set(path, { scope, values, still: linked?.still })
    return { scope, folders: found, values: [...values.values()] }
  }

  /** What the scope holds now: links that still stand for their keys, and new ones for the others. */
  async #relink(
    scope: ScopeId,
    before: ReadonlyMap<string, LinkedValue> | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Map<string, LinkedValue>> {
    const { disk, layout, host } = this.#site
    const values = new Map<string, LinkedValue>()
    const yielder = new Yielder(host)
    for (const key of await listOwned(this.#site, scope)) {
      const path = layout.keyPath(scope, key)
      const present = await disk.stat(path)
      const known = before?.get(key)
      const isKnown = known !== undefined && present?.inode === known.inode
      const value = isKnown ? known : await this.#folder.hold(key, path)
      if (value !== undefined) values.set(key, value)
      if (yielder.isDue()) await yielder.yield()
      signal?.throwIfAborted()
    }
    return values
  }

  /** The folders of a scope as far as they are there. Rejects where a link stands for one: what is behind it is not ours. */
  async #findFolders(scope: ScopeId): Promise<FileStat[]> {
    const folders: FileStat[] = []
    for (const path of this.#site.layout.scopeFolders(scope)) {
      const folder = await this.#site.disk.stat(path)
      if (folder === undefined) break
      if (folder.kind === 'folder') folders.push(folder)
      else
        throw new StorageError('IO_ERROR', notFolder(scope, path), { store: this.#site.layout.root, scope })
    }
    return folders
  }
}

function notFolder(scope: ScopeId, path: string): string {
  return `Cannot read all of ${describeScope(scope)}: ${path} is not a folder (links are not followed).`
}

function isSame(left: FileStat | undefined, right: FileStat | undefined): boolean {
  return left?.inode === right?.inode && left?.device === right?.device && left?.time === right?.time
}

function fenced(site: Site): StorageError {
  const store = site.layout.root
  const message = `Other processes took the store ${store} over while a snapshot of it was taken; try again.`
  return new StorageError('FENCED', message, { store, outcome: 'none' })
}
