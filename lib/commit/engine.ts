/** What a store needs of the engine under it: read, list, commit. Any engine that keeps this can stand here. */

import type { Awaitable } from '../base/awaitable.js'
import type { ScopeId } from '../base/scope-id.js'
import type { CheckOptions, CheckReport, RepairOptions, RepairReport } from './report.js'

/** One key that a commit sets, or deletes where `value` is undefined. */
export interface Change {
  readonly scope: ScopeId
  readonly key: string
  readonly value: Uint8Array | undefined
}

/** A key has a version still; undefined: it holds no value. */
export interface VersionExpectation {
  readonly scope: ScopeId
  readonly key: string
  readonly version: string | undefined
}

/** The keys of a scope that begin with a prefix are these still, in any order. */
export interface ListingExpectation {
  readonly scope: ScopeId
  readonly prefix: string
  readonly keys: readonly string[]
}

/** What must hold when a commit is made. */
export type Expectation = VersionExpectation | ListingExpectation

/** How much a scope may hold. */
export interface Quota {
  readonly scope: ScopeId
  /** At most so many keys. */
  readonly keys?: number | undefined
  /** At most so many bytes of values. */
  readonly bytes?: number | undefined
}

/** What one commit asks for: all of its changes, or none. */
export interface CommitRequest {
  readonly changes: readonly Change[]
  /** Looked at while nobody else commits; rejects with `ConflictError` where one does not hold. */
  readonly expectations?: readonly Expectation[] | undefined
  /** Rejects with `QUOTA_EXCEEDED` if a scope would hold more, and more than before. */
  readonly quotas?: readonly Quota[] | undefined
  /** The plugin that writes; undefined for the host itself. */
  readonly writer?: string | undefined
  /** Aborts while the commit still waits for its turn. */
  readonly signal?: AbortSignal | undefined
}

/** What became of one change. */
export interface ChangeResult {
  /** The version that was set; undefined for a delete. */
  readonly version: string | undefined
  /** Whether the key held a value before. */
  readonly existed: boolean
}

/** A commit that is durable and visible. */
export interface CommitReceipt {
  /** Its number in the store; undefined if there was nothing to change. */
  readonly revision: number | undefined
  /** One result for each change of the request, in its order. */
  readonly results: readonly ChangeResult[]
}

/** What is known of a present value without its bytes. */
export interface ValueStat {
  readonly version: string
  /** Bytes. */
  readonly size: number
  readonly modifiedAt: Date
}

/** A present value and what is known of it. */
export interface EntryBytes extends ValueStat {
  readonly bytes: Uint8Array
}

/** Makes one commit, as `Engine.commit` does. */
export type CommitNow = (request: CommitRequest) => Promise<CommitReceipt>

/** How to have a store to oneself. */
export interface VisitOptions {
  /** The body is given up after so many milliseconds, and the call rejects with `LOCK_TIMEOUT`. */
  readonly limitMs: number
  /** Aborts while the body still waits for its turn. */
  readonly signal?: AbortSignal | undefined
}

/** One change of a key, as a follower is told of it. */
export interface FollowedChange {
  readonly type: 'set' | 'delete'
  readonly scope: ScopeId
  readonly key: string
  /** What the key was set to, in the form that `stat` gives; undefined for a delete. */
  readonly version: string | undefined
  /** The commit; undefined for a change that is none of plainkeep's. */
  readonly revision: number | undefined
  /** The plugin that wrote; undefined for the host, and where it is not known. */
  readonly by: string | undefined
  /** Present from the beginning; made by this process, by another one through plainkeep, or by other hands. */
  readonly source: 'initial' | 'local' | 'process' | 'external'
}

/**
 * Why a follower compares a folder with what it told last: hints were lost (`overflow`), the process was stopped or its
 * event loop blocked (`late`), the folder was replaced or removed (`folder`), commits could not be read any more (`gap`),
 * something failed (`error`), or the system gives no hints (`polling`).
 */
export type DoubtReason = 'overflow' | 'late' | 'folder' | 'gap' | 'error' | 'polling'

/** What to follow, and whom to tell. */
export interface FollowRequest {
  /** Without one: all scopes, also those that appear later. */
  readonly scope?: ScopeId | undefined
  /** First tells of every present key. */
  readonly initial: boolean
  /** Keeps the process alive. */
  readonly persistent: boolean
  /** The changes of one commit, or of one edit; in order, each once. */
  onChanges(changes: readonly FollowedChange[]): void
  /** From now on nothing is missed. */
  onReady(): void
  /** A folder was compared because of a doubt, and the differences told; for `polling`, hints have ended. */
  onResync(reason: DoubtReason, scope: ScopeId): void
  /** Something failed, and is tried again. */
  onError(error: unknown): void
  /** The engine was closed. */
  onEnd(): void
}

/** The use of a follower. */
export interface Following {
  /** Compares everything that is followed; resolves when the differences were told. */
  rescan(): Promise<void>
  /** Tells of what is settled by now, then nothing more. */
  end(): Promise<void>
  /** Tells nothing more. */
  close(): void
}

/** The engine under a store. After `close` every call rejects with `STORE_CLOSED`. */
export interface Engine {
  /** The store's root folder, absolute. */
  readonly root: string
  /** The folder of a scope, absolute; it need not exist. */
  scopePath(scope: ScopeId): string
  /** The file of a key, absolute; it need not exist. Throws `INVALID_KEY`, `KEY_TOO_LONG`. */
  keyPath(scope: ScopeId, key: string): string
  /** The bytes of a key; undefined if it holds none. */
  read(scope: ScopeId, key: string): Awaitable<Uint8Array | undefined>
  /** The bytes of a key with what is known of them, from one look at one file. */
  readEntry(scope: ScopeId, key: string): Awaitable<EntryBytes | undefined>
  /** What is known of a key's value; undefined if it holds none. */
  stat(scope: ScopeId, key: string): Awaitable<ValueStat | undefined>
  /** All keys of a scope, in no order. A key that exists throughout the call is never left out. */
  list(scope: ScopeId, signal?: AbortSignal): Promise<string[]>
  /** The names of the workspaces that have a folder, in no order. */
  listWorkspaces(): Promise<string[]>
  /** The ids of the plugins that have a folder in a workspace, in no order. */
  listPlugins(workspace: string): Promise<string[]>
  /**
   * Makes all changes durable and visible, or none. The error says which in `outcome`. Without changes it only looks
   * whether all expectations hold at one moment.
   */
  commit(request: CommitRequest): Promise<CommitReceipt>
  /**
   * Runs a body while this process owns the store: nobody else commits until it ends, and its own commits go through
   * the function it is given.
   */
  visit<T>(body: (commit: CommitNow) => Promise<T>, options: VisitOptions): Promise<T>
  /** Tells of changes as they happen, whoever makes them. */
  follow(request: FollowRequest): Following
  /** Looks everything over and changes nothing. */
  check(options?: CheckOptions): Promise<CheckReport>
  /** Puts right what is safe to put right, and says what and what not. */
  repair(options: RepairOptions): Promise<RepairReport>
  /** Waits for pending commits, checkpoints, lets the store go. */
  close(): Promise<void>
}
