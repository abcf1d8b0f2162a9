/** What one follower was told, and what is wrong with it. */

import type { ScopeId } from '../../lib/base/scope-id.js'
import type { FollowedChange, Following, FollowRequest } from '../../lib/commit/engine.js'

/** What was done by hand. */
export interface HandEdits {
  /** Of all files that a hand wrote or touched. */
  readonly versions: Set<string>
  /** How often a hand removed a key's file. */
  readonly removals: Map<string, number>
}

/** A commit that was asked for; see the simulation. */
export interface AskedCommit {
  readonly actor: string
  /** 1 for the first one that was asked for. */
  readonly number: number
  readonly values: Readonly<Record<string, string | undefined>>
  readonly isDone: boolean
  /** Keys that it deleted though they held nothing: nothing may be told of them. */
  readonly idle?: readonly string[] | undefined
  readonly revision?: number | undefined
}

/** How to follow. */
export interface ToldOptions {
  readonly initial: boolean
  readonly scope: ScopeId | undefined
  /** Of which it is told. */
  readonly keys: readonly string[]
  /** The versions of all keys as they are now. */
  readonly readPresent: () => ReadonlyMap<string, string>
  /** How many commits were asked for by now. */
  readonly countCommits: () => number
  readonly onNote: (line: string) => void
}

/** One follower. */
export class ToldChanges {
  readonly actor: string
  readonly request: FollowRequest
  following: Following | undefined
  isClosed = false
  readonly #isInitial: boolean
  readonly #keys: readonly string[]
  readonly #groups: (readonly FollowedChange[])[] = []
  /** What is known to whoever was told all of it, and, unless it was told that as well, knows what was there at `ready`. */
  #state = new Map<string, string | undefined>()
  /** What was there at `ready` without being told. */
  #untold: ReadonlyMap<string, string> = new Map()
  readonly #problems: string[] = []
  #hasGap = false
  #isReady = false
  /** How many commits had been asked for by then; `initial` may have told of their keys. */
  #readyAt = 0

  constructor(actor: string, { initial, scope, keys, readPresent, countCommits, onNote }: ToldOptions) {
    this.actor = actor
    this.#isInitial = initial
    this.#keys = keys
    this.request = {
      scope,
      initial,
      persistent: false,
      onChanges: (changes) => {
        onNote(`is told ${changes.map(describe).join(', ')}`)
        this.#groups.push(changes)
        for (const { type, key, version } of changes) {
          if (type === 'set') this.#state.set(key, version)
          else this.#state.delete(key)
        }
      },
      onReady: () => {
        onNote('is ready')
        this.#isReady = true
        this.#readyAt = countCommits()
        if (initial) return
        this.#untold = readPresent()
        this.#state = new Map(this.#untold)
      },
      onResync: (reason) => {
        onNote(`is told ${reason}`)
        this.#hasGap ||= reason === 'gap'
      },
      onError: (error) => this.#problems.push(`${actor} is told of an error: ${String(error)}`),
      onEnd: () => undefined,
    }
  }

  close(): void {
    this.isClosed = true
    this.following?.close()
  }

  /** What is wrong, in sentences; `present` are the versions of all keys in the end. */
  findProblems(
    commits: readonly AskedCommit[],
    edits: HandEdits,
    present: ReadonlyMap<string, string>,
  ): string[] {
    const problems = [...this.#problems, ...this.#checkCommits(commits)]
    if (!this.#hasGap) problems.push(...this.#checkEdits(edits))
    if (this.#isInitial) problems.push(...this.#checkRepeats(edits))
    if (this.isClosed) return problems
    if (!this.#isReady) problems.push(`${this.actor} was never ready.`)
    for (const [key, version] of this.#untold) {
      // It came by hand and went again before anybody was told.
      if (this.#state.get(key) === version && edits.versions.has(version) && !present.has(key))
        this.#state.delete(key)
    }
    const [told, found] = [this.#state, present].map((state) =>
      JSON.stringify([...state].filter(([key]) => this.#keys.includes(key)).sort()),
    )
    if (told !== found) problems.push(`${this.actor} was told ${told}, and there is ${found}.`)
    return problems
  }

  /** Each commit once, in order, whole, and with its origin. */
  #checkCommits(commits: readonly AskedCommit[]): string[] {
    const problems: string[] = []
    let last: number | undefined
    for (const group of this.#groups) {
      const { revision, by, source } = group[0] as FollowedChange
      if (revision === undefined) continue
      const missing = commits.filter(
        (commit) =>
          this.#tellsOf(commit).length > 0 &&
          (commit.revision ?? 0) > (last ?? revision) &&
          (commit.revision ?? 0) < revision,
      )
      const mayLack =
        this.#hasGap || (this.#isInitial && missing.every(({ number }) => number <= this.#readyAt))
      if ((last !== undefined && revision <= last) || (missing.length > 0 && !mayLack))
        problems.push(`${this.actor} was told of commit ${revision} after ${last}.`)
      last = revision
      const keys = group.map(({ key }) => key)
      const asked =
        commits.find((commit) => commit.revision === revision) ??
        commits.find(
          (commit) => !commit.isDone && commit.actor === by && keys.every((key) => key in commit.values),
        )
      if (asked === undefined)
        problems.push(`${this.actor} was told of commit ${revision}, which nobody made.`)
      else problems.push(...this.#compare(group, asked))
      if (by !== asked?.actor || (source === 'local') !== (by === this.actor))
        problems.push(`${this.actor} was told that commit ${revision} is by ${by}, ${source}.`)
    }
    return problems
  }

  #tellsOf({ values, idle = [] }: AskedCommit): string[] {
    return Object.keys(values).filter((key) => this.#keys.includes(key) && !idle.includes(key))
  }

  #compare(group: readonly FollowedChange[], asked: AskedCommit): string[] {
    const { values, isDone, idle = [] } = asked
    const told = group.map(({ key }) => key)
    const isWhole = told.filter((key) => !idle.includes(key)).join() === this.#tellsOf(asked).join()
    // What was there at first is not told once more.
    const isPart = group.every(({ key }) => key in values)
    const mayLack = this.#isInitial || !isDone
    if (isWhole || (mayLack && isPart)) return []
    return [`${this.actor} was told ${told.join()} of the commit of ${Object.keys(values).join()}.`]
  }

  /** An edit by hand was one. */
  #checkEdits(edits: HandEdits): string[] {
    const problems: string[] = []
    const removals = new Map(edits.removals)
    for (const change of this.#groups.flat()) {
      const { type, key, version, source } = change
      if (source !== 'external') continue
      const left = removals.get(key) ?? 0
      removals.set(key, type === 'delete' ? left - 1 : left)
      if (type === 'delete' ? left > 0 : edits.versions.has(version as string)) continue
      problems.push(`${this.actor} was told of ${describe(change)}, which no hand made.`)
    }
    return problems
  }

  /** What was present is not told again. An edit may be, when the commit that it came after is told late. */
  #checkRepeats(edits: HandEdits): string[] {
    const seen = new Set<string>()
    const problems: string[] = []
    for (const change of this.#groups.flat()) {
      if (change.version === undefined || edits.versions.has(change.version)) continue
      const name = `${change.key} ${change.version}`
      if (seen.has(name)) problems.push(`${this.actor} was told twice of ${describe(change)}.`)
      seen.add(name)
    }
    return problems
  }
}

function describe({ type, key, version, revision, source }: FollowedChange): string {
  return `${type} ${key} ${version} ${source} ${revision ?? ''}`
}
