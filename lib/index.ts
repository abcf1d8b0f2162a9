/** plainkeep: plugin storage in plain files, kept safe. */

// biome-ignore-all assist/source/organizeImports: a table of contents, in the order of use

// Opening a store
export { openStorage, type StorageOptions, type WatchSettings } from './open.js'
export type { StorageLimits } from './store/parts.js'
export type { FileSystem } from './disk/file-system.js'

// What a user holds
export { Storage } from './store/storage.js'
export { type PluginOptions, Workspace } from './store/workspace.js'
export { PluginContext } from './store/context.js'
export { Scope } from './store/scope.js'
export type { ScopeId } from './base/scope-id.js'
export type {
  ClearOptions,
  DeleteOptions,
  EntriesOptions,
  Entry,
  EntryStat,
  KeysOptions,
  SetOptions,
} from './store/entry.js'

// Several keys as one step
export { Transaction } from './store/transaction.js'
export {
  type TransactionEntriesOptions,
  TransactionScope,
  type TransactionSetOptions,
  type UpdateFunction,
  type UpdateOptions,
} from './store/transaction-scope.js'
export type { TransactionOptions } from './store/transact.js'

// Changes as they happen
export {
  type Change,
  type Resync,
  type ResyncReason,
  Watcher,
  type WatcherEvents,
  type WatchOptions,
} from './store/watch.js'

// Backups
export { type BackupDescription, type RestoreOptions, restore, verifyBackup } from './restore.js'
export type { BackupOptions, BackupProgress, BackupReport } from './store/backup.js'
export type { RestoreReport } from './store/restore.js'
export type { RestoreProgress, VerifyOptions } from './store/verify.js'

// Whether all is well
export { checkStorage } from './open.js'
export type {
  CheckOptions,
  CheckProgress,
  CheckReport,
  Finding,
  FindingKind,
  JournalSummary,
  LeftAlone,
  Repaired,
  RepairReport,
  StoreOwner,
} from './commit/report.js'

// What bytes mean
export type { Codec, CodecLike, CodecName, Decoded, Encodable, SchemaCodec } from './store/codec.js'
export type { TypedScope, TypedSetOptions } from './store/typed-scope.js'
export type {
  DeepPartial,
  Document,
  DocumentOptions,
  DocumentWatcher,
  DocumentWatcherEvents,
  DocumentWatchOptions,
} from './store/document.js'
export { type ObjectCodecOptions, objectCodec, type StorableClass } from './values/object.js'
export { type MigrateOptions, type MigrationProgress, type MigrationStep, migrate } from './values/migrate.js'
export type {
  SchemaInput,
  SchemaIssue,
  SchemaOutput,
  SchemaResult,
  StandardSchema,
} from './base/standard-schema.js'

// Errors
export {
  ConflictError,
  type ErrorCode,
  type ErrorKind,
  KeyNotFoundError,
  StorageError,
  ValidationError,
  type WriteOutcome,
} from './base/errors.js'
