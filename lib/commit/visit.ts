/** Visits: something that has the store to itself for a moment, between two groups. */

import { StorageError } from '../base/errors.js'
import type { CommitNow } from './engine.js'
import type { Ownership } from './own.js'

/** What is done in a visit; it may use the work folder, and must leave the journal alone. */
export type VisitBody<T> = (commit: CommitNow, owned: Ownership) => Promise<T>

/**
 * Runs the body of a visit and gives what it gives. One that takes longer than `limitMs` is given up, unless it is
 * committing: it rejects with `LOCK_TIMEOUT`, and what the body does later is refused. When the promise settles no
 * commit of the visit is under way.
 */
export async function runVisit<T>(
  body: (commit: CommitNow) => Promise<T>,
  commit: CommitNow,
  limitMs: number,
): Promise<T> {
  let committing: Promise<unknown> | undefined
  let isOver = false
  const commitUntilOver: CommitNow = async (request) => {
    if (isOver) throw tooLong(limitMs)
    const receipt = commit(request)
    committing = receipt.catch(() => undefined)
    return receipt
  }
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    const give = (): void => void (committing === undefined && reject(tooLong(limitMs)))
    if (limitMs !== Number.POSITIVE_INFINITY) timer = setTimeout(give, limitMs)
  })
  try {
    return await Promise.race([body(commitUntilOver), limit])
  } finally {
    clearTimeout(timer)
    isOver = true
    await committing
  }
}

function tooLong(limitMs: number): StorageError {
  const message = `A transaction had the store to itself for ${limitMs} ms and was given up; do less in it, wait for nothing but its own reads, and write through it alone.`
  return new StorageError('LOCK_TIMEOUT', message, { outcome: 'none' })
}
