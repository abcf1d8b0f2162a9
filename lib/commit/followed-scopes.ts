/** The scopes that are followed in a store: found, opened, compared now and then where the system gives no hints. */

import { FOLDERS_A_LOOK, POLL_COST_SHARE } from '../base/limits.js'
import type { ScopeId } from '../base/scope-id.js'
import type { DoubtReason } from './engine.js'
import { FollowedScope } from './follow-scope.js'
import { listFolders, type Stillness } from './list.js'
import type { Site } from './site.js'

/** How the followers of a store look for changes. */
export interface FollowSettings {
  /** Ask the system for no hints: compare now and then. */
  readonly polling: boolean
  /** How often, in milliseconds. */
  readonly intervalMs: number
  /** An edit by hand is told when the file has stood still for so long, in milliseconds. */
  readonly quietMs: number
  /** Tells which folders come and go in some, where the filesystem is the system's own. */
  readonly watchFolders?: ((onHint: () => void) => FoldersWatch) | undefined
}

/** Watches in which folders others come and go. */
export interface FoldersWatch {
  /** From now on these folders; those that were watched stay. */
  add(folders: readonly string[]): void
  close(): void
}

/** What scopes tell the one who follows them. */
export interface ScopeCalls {
  /** See `ScopeWatching`. */
  readonly stillness: Stillness
  /** There is something to look at. */
  onHint(): void
  /** Scopes may have appeared. */
  onFolders(): void
  onError(error: unknown): void
}

/** What is in a store. */
export interface ListedScopes {
  readonly scopes: readonly ScopeId[]
  /** The folders in which other scopes would appear. */
  readonly folders: readonly string[]
}

/** All scopes that are followed. */
export class FollowedScopes {
  readonly #site: Site
  readonly #settings: FollowSettings
  readonly #calls: ScopeCalls
  readonly #scopes = new Map<string, FollowedScope>()
  #folders: FoldersWatch | undefined
  #pollSinceMs: number | undefined
  #nextPollMs = 0
  #nextFolder = 0

  constructor(site: Site, settings: FollowSettings, calls: ScopeCalls) {
    this.#site = site
    this.#settings = settings
    this.#calls = calls
  }

  /** Those of which it is known what was there at first. */
  get begun(): FollowedScope[] {
    return [...this.#scopes.values()].filter(({ isBegun }) => isBegun)
  }

  /** A scope that is followed. */
  find(id: ScopeId): FollowedScope | undefined {
    return this.#scopes.get(describeId(id))
  }

  /** Follows a scope: what is told of it before `begin` is known, and no more. */
  add(id: ScopeId): FollowedScope {
    const found = this.find(id)
    if (found !== undefined) return found
    const { polling: isPolled, quietMs } = this.#settings
    const { stillness, onHint, onError } = this.#calls
    const scope = new FollowedScope(this.#site, id, { quietMs, isPolled, stillness, onHint, onError })
    this.#scopes.set(describeId(id), scope)
    return scope
  }

  /** Follows a scope that has appeared, so that all that is in it is new. */
  openNew(id: ScopeId): FollowedScope {
    const found = this.find(id)
    if (found !== undefined) return found
    const scope = this.add(id)
    scope.beginEmpty()
    return scope
  }

  /** Whether every key of every comparison was judged. */
  get isCompared(): boolean {
    return this.begun.every((scope) => scope.isCompared)
  }

  /** Whether it is not known yet of a scope that is meant what it holds. */
  isAnyUnknown(isMeant: (id: ScopeId) => boolean): boolean {
    return [...this.#scopes.values()].some(({ id, isBegun }) => !isBegun && isMeant(id))
  }

  /** Resolves when it is known of all scopes that are meant what they hold. */
  async begin(isMeant: (id: ScopeId) => boolean): Promise<void> {
    const scopes = [...this.#scopes.values()].filter(({ id }) => isMeant(id))
    await Promise.all(scopes.map((scope) => scope.begin()))
  }

  /** Lets all go that nobody wants any more. */
  keep(isWanted: (id: ScopeId) => boolean, isAllWanted: boolean): void {
    for (const [name, scope] of this.#scopes) {
      if (isWanted(scope.id)) continue
      scope.close()
      this.#scopes.delete(name)
    }
    if (isAllWanted) return
    this.#folders?.close()
    this.#folders = undefined
  }

  /** The scopes that have a folder, and the shared one of each workspace. */
  async list(): Promise<ListedScopes> {
    const { layout } = this.#site
    const scopes: ScopeId[] = []
    const folders = [layout.root]
    for (const workspace of await listFolders(this.#site, layout.root)) {
      const plugins = layout.pluginsPath(workspace)
      folders.push(layout.workspacePath(workspace), plugins)
      scopes.push({ workspace })
      for (const plugin of await listFolders(this.#site, plugins)) scopes.push({ workspace, plugin })
    }
    return { scopes, folders }
  }

  /** From now on it is told when other scopes appear beside these. */
  watchFolders({ folders }: ListedScopes): void {
    if (this.#settings.polling) return
    this.#folders ??= this.#settings.watchFolders?.(() => this.#calls.onFolders())
    this.#folders?.add(folders)
  }

  /** Compares all; without a reason nobody is told of it. */
  doubt(reason?: DoubtReason): void {
    for (const scope of this.begun) scope.doubt(reason)
  }

  /** It is to be looked at whether the folders of some scopes still are those that are watched; of all in turn. */
  doubtFolders(): void {
    const scopes = this.begun
    for (let count = Math.min(scopes.length, FOLDERS_A_LOOK); count > 0; count -= 1) {
      this.#nextFolder = (this.#nextFolder + 1) % scopes.length
      scopes[this.#nextFolder]?.doubtFolder()
    }
  }

  /** Compares those of which the system tells nothing, if it is time. */
  poll(nowMs: number): void {
    const polled = this.#listPolled()
    if (polled.length === 0 || this.#pollSinceMs !== undefined || nowMs < this.#nextPollMs) return
    this.#pollSinceMs = nowMs
    for (const scope of polled) scope.doubt()
  }

  /** In how many milliseconds to poll again; undefined: it is under way, or not needed. */
  planPoll(nowMs: number): number | undefined {
    const polled = this.#listPolled()
    if (polled.length === 0 || polled.some(({ isDirty }) => isDirty)) return undefined
    if (this.#pollSinceMs !== undefined) {
      const tookMs = nowMs - this.#pollSinceMs
      this.#pollSinceMs = undefined
      this.#nextPollMs = nowMs + Math.max(this.#settings.intervalMs, POLL_COST_SHARE * tookMs)
    }
    return Math.max(1, this.#nextPollMs - nowMs)
  }

  #listPolled(): FollowedScope[] {
    return this.begun.filter(({ isPolled }) => isPolled)
  }
}

function describeId({ workspace, plugin }: ScopeId): string {
  return JSON.stringify([workspace, plugin])
}
