/** Watching a document: the object with its defaults, after each change of its key. */

import { EventEmitter } from 'node:events'
import { StorageError } from '../base/errors.js'
import type { DocumentWatcher, DocumentWatcherEvents, DocumentWatchOptions } from '../store/document.js'
import type { Scope } from '../store/scope.js'
import type { Watcher } from '../store/watch.js'

/** What is watched: its key, and how to read it. */
interface Watched {
  readonly key: string
  get(): Promise<unknown>
}

interface Waiting {
  resolve(result: IteratorResult<unknown, undefined>): void
  reject(error: unknown): void
}

type Outcome = { readonly value: unknown } | { readonly error: unknown }

const DONE: IteratorResult<unknown, undefined> = { done: true, value: undefined }

/** `DocumentWatcher` over a watcher of one key. */
export class ScopeDocumentWatcher
  extends EventEmitter<DocumentWatcherEvents<unknown>>
  implements DocumentWatcher<unknown>
{
  /** See `DocumentWatcher`. */
  readonly ready: Promise<void>
  readonly #watched: Watched
  readonly #watcher: Watcher
  readonly #waiting: Waiting[] = []
  /** What was not taken yet. */
  #latest: Outcome | undefined
  #isIterated = false
  #isEnded = false

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
  async next(): Promise<IteratorResult<unknown, undefined>> {
    this.#isIterated = true
    const latest = this.#latest
    this.#latest = undefined
    if (latest !== undefined && 'error' in latest) throw latest.error
    if (latest !== undefined) return { done: false, value: latest.value }
    if (this.#isEnded) return DONE
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  /** Ends it, for `break`. */
  async return(): Promise<IteratorResult<unknown, undefined>> {
    await this.close()
    return DONE
  }

  /** See `DocumentWatcher`. */
  [Symbol.asyncIterator](): this {
    this.#isIterated = true
    return this
  }

  /** See `DocumentWatcher`. */
  async close(): Promise<void> {
    this.#latest = undefined
    this.#end()
    await this.#watcher.close()
  }

  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #run(initial: boolean): Promise<void> {
    try {
      await this.#watcher.ready
      if (!this.#isEnded) this.#tell('ready')
      if (initial) await this.#read()
      for await (const _ of this.#watcher) await this.#read()
    } catch {
      // It was closed before it was ready; what failed was told.
    } finally {
      this.#end()
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
    if (this.#isEnded) return
    this.#tell('change', value)
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.#latest = { value }
    else waiting.resolve({ done: false, value })
  }

  #fail(error: unknown): void {
    if (this.#isEnded) return
    const isHeard = this.listenerCount('error') > 0
    if (isHeard || (!this.#isIterated && this.listenerCount('change') > 0)) this.#tell('error', error)
    if (isHeard) return
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.#latest = { error }
    else waiting.reject(error)
    this.#end()
    void this.#watcher.close()
  }

  /** What is told while a listener throws is told all the same; the error ends the process, as that of any listener. */
  #tell<E extends keyof DocumentWatcherEvents<unknown>>(
    name: E,
    ...told: DocumentWatcherEvents<unknown>[E]
  ): void {
    try {
      Reflect.apply(this.emit, this, [name, ...told])
    } catch (error) {
      queueMicrotask(() => {
        throw error
      })
    }
  }

  #end(): void {
    this.#isEnded = true
    for (const { resolve } of this.#waiting.splice(0)) resolve(DONE)
  }
}

const OPTION_NAMES = ['initial', 'own', 'persistent', 'signal']

function checkOptions(options: DocumentWatchOptions): void {
  const unknown = Object.keys(options).find((name) => !OPTION_NAMES.includes(name))
  if (unknown === undefined) return
  const message = `There is no option ${JSON.stringify(unknown)}; there are ${OPTION_NAMES.join(', ')}.`
  throw new StorageError('INVALID_OPTION', message)
}
