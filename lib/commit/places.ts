/** Places: where each change of a group stands among those of the same key. */

import type { ScopeId } from '../base/scope-id.js'
import type { PendingCommit } from './group.js'
import type { Publisher } from './publisher.js'
import type { Site } from './site.js'
import type { ChangePlace } from './stage.js'

/** How the changes of a group so far leave a key. */
export interface LeftKey {
  readonly scope: ScopeId
  readonly key: string
  /** Bytes; undefined if it holds no value. */
  readonly size: number | undefined
  /** Undefined if it holds no value. */
  readonly version: string | undefined
}

/** The keys of a group, while it is staged. */
export class Places {
  /** What is certain and not in place yet. */
  readonly publisher: Publisher
  readonly #site: Site
  readonly #coming = new Map<string, number>()
  readonly #left = new Map<string, LeftKey>()
  readonly #superseded = new Set<string>()

  constructor(site: Site, publisher: Publisher, group: readonly PendingCommit[]) {
    this.#site = site
    this.publisher = publisher
    for (const { paths } of group)
      for (const path of paths) this.#coming.set(path, (this.#coming.get(path) ?? 0) + 1)
  }

  /** How the changes so far leave a key; undefined if none touches it. */
  find(scope: ScopeId, key: string): LeftKey | undefined {
    return this.#left.size === 0 ? undefined : this.#left.get(this.#site.layout.keyPath(scope, key))
  }

  /** The keys of a scope that the changes so far touch. */
  *ofScope(scope: ScopeId): Iterable<LeftKey> {
    const path = this.#site.layout.scopePath(scope)
    for (const left of this.#left.values()) if (this.#site.layout.scopePath(left.scope) === path) yield left
  }

  /** The next change of a key. */
  next(path: string, scope: ScopeId, key: string): ChangePlace {
    const coming = this.#takeNext(path)
    if (coming > 0) this.#superseded.add(path)
    const left = this.#left.get(path)
    const unpublished = left === undefined ? this.publisher.find(scope, key) : undefined
    const wasPresent =
      left === undefined ? unpublished && unpublished.change.kind === 'set' : left.size !== undefined
    return { path, wasPresent, isSuperseded: coming > 0 }
  }

  /** How the change leaves it. */
  leave(path: string, left: LeftKey): void {
    this.#left.set(path, left)
  }

  /** A commit is not made after all. False if a change before it counted on being replaced by it. */
  drop({ paths }: PendingCommit): boolean {
    for (const path of paths) this.#takeNext(path)
    return !paths.some((path) => this.#superseded.has(path))
  }

  #takeNext(path: string): number {
    const coming = (this.#coming.get(path) ?? 1) - 1
    this.#coming.set(path, coming)
    return coming
  }
}
