/** Watching: the changes of a scope, or of all scopes of a store, as they happen. */

import { EventEmitter } from 'node:events'
import { StorageError } from '../base/errors.js'
import { WATCH_QUEUE_CHANGES } from '../base/limits.js'
import type { ScopeId } from '../base/scope-id.js'
import type { DoubtReason, Engine, FollowedChange, Following } from '../commit/engine.js'
import { Iteration, tell } from './iteration.js'
import { ChangeQueue } from './watch-queue.js'

/** One change of a key. */
export interface Change extends FollowedChange {
  /** All changes of one commit that a watcher is told of come one behind the other. */
  readonly commit: {
    /** From 0 on. */
    readonly index: number
    /** How many there are; 1 for what is no commit. */
    readonly size: number
  }
}

/**
 * Why a watcher compared what is there with what it had told: see `DoubtReason`. With `queue`, a consumer was too slow:
 * of several changes of a key it is given the latest.
 */
export type ResyncReason = DoubtReason | 'queue'

/** Says that a watcher was in doubt, and that all differences have been told. */
export interface Resync {
  readonly reason: ResyncReason
  /** Undefined if it is about all that the watcher watches. */
  readonly scope: ScopeId | undefined
}

/** What to watch. */
export interface WatchOptions {
  /** Only keys that begin with it. */
  readonly prefix?: string | undefined
  /** Only these keys. */
  readonly keys?: Iterable<string> | undefined
  /** First gives every present key, as `set` from `initial`. Default: false. */
  readonly initial?: boolean | undefined
  /** False leaves out what this plugin, or the host, itself writes in this process. Default: true. */
  readonly own?: boolean | undefined
  /** Keeps the process alive. Default: false. */
  readonly persistent?: boolean | undefined
  /** How many changes wait for a slow consumer, before of each key only the latest is kept. Default: 10,000. */
  readonly queueLimit?: number | undefined
  /** Closes the watcher. */
  readonly signal?: AbortSignal | undefined
}

/** The events of a watcher. */
export interface WatcherEvents {
  change: [change: Change]
  ready: []
  resync: [resync: Resync]
  error: [error: unknown]
}

/** Whom a watcher watches for. */
export interface WatcherPlace {
  readonly engine: Engine
  /** Without one: all scopes. */
  readonly scope?: ScopeId | undefined
  /** The plugin that watches; undefined for the host. */
  readonly writer?: string | undefined
}

const NOBODY = { resolve: (): void => undefined, reject: (): void => undefined }

/**
 * Tells of changes: as events, and to one `for await`. It begins at once; what changes after `ready` is never missed, and
 * each commit is told once, in the order of revisions. What is read after a change is the version it names, or a later one.
 *
 * It ends with `close`, the signal, the end of a `for await`, or the end of the store. What fails is an `error`, and is tried
 * again; where nobody listens for it, it ends the watcher, and is thrown by `for await`.
 */
