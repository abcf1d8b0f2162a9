/** Watching a document: its object after each change of its key. */

import { StorageError } from '../base/errors.js'
import type { Document, DocumentWatcher, DocumentWatchOptions } from '../store/document.js'
import type { Watcher } from '../store/watch.js'

type Result = IteratorResult<unknown, undefined>

const DONE: Result = { done: true, value: undefined }

/** `DocumentWatcher` over a watcher of the one key. Whatever has changed, what is given is read then. */
export class KeyDocumentWatcher implements DocumentWatcher<unknown> {
  /** See `DocumentWatcher`. */
  readonly ready: Promise<void>
  readonly #document: Pick<Document<unknown>, 'get'>
  readonly #watcher: Watcher
  readonly #onInvalid: DocumentWatchOptions['onInvalid']
  #isFirstDue: boolean
  /** Settles when all calls of `next` so far have. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(document: Pick<Document<unknown>, 'get'>, watcher: Watcher, options: DocumentWatchOptions) {
    this.ready = watcher.ready
    this.#document = document
    this.#watcher = watcher
    this.#onInvalid = options.onInvalid
    this.#isFirstDue = options.initial === true
  }

  /** The next object, for `for await`; `done` when the watcher has ended. */
  next(): Promise<Result> {
    const result = this.#turn.then(() => this.#take())
    this.#turn = result.catch(() => undefined)
    return result
  }

  /** Ends the watcher, for `break`. */
  async return(): Promise<Result> {
    await this.close()
    return DONE
  }

  /** The watcher itself. */
  [Symbol.asyncIterator](): this {
    return this
  }

  /** See `DocumentWatcher`. */
  close(): Promise<void> {
    return this.#watcher.close()
  }

  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #take(): Promise<Result> {
    while (await this.#hasChanged()) {
      try {
        return { done: false, value: await this.#document.get() }
      } catch (error) {
        if (this.#onInvalid !== undefined && error instanceof StorageError && error.kind === 'value')
          this.#onInvalid(error)
        else return this.#fail(error)
      }
    }
    return DONE
  }

  /** Waits for a change; the beginning counts as one if the first object is wanted. False at the end. */
  async #hasChanged(): Promise<boolean> {
    if (!this.#isFirstDue) return (await this.#watcher.next()).done !== true
    this.#isFirstDue = false
    return this.ready.then(
      () => true,
      () => false,
    )
  }

  async #fail(error: unknown): Promise<never> {
    await this.close()
    throw error
  }
}
