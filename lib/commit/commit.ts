/**
 * Committing: all the control flow from a group of waiting commits to durable and visible ones.
 *
 * Definitions. A *group* is the commits that one flush serves. The *owner* is the process that holds the highest
 * claim (claim.ts). A commit is *certain* once a call through the path of the work folder has succeeded after the
 * flush of its record: from then on whoever fences this owner finds the record and finishes it.
 *
 * Invariants.
 * W1  Nothing is published before the record that names it is flushed; nothing is recorded before it is staged.
 * W2  A promise resolves only when its commit is certain and every file of it is in place.
 * W3  What fails before the flush is undone, outcome `none`. A flush that fails leaves the store broken, `unknown`.
 * W4  A certain commit is published however long it takes; until then its keys are read from memory.
 * W5  A group without changes confirms what it read only if it was not fenced by then: else it may be half a commit.
 * W6  Groups are committed one after another; within a group, commits keep the order of their calls.
 *
 * States of a group: waiting -- stage --> staged -- journal --> durable -- publish --> settled. A staged one whose
 * work folder is gone waits again. A durable one whose first file cannot be put in place is taken back; one that is
 * fenced is settled by what the next owner made of it.
 */

import { StorageError, type WriteOutcome } from '../base/errors.js'
import { LOCK_TIMEOUT_MS, POLL_MS, PUBLISH_RETRY_MS } from '../base/limits.js'
import { isSettled, isStanding } from './claim.js'
import { readSource } from './engine.js'
import type { PendingCommit } from './group.js'
import type { Ownership } from './own.js'
import { isLarge, syncScopeNames } from './publish.js'
import type { RecordedChange, SettledGroup } from './record.js'
import { type Site, Yielder } from './site.js'
import { makeSpares } from './stage.js'
import { describeFailure, type StagedCommit, type StageTools, stageGroup, unstage } from './stage-group.js'
import { encodeVersion } from './version.js'

/** What a group is committed with. */
export interface CommitTools extends StageTools {
  /** Waits so many milliseconds. */
  sleep(ms: number): Promise<void>
  /** Is told what became of a group. */
  readonly listener: GroupListener
}

/** Who is told what becomes of groups. */
export interface GroupListener {
  /** The commits of a group are settled; their revisions follow one another. */
  onSettled(group: SettledGroup): void
  /** Another process took over in the midst of a group: it will be settled, or never have been, and who knows which. */
  onUnknown(group: SettledGroup): void
}

/** What became of a group beside its promises. */
export interface GroupOutcome {
  /** Commits that nothing happened to, and that wait again. */
  readonly again: readonly PendingCommit[]
  /** Another process has taken the store over. */
  readonly isFenced: boolean
}

/**
 * Commits a group, and settles the promise of each of its commits but those that wait again. Rejects with
 * `STORE_BROKEN` if the journal cannot be flushed, when the promises are settled.
 */
export async function commitGroup(
  tools: CommitTools,
  group: readonly PendingCommit[],
): Promise<GroupOutcome> {
  const { site, owned } = tools
  let outcome: WriteOutcome = 'none'
  try {
    const firstStaged = owned.stage.lastStaged + 1
    const staged = await stageGroup(tools, group)
    if (!Array.isArray(staged)) return { again: staged.fenced, isFenced: true }
    // Nothing will be published that would show a fence, and what was looked at may have been half of another's commit (W5).
    if (!hasChanges(staged) && !(await isStanding(site, owned.claim))) return waitAgain(staged)
    const journaled = await journalGroup(tools, staged, firstStaged)
    if (journaled === 'fenced') return waitAgain(staged)
    if (journaled === 'undone') return SETTLED
    outcome = 'unknown'
    return await publishGroup(tools, staged, firstStaged)
  } catch (error) {
    for (const pending of group) pending.reject(describeFailure(site, pending, error, outcome))
    throw error
  } finally {
    owned.underWay = undefined
    tools.usage.forget()
  }
}

const SETTLED: GroupOutcome = { again: [], isFenced: false }

/** Another process has taken the store over before anything was recorded. */
function waitAgain(staged: readonly StagedCommit[]): GroupOutcome {
  return { again: staged.map(({ pending }) => pending), isFenced: true }
}

/** Makes a staged group durable. If it cannot be, it is undone, and its commits are rejected (W3). */
async function journalGroup(
  { site, owned }: CommitTools,
  staged: readonly StagedCommit[],
  firstStaged: number,
): Promise<'durable' | 'undone' | 'fenced'> {
  if (!hasChanges(staged)) return 'durable'
  const commits = listRecorded(staged)
  const { revision, stage } = owned
  try {
    const large = commits.flatMap(({ changes }) => changes.filter(isLarge))
    if (large.length > 0 && !(await syncLarge(site, owned, large))) return 'fenced'
    await owned.journal.append({
      kind: 'commits',
      revision: revision + 1,
      time: stage.lastTime,
      commits,
    })
  } catch (error) {
    await unstage(site, stage, firstStaged)
    for (const { pending } of staged) pending.reject(describeFailure(site, pending, error))
    return 'undone'
  }
  makeSpares(site, stage)
  await owned.journal.sync()
  owned.underWay = { revision: revision + 1, commits }
  return 'durable'
}

/**
 * The names of large staged files are synced; their bytes are, since they were staged. So are those of the folders that
 * they will be published into: a rename into a folder that is lost loses them. False if the work folder is gone: a record
 * of what no name leads to would stand above the value that was there before.
 */
