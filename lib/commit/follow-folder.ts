/** The folder of a followed scope: which one it is, and what the system tells of it. */

import { basename } from 'node:path'
import type { ScopeId } from '../base/scope-id.js'
import { identifyFile, isErrorCode } from '../disk/disk.js'
import type { Site } from './site.js'

/** A folder that is there and cannot be watched so often, since it is not there, cannot be watched. */
const WATCH_ATTEMPTS = 10

/** Whom a folder tells. */
export interface FolderCalls {
  /** A name in it may have changed. */
  onName(name: string): void
  /** It may be another one by now. */
  onDoubt(): void
  /** Hints were lost: anything may have changed. */
  onOverflow(): void
  /** From now on the system tells nothing of it, or not everything. */
  onSilence(): void
}

/** What a look at the folder has found: the one that is watched, the first one at that place, or another one or none. */
export type FolderState = 'same' | 'new' | 'replaced'

/** Watches one scope's folder, and the next one above it that is there. */
export class FollowedFolder {
  readonly #site: Site
  /** From the root down to the scope's own. */
  readonly #paths: readonly string[]
  readonly #calls: FolderCalls
  readonly #watches: { close(): void }[] = []
  #place: Place | undefined
  #isDoubtful = true
  #isHinted: boolean
  #isClosed = false
  /** How often in a row a folder that is there could not be watched. */
  #failures = 0

  /** `isHinted`: whether to ask the system for hints at all. */
  constructor(site: Site, id: ScopeId, isHinted: boolean, calls: FolderCalls) {
    this.#site = site
    this.#paths = [site.layout.root, ...site.layout.scopeFolders(id)]
    this.#isHinted = isHinted
    this.#calls = calls
  }

  /** Whether it is to be looked at. */
  get isDoubtful(): boolean {
    return this.#isDoubtful
  }

  /** It is to be looked at whether it still is the folder that is watched. */
  doubt(): void {
    this.#isDoubtful = true
    this.#calls.onDoubt()
  }

  /** If another folder is there than the one that is watched, watches that one. */
  async check(): Promise<FolderState> {
    if (!this.#isDoubtful) return 'same'
    this.#isDoubtful = false
    const before = this.#place
    const place = await this.#findPlace()
    if (before?.chain === place.chain) return 'same'
    this.#place = place
    this.#unwatch()
    if (this.#isHinted && !this.#isClosed) this.#watch(place)
    if (this.#place !== undefined) this.#failures = 0
    if (before?.folder === place.folder) return 'same'
    return before?.folder === undefined ? 'new' : 'replaced'
  }

  /** Ends the watches. */
  close(): void {
    this.#isClosed = true
    this.#unwatch()
  }

  async #findPlace(): Promise<Place> {
    const identities: string[] = []
    for (const path of this.#paths) {
      const stat = await this.#site.disk.stat(path)
      if (stat?.kind !== 'folder')
        return { chain: identities.join(), present: identities.length, folder: undefined }
      identities.push(`${identifyFile(stat)}-${stat.bornAt}`)
    }
    return { chain: identities.join(), present: identities.length, folder: identities.at(-1) }
  }

  /** The one above tells when a folder comes, or another one in its place. */
  #watch({ present, folder }: Place): void {
    const above = (folder === undefined ? present : present - 1) - 1
    if (folder !== undefined) this.#watchOne(this.#paths.length - 1, (name) => this.#takeName(name))
    if (above < 0) return
    const names = [above, above + 1].map((index) => basename(this.#paths[index] as string))
    this.#watchOne(above, (name) => {
      if (name === undefined) this.#calls.onOverflow()
      else if (names.includes(name)) this.doubt()
    })
  }

  #watchOne(index: number, onName: (name: string | undefined) => void): void {
    const path = this.#paths[index] as string
    this.#watches.push(this.#site.disk.watchFolder(path, onName, (error) => this.#loseHints(error)))
    if (this.#site.disk.isShared(path)) this.#calls.onSilence()
  }

  #takeName(name: string | undefined): void {
    if (name === undefined) this.#calls.onOverflow()
    else this.#calls.onName(name)
    if (name === basename(this.#paths.at(-1) as string)) this.doubt() // its own end
  }

  #loseHints(error: unknown): void {
    this.#place = undefined
    this.#failures += 1
    const mayHaveGone = isErrorCode(error, 'ENOENT', 'ENOTDIR') && this.#failures < WATCH_ATTEMPTS
    if (!mayHaveGone) {
      this.#isHinted = false
      this.#calls.onSilence()
    }
    this.doubt()
  }

  #unwatch(): void {
    for (const watch of this.#watches.splice(0)) watch.close()
  }
}

/** Which folders lead to a scope's. */
interface Place {
  /** What tells all of them from others. */
  readonly chain: string
  /** How many are there, the root among them. */
  readonly present: number
  /** What tells the scope's own folder from others; undefined if it is not there. */
  readonly folder: string | undefined
}
