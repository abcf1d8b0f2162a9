/** What a check and a repair tell of a store. */

import type { ScopeId } from '../base/scope-id.js'

/** What was found; docs/api.md says of each kind when it is reported and what to do. */
export type FindingKind =
  | 'damaged-claim'
  | 'damaged-journal'
  | 'folder-in-scope'
  | 'foreign-name'
  | 'leftover'
  | 'link-in-scope'
  | 'misplaced'
  | 'other-filesystem'
  | 'special-in-scope'
  | 'stray'
  | 'undecodable-name'
  | 'unreadable'
  | 'unrecovered'
  | 'unsupported-format'
  | 'unwritable'
  | 'wide-permissions'

/** One thing that is not as the store would have it. */
export interface Finding {
  readonly kind: FindingKind
  /** Whether the store keeps every promise all the same; the kind decides. */
  readonly isHarmless: boolean
  /** Where it is, relative to the store's root folder, with `/` between names. */
  readonly path: string
  /** One sentence: what, which, what to do. */
  readonly message: string
  /** The scope that it is in, or whose folder it is. */
  readonly scope?: ScopeId | undefined
  /** The key, plugin id or workspace name that its name stands for, or evidently should. */
  readonly key?: string | undefined
  /** The name that a file or folder of another name needs in order to be seen. Something else may have it. */
  readonly canonicalName?: string | undefined
}

/** How far a check has come, or how much a store holds. */
export interface CheckProgress {
  /** Scopes that have a folder. */
  readonly scopes: number
  /** Keys that hold a value; on some filesystems a few too few or too many while others write. */
  readonly keys: number
  /** Bytes of values. */
  readonly bytes: number
}

/** How to check a store. */
export interface CheckOptions {
  /** Rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** Told every few milliseconds how far it has come. */
  readonly onProgress?: ((progress: CheckProgress) => void) | undefined
}

/** The process that owns a store, or was the last to and did not let it go. */
export interface StoreOwner {
  /** The number of its claim. */
  readonly claim: number
  readonly pid: number
  /** The worker thread; 0 is the main one. */
  readonly thread: number
  /** A hash that names its machine. */
  readonly machine: string
  readonly isThisMachine: boolean
  /** Whether it lives; undefined if that cannot be told from here, as on another machine or in another container. */
  readonly isAlive: boolean | undefined
  /** When it came for its turn. */
  readonly since: Date
}

/** One journal. */
export interface JournalSummary {
  /** Relative to the store's root folder. */
  readonly path: string
  /**
   * `open`: the present owner writes it. `kept`: its commits are in place, and it stays until they are synced.
   * `unrecovered`: its commits may be missing until the next owner has recovered them. `damaged`: it cannot be read.
   */
  readonly state: 'open' | 'kept' | 'unrecovered' | 'damaged'
  /** How long the file is, in bytes. */
  readonly bytes: number
  /** The last commit that it knows of; undefined if it is damaged. */
  readonly revision: number | undefined
  /** All commits up to this one are known to be synced as plain files; undefined if it is damaged. */
  readonly synced: number | undefined
}

/** What a check tells. */
export interface CheckReport extends CheckProgress {
  /** Whether the store keeps every promise: all findings are harmless. */
  readonly isSound: boolean
  /** Of each kind the first thousand. */
  readonly findings: readonly Finding[]
  /** How many findings of each kind there were. */
  readonly counts: Readonly<Partial<Record<FindingKind, number>>>
  /** Who owns the store now, or has died without letting it go; undefined if nobody does. */
  readonly owner: StoreOwner | undefined
  /** The kept ones first, in the order of their commits. */
  readonly journals: readonly JournalSummary[]
}

/** How to repair a store. */
export interface RepairOptions extends CheckOptions {
  /** A file with more bytes than this is left as it is. */
  readonly valueBytes: number
}

/** Something that was put right. */
export interface Repaired {
  readonly finding: Finding
  /** What was done, in a sentence. */
  readonly action: string
}

/** Something that was left as it is. */
export interface LeftAlone {
  readonly finding: Finding
  /** Why, in a sentence. */
  readonly reason: string
}

/** What a repair tells. */
export interface RepairReport {
  readonly repaired: readonly Repaired[]
  readonly left: readonly LeftAlone[]
  /** The check of the store as it is now. */
  readonly check: CheckReport
}
