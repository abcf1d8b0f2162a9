/**
 * What several processes asked of a store at once, what they were told, and whether it can be true.
 *
 * T1  No update is lost: a counter that each raises by one holds as many as were told, and at most those besides whose
 *     fate is not known; no two were told the same number, and no reader sees less than what was told before it read.
 * T2  Of those who set a key on condition of one version, one alone is told that it did.
 * T3  What a transaction moves between scopes is never there twice, nor missing.
 * T4  A key holds what its last commit has left, by revision, or that of a later one whose fate is not known; keys that
 *     only change together hold the same.
 * T5  Revisions are given once, follow the order of time, and leave no gap.
 */

import { StorageError } from '../../lib/base/errors.js'

/** What became of a call. */
type Outcome = 'pending' | 'done' | 'none' | 'unknown'

/** A plain commit of one process. */
export interface Attempt {
  readonly actor: string
  readonly number: number
  readonly values: Readonly<Record<string, string | undefined>>
  /** When it began and ended, by the calls that were made until then. */
  readonly beganAt: number
  endedAt?: number
  outcome: Outcome
  revision?: number
  /** The times of its files, in nanoseconds since 1970. */
  readonly times: Map<string, bigint>
}

/** A file of a key. */
export interface Found {
  readonly value: string | undefined
  readonly time: bigint
}

/** Counts, and complains. */
export class Tally {
  readonly problems: string[] = []
  readonly attempts: Attempt[] = []
  readonly #counted: number[] = []
  readonly #uncounted = new Set<object>()
  readonly #conditions = new Map<string, string>()
  #otherCommits = 0

  /** A problem that shows at once. */
  complain(problem: string): void {
    this.problems.push(problem)
  }

  /** How a rejected call ended. All but a lost store, a lost race or a long wait is a problem. */
  readOutcome(what: string, error: unknown): Outcome {
    const { code, outcome } = error instanceof StorageError ? error : {}
    if (!['FENCED', 'LOCK_TIMEOUT', 'CONFLICT'].includes(code ?? ''))
      this.complain(`${what} failed: ${describe(error)}`)
    return outcome === 'none' ? 'none' : 'unknown'
  }

  /** Someone begins to raise the counter; gives what to do when it is known. */
  beginCount(): (outcome: Outcome, count?: number) => void {
    const mark = {}
    this.#uncounted.add(mark)
    return (outcome, count) => {
      if (outcome === 'none') this.#uncounted.delete(mark)
      if (outcome !== 'done' || count === undefined) return
      this.#uncounted.delete(mark)
      if (this.#counted.includes(count))
        this.complain(`An update was lost: two were told the count ${count}.`)
      this.#counted.push(count)
    }
  }

  /** The least that a reader may see who reads from now on. */
  get leastCount(): number {
    return Math.max(0, ...this.#counted)
  }

  /** A reader has seen a count. */
  checkCount(count: number, least: number): void {
    if (count < least) this.complain(`A reader saw the count ${count} after ${least} was told.`)
    const most = this.#counted.length + this.#uncounted.size
    if (count > most) this.complain(`The count is ${count}, but at most ${most} have counted.`)
  }

  /** Someone was told that it has set a key on condition of a version; undefined: of its absence. */
  keepCondition(version: string | undefined, what: string): void {
    const other = this.#conditions.get(String(version))
    if (other !== undefined) this.complain(`${what} and ${other} both replaced the version ${version}.`)
    this.#conditions.set(String(version), what)
  }

  /** A commit that is no attempt may have taken a revision. */
  countOther(): void {
    this.#otherCommits += 1
  }

  /** A process is gone, and nothing more is told of what it had under way. */
  abandon(actor: string, calls: number): void {
    for (const attempt of this.attempts) {
      if (attempt.actor !== actor || attempt.outcome !== 'pending') continue
      attempt.outcome = 'unknown'
      attempt.endedAt = calls
    }
  }

  /** T5; `last` is the revision of a commit after all others. */
  checkRevisions(last: number): void {
    const done = this.attempts.filter(({ revision }) => revision !== undefined)
    const revisions = done.map(({ revision }) => revision)
    if (new Set(revisions).size < done.length) this.complain(`A revision was given twice: ${revisions}.`)
    if (revisions.some((revision = 0) => revision >= last)) this.complain(`Revision ${last} is not the last.`)
    for (const early of done) {
      const late = done.find(
        ({ beganAt, revision = 0 }) => beganAt > (early.endedAt ?? 0) && revision < (early.revision ?? 0),
      )
      if (late !== undefined)
        this.complain(`Commit ${late.number} began after ${early.number} had ended, and came before it.`)
    }
    const unknown = this.attempts.filter(({ outcome }) => outcome === 'unknown' || outcome === 'pending')
    const gap = last - 1 - done.length
    if (gap < 0 || gap > unknown.length + this.#otherCommits)
      this.complain(
        `The last revision is ${last} after ${done.length} commits, and ${unknown.length} unknown ones.`,
      )
  }

  /** T4. */
  checkKey(key: string, { value, time }: Found): void {
    const writers = this.attempts.filter(({ values, outcome }) => key in values && outcome !== 'none')
    const done = writers.filter(({ revision }) => revision !== undefined)
    const last = done.reduce<Attempt | undefined>(
      (top, each) => ((each.revision ?? 0) > (top?.revision ?? 0) ? each : top),
      undefined,
    )
    if (value === last?.values[key]) {
      if (value === undefined || time === last?.times.get(key)) return
      this.complain(`${key} has another time than commit ${last?.number} gave it.`)
      return
    }
    // What had ended before the last one began cannot have come after it.
    const unknown = writers.filter(
      ({ outcome, endedAt = Number.POSITIVE_INFINITY }) =>
        (outcome === 'unknown' || outcome === 'pending') && endedAt >= (last?.beganAt ?? 0),
    )
    const match = unknown.find(({ values }) => values[key] === value)
    const isLater = value === undefined || time > (last?.times.get(key) ?? 0n)
    const isOwnOrder = match?.actor !== last?.actor || (match?.number ?? 0) > (last?.number ?? 0)
    if (match !== undefined && isLater && isOwnOrder) return
    const numbers = unknown.map(({ number }) => number)
    this.complain(
      `${key} is ${value}, but commit ${last?.number} (revision ${last?.revision}) left ${last?.values[key]}; unknown are ${numbers}.`,
    )
  }
}

/** An error with its cause. */
export function describe(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? ` (${String(error.cause)})` : ''
  return `${String(error)}${cause}`
}