async function syncLarge(
  site: Site,
  { claim, stage }: Ownership,
  large: readonly RecordedChange[],
): Promise<boolean> {
  if (!(await site.disk.syncFolder(claim.path))) return false
  for (const { scope } of large) {
    const path = site.layout.scopePath(scope)
    if (!stage.firmScopes.has(path)) await syncScopeNames(site, scope)
    stage.firmScopes.add(path)
    stage.largeScopes.add(scope)
  }
  return true
}

/** Puts every file of a durable group in place (W2, W4). */
async function publishGroup(
  tools: CommitTools,
  staged: readonly StagedCommit[],
  firstStaged: number,
): Promise<GroupOutcome> {
  const { owned, publisher } = tools
  const changes = staged.flatMap((commit) => commit.changes.filter((change) => change.kind !== 'superseded'))
  const failures = new Map<string, unknown>()
  const yielder = new Yielder(tools.site.host)
  let untilMs: number | undefined
  for (const [index, change] of changes.entries()) {
    try {
      const published = await publisher.publish(owned.claim.path, change)
      if (published === 'gone') return endFenced(tools, staged, index > 0)
    } catch (error) {
      owned.stage.readyScopes.clear()
      if (index === 0) return takeBack(tools, staged, firstStaged, error)
      untilMs ??= tools.site.host.monotonicMs() + PUBLISH_RETRY_MS
      const failure = await publisher.publishPatiently(owned.claim.path, change, untilMs)
      if (failure !== undefined) failures.set(pathOf(tools.site, change), failure)
    }
    if (yielder.isDue()) await yielder.yield()
  }
  const outcome = settle(tools, staged, failures)
  await tools.usage.settle({ claim: owned.claim.number, revision: owned.revision })
  return outcome
}

/** The very first file of a group could not be put in place: nothing is visible, so the record is taken back (W3). */
async function takeBack(
  tools: CommitTools,
  staged: readonly StagedCommit[],
  firstStaged: number,
  error: unknown,
): Promise<GroupOutcome> {
  const { site, owned } = tools
  await owned.journal.takeBack()
  if (!(await isStanding(site, owned.claim))) return endFenced(tools, staged, false)
  await unstage(site, owned.stage, firstStaged)
  const group = staged.map(({ pending }) => pending)
  if (group.length > 1) {
    for (const pending of group) pending.isAlone = true // so that only those fail that must
    return { again: group, isFenced: false }
  }
  for (const pending of group) pending.reject(describeFailure(site, pending, error))
  return SETTLED
}

/**
 * Another process has fenced this one after the flush: it finishes the group, or it never saw the record. If it stands
 * still in the middle, not every file is in place, and nobody is told so (W2).
 */
async function endFenced(
  tools: CommitTools,
  staged: readonly StagedCommit[],
  isCertain: boolean,
): Promise<GroupOutcome> {
  const { site, owned } = tools
  const untilMs = site.host.monotonicMs() + LOCK_TIMEOUT_MS
  let isFinished = await isSettled(site, owned.claim)
  while (!isFinished && site.host.monotonicMs() < untilMs) {
    await tools.sleep(POLL_MS)
    isFinished = await isSettled(site, owned.claim)
  }
  const isCommitted = isCertain || (await isInPlace(site, staged))
  if (isCommitted && isFinished) return { ...settle(tools, staged, new Map()), isFenced: true }
  const store = site.layout.root
  const end = isCommitted
    ? `it has not finished it after ${LOCK_TIMEOUT_MS} ms; whoever writes next finishes it.`
    : 'read the keys to see what came of it.'
  const message = `Another process took the store ${store} over in the middle of this commit; ${end}`
  const outcome = isCommitted ? 'committed' : 'unknown'
  for (const { pending } of staged) pending.reject(new StorageError('FENCED', message, { store, outcome }))
  if (owned.underWay !== undefined) tools.listener.onUnknown(owned.underWay)
  return { again: [], isFenced: true }
}

/** One file of a group in place proves that its record was seen, and so all of it is done. */
async function isInPlace(site: Site, staged: readonly StagedCommit[]): Promise<boolean> {
  for (const { pending, results } of staged) {
    for (const [index, { version }] of results.entries()) {
      const value = pending.request.changes[index]?.value
      if (version === undefined || value === undefined) continue
      const present = await site.disk.readFileAndStat(pending.paths[index] as string)
      // A version alone could be another owner's, who took the same time from the same journal.
      if (present === undefined || encodeVersion(present.stat) !== version) continue
      if (isSame(present.bytes, await readSource(value))) return true
    }
  }
  return false
}

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0
}

/** `failures` are by the paths of the keys: what is superseded there is not in place either (W4). */
function settle(
  { site, owned, listener }: CommitTools,
  staged: readonly StagedCommit[],
  failures: ReadonlyMap<string, unknown>,
): GroupOutcome {
  for (const { pending, changes, results } of staged) {
    if (changes.length > 0) owned.revision += 1
    const failed =
      failures.size > 0 && changes.map((change) => pathOf(site, change)).find((path) => failures.has(path))
    if (failed) pending.reject(describeFailure(site, pending, failures.get(failed), 'committed'))
    else pending.resolve({ revision: changes.length > 0 ? owned.revision : undefined, results })
  }
  if (owned.underWay !== undefined) listener.onSettled(owned.underWay)
  return SETTLED
}

function pathOf(site: Site, { scope, key }: RecordedChange): string {
  return site.layout.keyPath(scope, key)
}

function hasChanges(staged: readonly StagedCommit[]): boolean {
  return staged.some(({ changes }) => changes.length > 0)
}

/** What a group puts into the journal. */
function listRecorded(staged: readonly StagedCommit[]): SettledGroup['commits'] {
  const commits = staged.filter(({ changes }) => changes.length > 0)
  return commits.map(({ pending, changes }) => ({ writer: pending.request.writer, changes }))
}
