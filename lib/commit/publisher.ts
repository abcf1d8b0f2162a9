/** Publishing for an owner: certain changes are put in place however long it takes, and read from memory until then. */

import { POLL_MS } from '../base/limits.js'
import type { ScopeId } from '../base/scope-id.js'
import { type Published, publishChange } from './publish.js'
import type { RecordedChange } from './record.js'
import type { Site } from './site.js'

/** A certain change that is not at its key yet, and the work folder where its value lies. */
export interface Unpublished {
  readonly change: RecordedChange
  readonly folder: string
}

/** The publications of one process. */
export class Publisher {
  readonly #site: Site
  readonly #sleep: (ms: number) => Promise<void>
  readonly #unpublished = new Map<string, Unpublished>()
  #publications = 0

  /** `sleep` waits so many milliseconds, between two attempts. */
  constructor(site: Site, sleep: (ms: number) => Promise<void>) {
    this.#site = site
    this.#sleep = sleep
  }

  /** How many changes were put in place, ever. */
  get publications(): number {
    return this.#publications
  }

  /** Whether every certain change is in place. */
  get isDone(): boolean {
    return this.#unpublished.size === 0
  }

  /** A certain change of a key that is not in place yet: what a read must give. */
  find(scope: ScopeId, key: string): Unpublished | undefined {
    return this.isDone ? undefined : this.#unpublished.get(this.#site.layout.keyPath(scope, key))
  }

  /** The certain changes that are not in place yet. */
  get all(): readonly RecordedChange[] {
    return [...this.#unpublished.values()].map(({ change }) => change)
  }

  /** The certain changes of a scope that are not in place yet. */
  *ofScope(scope: ScopeId): Iterable<RecordedChange> {
    const path = this.#site.layout.scopePath(scope)
    for (const { change } of this.#unpublished.values()) {
      if (this.#site.layout.scopePath(change.scope) === path) yield change
    }
  }

  /** Puts a change in place; `gone` if the work folder has lost its name. Rejects with the error of the system call. */
  async publish(folder: string, change: RecordedChange): Promise<Published> {
    const outcome = await publishChange(this.#site, folder, change)
    this.#publications += 1
    if (!this.isDone) this.#unpublished.delete(this.#site.layout.keyPath(change.scope, change.key))
    return outcome
  }

  /**
   * Tries again until a time, at least once. Gives the last error if it was in vain; the change is tried again now and
   * then, and readers are given it from memory.
   */
  async publishPatiently(folder: string, change: RecordedChange, untilMs: number): Promise<unknown> {
    for (;;) {
      await this.#sleep(POLL_MS)
      try {
        await this.publish(folder, change)
        return undefined
      } catch (error) {
        if (this.#site.host.monotonicMs() < untilMs) continue
        this.#unpublished.set(this.#site.layout.keyPath(change.scope, change.key), { change, folder })
        return error
      }
    }
  }

  /** Tries once more what could not be put in place. */
  async publishLate(): Promise<void> {
    for (const { folder, change } of [...this.#unpublished.values()]) {
      try {
        await this.publish(folder, change)
      } catch {
        return // its caller was told; the next attempt comes soon
      }
    }
  }

  /** The work folder was given up: the next owner finds the changes in the journal. */
  forget(): void {
    this.#unpublished.clear()
  }
}
