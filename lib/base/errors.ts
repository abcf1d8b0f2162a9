/** Every error that plainkeep raises: one class, a code for each cause, a kind for what the caller does next. */

import type { ScopeId } from './scope-id.js'
import type { SchemaIssue } from './standard-schema.js'

/** What the caller does next: fix the program, try again, look at the machine or at the files. */
export type ErrorKind =
  | 'usage'
  | 'missing'
  | 'state'
  | 'contention'
  | 'limit'
  | 'disk'
  | 'corruption'
  | 'value'

/** The stable name of a cause; see `kind` for what to do about it. */
export type ErrorCode =
  | 'INVALID_KEY'
  | 'KEY_TOO_LONG'
  | 'INVALID_VALUE'
  | 'VALUE_TOO_LARGE'
  | 'INVALID_OPTION'
  | 'KEY_NOT_FOUND'
  | 'STORE_CLOSED'
  | 'STORE_BROKEN'
  | 'TRANSACTION_ENDED'
  | 'CONFLICT'
  | 'LOCK_TIMEOUT'
  | 'FENCED'
  | 'QUOTA_EXCEEDED'
  | 'DISK_FULL'
  | 'ACCESS_DENIED'
  | 'IO_ERROR'
  | 'CORRUPT_JOURNAL'
  | 'CORRUPT_BACKUP'
  | 'UNSUPPORTED_FORMAT'
  | 'DECODE_FAILED'
  | 'VALIDATION_FAILED'
  | 'MIGRATION_FAILED'

const KINDS: Readonly<Record<ErrorCode, ErrorKind>> = {
  INVALID_KEY: 'usage',
  KEY_TOO_LONG: 'usage',
  INVALID_VALUE: 'usage',
  VALUE_TOO_LARGE: 'usage',
  INVALID_OPTION: 'usage',
  KEY_NOT_FOUND: 'missing',
  STORE_CLOSED: 'state',
  STORE_BROKEN: 'state',
  TRANSACTION_ENDED: 'state',
  CONFLICT: 'contention',
  LOCK_TIMEOUT: 'contention',
  FENCED: 'contention',
  QUOTA_EXCEEDED: 'limit',
  DISK_FULL: 'disk',
  ACCESS_DENIED: 'disk',
  IO_ERROR: 'disk',
  CORRUPT_JOURNAL: 'corruption',
  CORRUPT_BACKUP: 'corruption',
  UNSUPPORTED_FORMAT: 'corruption',
  DECODE_FAILED: 'value',
  VALIDATION_FAILED: 'value',
  MIGRATION_FAILED: 'value',
}

/** What is known of a failed write: nothing changed, it is durable all the same, or it cannot be told. */
export type WriteOutcome = 'none' | 'committed' | 'unknown'

/** Where an error happened, as far as it is known. */
export interface ErrorDetails {
  readonly store?: string | undefined
  readonly scope?: ScopeId | undefined
  readonly key?: string | undefined
  readonly outcome?: WriteOutcome | undefined
  readonly cause?: unknown
}

/** The error of every call that plainkeep rejects. The message is one sentence: what, which, what to do. */
export class StorageError extends Error {
  override readonly name: string = 'StorageError'
  /** The cause, as a stable name. */
  readonly code: ErrorCode
  /** What the caller does next. */
  readonly kind: ErrorKind
  /** The store's root folder, where it is known. */
  readonly store: string | undefined
  /** The scope, where it is known. */
  readonly scope: ScopeId | undefined
  /** The key, where it is known. */
  readonly key: string | undefined
  /** For a failed write: whether anything changed. */
  readonly outcome: WriteOutcome | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.kind = KINDS[code]
    this.store = details.store
    this.scope = details.scope
    this.key = details.key
    this.outcome = details.outcome
  }
}

/** The key that was asked for holds no value. */
export class KeyNotFoundError extends StorageError {
  override readonly name = 'KeyNotFoundError'

  constructor(key: string, details: ErrorDetails = {}) {
    super('KEY_NOT_FOUND', `There is no key ${JSON.stringify(key)} in this scope.`, { ...details, key })
  }
}

/** A condition of a write does not hold: the entry or the listing that it goes by has changed. Nothing was done. */
export class ConflictError extends StorageError {
  override readonly name = 'ConflictError'
  /** The key's present version; undefined if it holds no value, or if the conflict is about a listing. */
  readonly version: string | undefined

  constructor(message: string, details: ErrorDetails & { readonly version?: string | undefined } = {}) {
    super('CONFLICT', message, { outcome: 'none', ...details })
    this.version = details.version
  }
}

/** A value is not as its schema wants it. On a write nothing was written; on a read the file is as it was. */
export class ValidationError extends StorageError {
  override readonly name = 'ValidationError'
  /** What is wrong, as the schema says it. */
  readonly issues: readonly SchemaIssue[]
  /** The file, absolute, if the value was read from there; undefined if it was to be written. */
  readonly path: string | undefined

  constructor(
    message: string,
    details: ErrorDetails & { readonly issues: readonly SchemaIssue[]; readonly path?: string | undefined },
  ) {
    super('VALIDATION_FAILED', message, details)
    this.issues = details.issues
    this.path = details.path
  }
}

/** The same error with more said about where it happened; what is no `StorageError` stays as it is. */
export function locateError(error: unknown, details: ErrorDetails): unknown {
  if (!(error instanceof StorageError)) return error
  const { store, scope, key, outcome, cause } = error
  const known = Object.entries({ store, scope, key, outcome, cause }).filter(
    ([, value]) => value !== undefined,
  )
  const located = { ...details, ...Object.fromEntries(known) }
  if (error instanceof ValidationError)
    return new ValidationError(error.message, { ...located, issues: error.issues, path: error.path })
  return new StorageError(error.code, error.message, located)
}

/** The codes of system calls that have a code of their own here; all others are `IO_ERROR`. */
const DISK_CODES: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'DISK_FULL',
  EDQUOT: 'DISK_FULL',
  EACCES: 'ACCESS_DENIED',
  EPERM: 'ACCESS_DENIED',
  EROFS: 'ACCESS_DENIED',
}

const ADVICE: Readonly<Partial<Record<ErrorCode, string>>> = {
  DISK_FULL: 'the disk is full, make room and try again',
  ACCESS_DENIED: 'the system denies access, check permissions and whether the disk is mounted read-only',
}

/** The error for a failed system call. `action` says what was tried: "write the value of …". */
export function diskError(cause: unknown, action: string, details: ErrorDetails): StorageError {
  if (cause instanceof StorageError) return cause
  const systemCode = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const code = DISK_CODES[systemCode] ?? 'IO_ERROR'
  const reason = cause instanceof Error ? cause.message : String(cause)
  const advice = ADVICE[code] ?? 'look at the disk'
  return new StorageError(code, `Cannot ${action}: ${advice} (${reason}).`, { ...details, cause })
}
