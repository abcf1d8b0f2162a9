/** Staging a whole group: each change in its place among the others, and back again if one fails. */

import { diskError, StorageError, type WriteOutcome } from '../base/errors.js'
import { INLINE_BYTES } from '../base/limits.js'
import { isErrorCode } from '../disk/disk.js'
import { stagedName } from '../disk/layout.js'
import { checkExpectations, checkQuotas } from './conditions.js'
import type { ChangeResult } from './engine.js'
import type { PendingCommit } from './group.js'
import type { Ownership } from './own.js'
import { Places } from './places.js'
import type { Publisher } from './publisher.js'
import type { RecordedChange } from './record.js'
import { type Site, Yielder } from './site.js'
import { type StageState, stageChange } from './stage.js'
import type { UsageBook } from './usage.js'

/** What a group is staged with. */
export interface StageTools {
  readonly site: Site
  readonly owned: Ownership
  readonly publisher: Publisher
  readonly usage: UsageBook
}

/** A commit with everything staged. */
export interface StagedCommit {
  readonly pending: PendingCommit
  /** For the journal; empty where there is nothing to do. */
  readonly changes: readonly RecordedChange[]
  readonly results: readonly ChangeResult[]
}

/**
 * Stages a group. A commit whose conditions do not hold, or that cannot be staged, is rejected alone, with outcome
 * `none`; where it matters the others are staged again without it. If the work folder is gone nothing happened, and it
 * gives the commits that were not rejected.
 */
export async function stageGroup(
  tools: StageTools,
  group: readonly PendingCommit[],
): Promise<StagedCommit[] | { readonly fenced: PendingCommit[] }> {
  const { site, owned } = tools
  const state = owned.stage
  let left = [...group]
  for (;;) {
    const firstStaged = state.lastStaged + 1
    const staged = await tryStage(tools, left)
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
  const action =
    change === undefined ? 'look at what was read' : `write ${JSON.stringify(change.key)}${others}`
  return diskError(cause, action, {
    store: site.layout.root,
    scope: change?.scope,
    key: change?.key,
    outcome,
  })
}

type Failure = { readonly pending: PendingCommit; readonly error: unknown }

async function tryStage(
  tools: StageTools,
  group: readonly PendingCommit[],
): Promise<StagedCommit[] | Failure> {
  const { site, owned, publisher, usage } = tools
  const places = new Places(site, publisher, group)
  const yielder = new Yielder(site.host)
  const staged: StagedCommit[] = []
  owned.stage.inlineBytes = INLINE_BYTES
  owned.stage.checkedScopes.clear()
  usage.begin()
  for (const pending of group) {
    try {
      const refusal = isConditional(pending) ? await findRefusal(tools, places, pending) : undefined
      if (refusal === undefined) staged.push(await stageCommit(site, owned.stage, pending, places, yielder))
      else if (places.drop(pending)) pending.reject(refusal)
      else return { pending, error: refusal }
    } catch (error) {
      return { pending, error }
    }
  }
  return staged
}

function isConditional({ request: { expectations, quotas } }: PendingCommit): boolean {
  return expectations !== undefined || quotas !== undefined
}

/** The error of a condition that does not hold. */
async function findRefusal(
  { site, owned, usage }: StageTools,
  places: Places,
  { request: { changes, expectations, quotas } }: PendingCommit,
): Promise<StorageError | undefined> {
  try {
    await checkExpectations(site, places, expectations ?? [])
    const moment = { claim: owned.claim.number, revision: owned.revision }
    await checkQuotas({ site, places, usage, moment }, changes, quotas ?? [])
    return undefined
  } catch (error) {
    if (error instanceof StorageError) return error
    throw error
  }
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
    const { scope, key, value } = change
    const { recorded, result } = await stageChange(site, state, change, places.next(path, scope, key))
    places.leave(path, { scope, key, size: value?.byteLength, version: result.version })
    if (recorded !== undefined) changes.push(recorded)
    results.push(result)
    if (yielder.isDue()) await yielder.yield()
  }
  return { pending, changes, results }
}
