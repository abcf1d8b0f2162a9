/** What a store needs of the engine under it: read, list, commit. Any engine that keeps this can stand here. */

import type { Awaitable } from '../base/awaitable.js'
import type { ScopeId } from '../base/scope-id.js'
import type { FileStat } from '../disk/disk.js'
import type { CheckOptions, CheckReport, RepairOptions, RepairReport } from './report.js'

/** A value that is read when it is needed, perhaps more than once, so that those of a large commit need no memory. */
export interface ValueSource {
  /** How many bytes `read` gives. */
  readonly byteLength: number
  read(): Awaitable<Uint8Array>
}

/** One key that a commit sets, or deletes where `value` is undefined. */
export interface Change<V extends Uint8Array | ValueSource = Uint8Array | ValueSource> {
  readonly scope: ScopeId
  readonly key: string
  readonly value: V | undefined
  /** Permission bits of a new file, before the umask; a replaced one keeps its own. Default: as the store was opened. */
  readonly mode?: number | undefined
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

/** The bytes of a value that is to be written. */
export function readSource(value: Uint8Array | ValueSource): Awaitable<Uint8Array> {
  return value instanceof Uint8Array ? value : value.read()
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

/** What a snapshot is asked for. */
export interface SnapshotRequest {
  /** Which scopes, each once. Default: all that the store has. */
  readonly scopes?: readonly ScopeId[] | undefined
  /** Rejects with its reason while the snapshot is taken. */
  readonly signal?: AbortSignal | undefined
}

/** All values as of one moment, whatever is written meanwhile. It takes room on the disk until it is closed. */
export interface Snapshot {
  /** The last commit that is in it. */
  readonly revision: number
  readonly scopes: readonly SnapshotScope[]
  /** Opens a value for reading. */
  open(value: SnapshotValue): Promise<SnapshotReader>
  /** Gives a value's room back; it cannot be opened any more. */
  drop(value: SnapshotValue): Promise<void>
  /** Gives all of it back. Never fails. */
  close(): Promise<void>
}

/** One scope of a snapshot. */
export interface SnapshotScope {
  readonly scope: ScopeId
  /** Its folders as far as they are there, from just below the root down to its own. */
  readonly folders: readonly Pick<FileStat, 'mode' | 'time'>[]
  /** In no order. */
  readonly values: readonly SnapshotValue[]
}

/** One value of a snapshot. */
export interface SnapshotValue {
  readonly key: string
  /** Bytes, when the snapshot was taken; an edit in place can change it. */
  readonly size: number
}

/** A value of a snapshot, open for reading. */
export interface SnapshotReader {
  /** Bytes. */
  readonly size: number
  /** Modification time, nanoseconds since 1970. */
  readonly time: bigint
  /** Permission bits. */
  readonly mode: number
  /** Up to so many bytes from a position on. */
  read(position: number, length: number): Awaitable<Uint8Array>
  /** Whether what was read so far is of one moment: if not, close it, wait a little, and read it from its start again. */
  isUnchanged(): Promise<boolean>
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
  /**
   * Takes a snapshot of these scopes, or of all. Others are kept from writing for a moment only: while what changed since
   * the call is looked up.
   */
  snapshot(request: SnapshotRequest): Promise<Snapshot>
  /** Tells of changes as they happen, whoever makes them. */
  follow(request: FollowRequest): Following
  /** Looks everything over and changes nothing. */
  check(options?: CheckOptions): Promise<CheckReport>
  /** Puts right what is safe to put right, and says what and what not. */
  repair(options: RepairOptions): Promise<RepairReport>
  /** Waits for pending commits, checkpoints, lets the store go. */
  close(): Promise<void>
}
