/**
 * Transacting: the body runs without holding the store, what it read is checked when its writes are committed, and it
 * runs again on a conflict; after a few conflicts it has the store to itself, so that it always gets through.
 *
 * T1  The result, or the error, of a body is given only if all that it read was there at one moment.
 * T2  All of its writes are made in one commit, at that moment, or none.
 */

import { ConflictError, StorageError } from '../base/errors.js'
import { BODY_LIMIT_MS, CONFLICT_WAIT_MS, OPTIMISTIC_ATTEMPTS } from '../base/limits.js'
import type { CommitNow, Engine } from '../commit/engine.js'
import { Attempt } from './attempt.js'

/** How to run a transaction. */
export interface TransactionOptions {
  /** Aborts between two runs of the body and while it waits for its turn; rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /**
   * How long the body may run while it has the store to itself, in milliseconds; then the call rejects with
   * `LOCK_TIMEOUT`. Without the store to itself it may take its time. Default: 5,000.
   */
  readonly timeout?: number | undefined
}

/** Runs a body until it is committed, or rejects. `writer` is the plugin on whose behalf it writes. */
export async function transact<T>(
  engine: Engine,
  writer: string | undefined,
  body: (attempt: Attempt) => Promise<T>,
  options: TransactionOptions = {},
): Promise<T> {
  const { signal } = options
  const limitMs = checkTimeout(options.timeout)
  let attempt = new Attempt(engine)
  const run = (commit: CommitNow): Promise<Outcome<T>> => {
    signal?.throwIfAborted()
    attempt = new Attempt(engine)
    return runOnce(attempt, body, (request) => commit({ ...request, writer, signal }))
  }
  for (let attempts = 1; ; attempts += 1) {
    const outcome =
      attempts <= OPTIMISTIC_ATTEMPTS
        ? await run((request) => engine.commit(request))
        : await engine.visit(run, { limitMs, signal }).finally(() => attempt.end()) // it may have been given up
    if (!outcome.isConflict) return outcome.value
    if (attempts > 1) await waitAfter(attempts)
  }
}

/** With jitter, so that those who met do not meet again. */
async function waitAfter(attempts: number): Promise<void> {
  const waitMs = CONFLICT_WAIT_MS * 2 ** Math.min(attempts, OPTIMISTIC_ATTEMPTS) * Math.random()
  await new Promise((resolve) => setTimeout(resolve, waitMs))
}

type Outcome<T> = { readonly isConflict: false; readonly value: T } | { readonly isConflict: true }

async function runOnce<T>(
  attempt: Attempt,
  body: (attempt: Attempt) => Promise<T>,
  commit: CommitNow,
): Promise<Outcome<T>> {
  let value: T
  try {
    value = await body(attempt)
    await attempt.settle()
  } catch (error) {
    attempt.end()
    if (attempt.isDoomed || (await isOutdated(attempt, commit))) return { isConflict: true }
    throw error
  }
  attempt.end()
  if (attempt.isDoomed) return { isConflict: true }
  const { changes, expectations, quotas } = attempt
  try {
    if (changes.length > 0 || !isOneKey(attempt)) await commit({ changes, expectations, quotas })
    return { isConflict: false, value }
  } catch (error) {
    if (isConflict(error)) return { isConflict: true }
    throw error
  }
}

/** Whether a body failed over something that was not there at any one moment (T1). */
async function isOutdated(attempt: Attempt, commit: CommitNow): Promise<boolean> {
  if (isOneKey(attempt)) return false
  try {
    await commit({ changes: [], expectations: attempt.expectations })
    return false
  } catch (error) {
    return isConflict(error) // any other failure must not hide that of the body
  }
}

/** One key that was read once is as it was at one moment. */
function isOneKey({ expectations }: Attempt): boolean {
  const [first, second] = expectations
  return second === undefined && (first === undefined || !('keys' in first))
}

/** Something was changed meanwhile, or another process took the store over before anything was done. */
function isConflict(error: unknown): boolean {
  return error instanceof ConflictError || (error instanceof StorageError && isHarmlessFence(error))
}

function isHarmlessFence({ code, outcome }: StorageError): boolean {
  return code === 'FENCED' && outcome === 'none'
}

function checkTimeout(timeout: number | undefined): number {
  if (timeout === undefined) return BODY_LIMIT_MS
  if (typeof timeout === 'number' && timeout > 0) return timeout
  throw new StorageError('INVALID_OPTION', 'The option timeout must be a number of milliseconds above 0.')
}
