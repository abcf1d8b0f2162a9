/** Watching a document: the object with its defaults, after each change of its key. */

import { EventEmitter } from 'node:events'
import { StorageError } from '../base/errors.js'
import type { DocumentWatcher, DocumentWatcherEvents, DocumentWatchOptions } from '../store/document.js'
import { Iteration, tell, type Untaken } from '../store/iteration.js'
import type { Scope } from '../store/scope.js'
import type { Watcher } from '../store/watch.js'

/** What is watched: its key, and how to read it. */
interface Watched {
  readonly key: string
  get(): Promise<unknown>
}

/** `DocumentWatcher` over a watcher of one key. */
export class ScopeDocumentWatcher
  extends EventEmitter<DocumentWatcherEvents<unknown>>
  implements DocumentWatcher<unknown>
{
  /** See `DocumentWatcher`. */
  readonly ready: Promise<void>
  readonly #watched: Watched
  readonly #watcher: Watcher
  readonly #iteration = new Iteration<unknown>()
  #latest: Untaken<unknown> | undefined

  constructor(scope: Scope, watched: Watched, options: DocumentWatchOptions) {
    super()
    checkOptions(options)
    const { initial = false, ...rest } = options
    this.#watched = watched
    this.#watcher = scope.watch({ ...rest, keys: [watched.key], queueLimit: 1 })
    this.#watcher.on('error', (error) => this.#fail(error))
    this.ready = this.#watcher.ready
    void this.#run(initial)
  }

  /** See `DocumentWatcher`. */
  next(): Promise<IteratorResult<unknown, undefined>> {
    return this.#iteration.next(() => {
      const latest = this.#latest
      this.#latest = undefined
      return latest
    })
  }

  /** Ends it, for `break`. */
  async return(): Promise<IteratorResult<unknown, undefined>> {
    await this.close()
    return this.#iteration.end()
  }

  /** See `DocumentWatcher`. */
  [Symbol.asyncIterator](): this {
    this.#iteration.isBegun = true
    return this
  }

  /** See `DocumentWatcher`. */
  async close(): Promise<void> {
    this.#latest = undefined
    this.#iteration.end()
    await this.#watcher.close()
  }

  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #run(initial: boolean): Promise<void> {
    try {
      await this.#watcher.ready
      if (!this.#iteration.isEnded) tell(this, 'ready')
      if (initial) await this.#read()
      for await (const _ of this.#watcher) await this.#read()
    } catch {
      // It was closed before it was ready; what failed was told.
    } finally {
      this.#iteration.end()
    }
  }

  /** What changes meanwhile comes with the next change. */
  async #read(): Promise<void> {
    try {
      this.#give(await this.#watched.get())
    } catch (error) {
      const isClosed = error instanceof StorageError && error.code === 'STORE_CLOSED'
      if (!isClosed) this.#fail(error)
    }
  }

  #give(value: unknown): void {
    if (this.#iteration.isEnded) return
    tell(this, 'change', value)
    if (!this.#iteration.give(value)) this.#latest = { value }
  }

  #fail(error: unknown): void {
    if (this.#iteration.isEnded) return
    const isHeard = this.listenerCount('error') > 0
    if (isHeard || (!this.#iteration.isBegun && this.listenerCount('change') > 0)) tell(this, 'error', error)
    if (isHeard) return
    if (!this.#iteration.fail(error)) this.#latest = { error }
    this.#iteration.end()
    void this.#watcher.close()
  }
}

const OPTION_NAMES = ['initial', 'own', 'persistent', 'signal']

function checkOptions(options: DocumentWatchOptions): void {
  const unknown = Object.keys(options).find((name) => !OPTION_NAMES.includes(name))
  if (unknown === undefined) return
  const message = `There is no option ${JSON.stringify(unknown)}; there are ${OPTION_NAMES.join(', ')}.`
  throw new StorageError('INVALID_OPTION', message)
}
