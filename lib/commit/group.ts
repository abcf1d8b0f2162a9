/** Grouping: writes that wait while a commit is under way are committed together in the next one. */

import { StorageError } from '../base/errors.js'
import { GROUP_BYTES } from '../base/limits.js'
import type { ScopeId } from '../base/scope-id.js'
import type { Change, CommitNow, CommitReceipt, CommitRequest } from './engine.js'
import type { Ownership } from './own.js'
import { estimateChangeBytes } from './record.js'

/** A commit that waits, or is under way. */
export interface PendingCommit {
  readonly request: CommitRequest
  /** The file of each change. */
  readonly paths: readonly string[]
  /** For the journal, close enough. */
  readonly bytes: number
  /** When it came, in milliseconds that only rise. */
  readonly sinceMs: number
  /** Commit it in a group of its own: in company it could not be told whose change failed. */
  isAlone: boolean
  resolve(receipt: CommitReceipt): void
  reject(error: unknown): void
}

/** Something that wants the store to itself for a moment; see visit.ts. */
export interface PendingVisit {
  readonly sinceMs: number
  run(commit: CommitNow, owned: Ownership): Promise<void>
  reject(error: unknown): void
}

/** A commit that begins to wait now. */
export function makePending(
  request: CommitRequest,
  paths: readonly string[],
  sinceMs: number,
  settle: Pick<PendingCommit, 'resolve' | 'reject'>,
): PendingCommit {
  const bytes = request.changes.reduce(
    (total, change) => total + estimateChangeBytes(change.key, change.value?.byteLength ?? 0),
    0,
  )
  return { request, paths, bytes, sinceMs, isAlone: false, ...settle }
}

/** Commits in the order in which they came. */
export class CommitQueue {
  readonly #store: string
  readonly #timeoutMs: number
  #pending: PendingCommit[] = []
  #visits: PendingVisit[] = []

  /** `timeoutMs` is how long a commit may wait for its turn. */
  constructor(store: string, timeoutMs: number) {
    this.#store = store
    this.#timeoutMs = timeoutMs
  }

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    return this.#pending.length === 0 && this.#visits.length === 0
  }

  /** Adds a commit; the promise is its outcome. An abort takes it out again while it waits. */
  add(request: CommitRequest, paths: readonly string[], nowMs: number): Promise<CommitReceipt> {
    return new Promise((resolve, reject) => {
      const pending = makePending(request, paths, nowMs, { resolve, reject })
      this.#pending.push(pending)
      if (request.signal !== undefined) this.#watchAbort(pending, request.signal)
    })
  }

  /** Adds a visit. An abort takes it out again while it waits. */
  addVisit(visit: PendingVisit, signal: AbortSignal | undefined): void {
    this.#visits.push(visit)
    const onAbort = (): void => {
      const index = this.#visits.indexOf(visit)
      if (index >= 0) this.#visits.splice(index, 1)[0]?.reject(signal?.reason)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
  }

  /** The visit that has waited longest. */
  takeVisit(): PendingVisit | undefined {
    return this.#visits.shift()
  }

  /** The next group: in order, as many as one flush should serve, at least one. */
  takeGroup(): PendingCommit[] {
    let bytes = 0
    let count = 0
    for (const pending of this.#pending) {
      bytes += pending.bytes
      if (count > 0 && (bytes > GROUP_BYTES || pending.isAlone)) break
      count += 1
      if (pending.isAlone) break
    }
    return this.#pending.splice(0, count)
  }

  /** Puts a group back to where it came from. */
  putBack(group: readonly PendingCommit[]): void {
    this.#pending = [...group, ...this.#pending]
  }

  /** Rejects what has waited too long. */
  expire(nowMs: number): void {
    const isLate = ({ sinceMs }: { sinceMs: number }): boolean => nowMs - sinceMs > this.#timeoutMs
    const late = [...this.#pending.filter(isLate), ...this.#visits.filter(isLate)]
    if (late.length === 0) return
    this.#pending = this.#pending.filter((pending) => !isLate(pending))
    this.#visits = this.#visits.filter((visit) => !isLate(visit))
    const message = `Another process has owned the store ${this.#store} for ${this.#timeoutMs} ms; try again, or raise lockTimeout.`
    for (const pending of late) {
      pending.reject(new StorageError('LOCK_TIMEOUT', message, { store: this.#store, outcome: 'none' }))
    }
  }

  /** Rejects all that wait. */
  rejectAll(makeError: (place: { scope?: ScopeId; key?: string }) => unknown): void {
    for (const pending of this.#pending.splice(0)) {
      const [{ scope, key } = {}] = pending.request.changes as readonly Partial<Change>[]
      pending.reject(makeError({ ...(scope && { scope }), ...(key && { key }) }))
    }
    for (const visit of this.#visits.splice(0)) visit.reject(makeError({}))
  }

  #watchAbort(pending: PendingCommit, signal: AbortSignal): void {
    const onAbort = (): void => {
      const index = this.#pending.indexOf(pending)
      if (index < 0) return // under way, and no longer to be stopped
      this.#pending.splice(index, 1)
      pending.reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    const { resolve, reject } = pending
    pending.resolve = (receipt) => {
      signal.removeEventListener('abort', onAbort)
      resolve(receipt)
    }
    pending.reject = (error) => {
      signal.removeEventListener('abort', onAbort)
      reject(error)
    }
  }
}