export class Watcher
  extends EventEmitter<WatcherEvents>
  implements AsyncIterableIterator<Change>, AsyncDisposable
{
  /** Resolves when nothing is missed any more; rejects if it ended before. */
  readonly ready: Promise<void>
  readonly #following: Following
  readonly #queue: ChangeQueue<Change>
  readonly #isWanted: (change: FollowedChange) => boolean
  readonly #signal: AbortSignal | undefined
  readonly #onAbort = (): void => void this.close()
  readonly #iteration = new Iteration<Change>()
  #settleReady: { resolve(): void; reject(error: unknown): void } = NOBODY
  #failure: { readonly error: unknown } | undefined

  /** For `Scope` and `Storage`; not to be called by others. Throws `INVALID_OPTION`, `STORE_CLOSED`. */
  constructor(place: WatcherPlace, options: WatchOptions = {}) {
    super()
    checkOptions(options)
    const { initial = false, persistent = false, queueLimit = WATCH_QUEUE_CHANGES, signal } = options
    this.#isWanted = makeFilter(options, place.writer)
    this.#queue = new ChangeQueue(queueLimit)
    this.#signal = signal
    this.ready = new Promise((resolve, reject) => {
      this.#settleReady = { resolve, reject }
    })
    this.ready.catch(() => undefined) // told by `error`, or by the iteration
    this.#following = place.engine.follow({
      scope: place.scope,
      initial,
      persistent,
      onChanges: (changes) => this.#take(changes),
      onReady: () => this.#becomeReady(),
      onResync: (reason, scope) => tell(this, 'resync', { reason, scope }),
      onError: (error) => this.#fail(error),
      onEnd: () => this.#end(),
    })
    if (signal?.aborted) void this.close()
    else signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** The next change, for `for await`; `done` when the watcher has ended. */
  next(): Promise<IteratorResult<Change, undefined>> {
    return this.#iteration.next(() => {
      const change = this.#queue.shift()
      if (change !== undefined) return { value: change }
      const failure = this.#failure
      this.#failure = undefined
      return failure
    })
  }

  /** Ends the watcher, for `break`. */
  async return(): Promise<IteratorResult<Change, undefined>> {
    await this.close()
    return this.#iteration.end()
  }

  /** The watcher itself: several loops over it share its changes. */
  [Symbol.asyncIterator](): this {
    this.#iteration.isBegun = true
    return this
  }

  /** Compares everything that is watched now; resolves when the differences have been told. Other changes may be told, too. */
  rescan(): Promise<void> {
    return this.#iteration.isEnded ? Promise.resolve() : this.#following.rescan()
  }

  /** Ends the watcher; nothing is told any more, and what waits is dropped. */
  async close(): Promise<void> {
    this.#end()
    this.#queue.clear()
  }

  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #take(changes: readonly FollowedChange[]): void {
    const wanted = changes.filter(this.#isWanted)
    for (const [index, change] of wanted.entries()) {
      this.#give({ ...change, commit: { index, size: wanted.length } })
    }
  }

  #give(change: Change): void {
    if (this.#iteration.isEnded) return
    tell(this, 'change', change)
    if (this.#iteration.give(change)) return
    if (this.#iteration.isBegun || this.listenerCount('change') === 0) {
      const isLost = this.#queue.push(change)
      if (isLost) tell(this, 'resync', { reason: 'queue', scope: undefined })
    }
  }

  #becomeReady(): void {
    this.#settleReady.resolve()
    tell(this, 'ready')
  }

  #fail(error: unknown): void {
    if (this.listenerCount('error') > 0) {
      tell(this, 'error', error)
      return
    }
    if (!this.#iteration.fail(error)) this.#failure = { error } // the next call of `next` throws it
    this.#settleReady.reject(error)
    if (!this.#iteration.isBegun && this.listenerCount('change') > 0) tell(this, 'error', error) // thrown: nobody listens
    this.#end()
  }

  /** What waits in the queue can still be taken. */
  #end(): void {
    if (this.#iteration.isEnded) return
    this.#iteration.end()
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#following.close()
    this.#settleReady.reject(new StorageError('STORE_CLOSED', 'The watcher was closed before it was ready.'))
  }
}

function makeFilter(
  { prefix, keys, own = true }: WatchOptions,
  writer: string | undefined,
): (change: FollowedChange) => boolean {
  const wanted = keys === undefined ? undefined : new Set(keys)
  return ({ key, by, source }) => {
    if (prefix !== undefined && !key.startsWith(prefix)) return false
    if (wanted !== undefined && !wanted.has(key)) return false
    return own || source !== 'local' || by !== writer
  }
}

const OPTION_NAMES = ['prefix', 'keys', 'initial', 'own', 'persistent', 'queueLimit', 'signal']

function checkOptions(options: WatchOptions): void {
  if (typeof options !== 'object' || options === null) throw invalid('The options must be an object.')
  const unknown = Object.keys(options).find((name) => !OPTION_NAMES.includes(name))
  if (unknown !== undefined)
    throw invalid(`There is no option ${JSON.stringify(unknown)}; there are ${OPTION_NAMES.join(', ')}.`)
  const { prefix, keys, queueLimit } = options
  if (prefix !== undefined && typeof prefix !== 'string') throw invalid('The option prefix must be a string.')
  if (keys !== undefined && (typeof keys === 'string' || !(Symbol.iterator in Object(keys))))
    throw invalid('The option keys must be a list of keys.')
  if (queueLimit !== undefined && !(Number.isInteger(queueLimit) && queueLimit > 0))
    throw invalid('The option queueLimit must be a whole number above 0.')
}

function invalid(message: string): StorageError {
  return new StorageError('INVALID_OPTION', message)
}
