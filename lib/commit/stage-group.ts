/** Staging a whole group: each change in its place among the others, and back again if one fails. */

import { diskError, type WriteOutcome } from '../base/errors.js'
import { INLINE_BYTES, YIELD_MS } from '../base/limits.js'
import { isErrorCode } from '../disk/disk.js'
import { stagedName } from '../disk/layout.js'
import type { Change, ChangeResult } from './engine.js'
import type { PendingCommit } from './group.js'
import type { Publisher } from './publisher.js'
import type { RecordedChange } from './record.js'
import { type Site, Yielder } from './site.js'
import { type ChangePlace, type StageState, stageChange } from './stage.js'

/** A commit with everything staged. */
export interface StagedCommit {
  readonly pending: PendingCommit
  /** For the journal; empty where there is nothing to do. */
  readonly changes: readonly RecordedChange[]
  readonly results: readonly ChangeResult[]
}

/**
 * Stages a group. A commit that cannot be staged is rejected alone, with outcome `none`, and the others are staged
 * again without it. If the work folder is gone nothing happened, and it gives the commits that were not rejected.
 */
export async function stageGroup(
  site: Site,
  state: StageState,
  publisher: Publisher,
  group: readonly PendingCommit[],
): Promise<StagedCommit[] | { readonly fenced: PendingCommit[] }> {
  let left = [...group]
  for (;;) {
    const firstStaged = state.lastStaged + 1
    const staged = await tryStage(site, state, publisher, left)
    if (Array.isArray(staged)) return staged
    await unstage(site, state, firstStaged)
    if (isErrorCode(staged.error, 'ENOENT') && (await site.disk.stat(state.folder)) === undefined)
      return { fenced: left }
    const { pending, error } = staged
    pending.reject(describeFailure(site, pending, error))
    left = left.filter((other) => other !== pending)
  }
}

/** Removes staged files from a number on. What cannot be removed goes when the work folder is emptied. */
export async function unstage(site: Site, state: StageState, first: number): Promise<void> {
  for (let number = first; number <= state.lastStaged; number += 1) {
    try {
      await site.disk.unlink(`${state.folder}/${stagedName(number)}`)
    } catch {
      // No record names it.
    }
  }
}

/** The error of a commit that failed on the disk. */
export function describeFailure(
  site: Site,
  pending: PendingCommit,
  cause: unknown,
  outcome: WriteOutcome = 'none',
): unknown {
  const [change, ...more] = pending.request.changes
  const others = more.length === 0 ? '' : ` and ${more.length} more`
  const action = `write ${JSON.stringify(change?.key)}${others}`
  return diskError(cause, action, {
    store: site.layout.root,
    scope: change?.scope,
    key: change?.key,
    outcome,
  })
}

type Failure = { readonly pending: PendingCommit; readonly error: unknown }

async function tryStage(
  site: Site,
  state: StageState,
  publisher: Publisher,
  group: readonly PendingCommit[],
): Promise<StagedCommit[] | Failure> {
  const places = new Places(group, publisher)
  const yielder = new Yielder(site.host, YIELD_MS)
  const staged: StagedCommit[] = []
  state.inlineBytes = INLINE_BYTES
  for (const pending of group) {
    try {
      staged.push(await stageCommit(site, state, pending, places, yielder))
    } catch (error) {
      return { pending, error }
    }
  }
  return staged
}

async function stageCommit(
  site: Site,
  state: StageState,
  pending: PendingCommit,
  places: Places,
  yielder: Yielder,
): Promise<StagedCommit> {
  const changes: RecordedChange[] = []
  const results: ChangeResult[] = []
  for (const [index, change] of pending.request.changes.entries()) {
    const path = pending.paths[index] as string
    const staged = await stageChange(site, state, change, places.next(path, change))
    places.leave(path, staged.isPresent)
    if (staged.recorded !== undefined) changes.push(staged.recorded)
    results.push(staged.result)
    if (yielder.isDue()) await yielder.yield()
  }
  return { pending, changes, results }
}

/** Where each change of a group stands among those of the same key. */
class Places {
  readonly #left = new Map<string, number>()
  readonly #present = new Map<string, boolean>()
  readonly #publisher: Publisher

  constructor(group: readonly PendingCommit[], publisher: Publisher) {
    this.#publisher = publisher
    for (const { paths } of group)
      for (const path of paths) this.#left.set(path, (this.#left.get(path) ?? 0) + 1)
  }

  next(path: string, { scope, key }: Change): ChangePlace {
    const left = (this.#left.get(path) ?? 1) - 1
    this.#left.set(path, left)
    const unpublished = this.#publisher.find(scope, key)
    const wasPresent = this.#present.get(path) ?? (unpublished && unpublished.change.kind === 'set')
    return { wasPresent, isSuperseded: left > 0 }
  }

  leave(path: string, isPresent: boolean): void {
    this.#present.set(path, isPresent)
  }
}
