/** plainkeep: plugin storage in plain files, kept safe. */

// Errors
export {
  ConflictError,
  type ErrorCode,
  type ErrorKind,
  KeyNotFoundError,
  StorageError,
  type WriteOutcome,
} from './base/errors.js'
export type { ScopeId } from './base/scope-id.js'
// Other filesystems
export type { FileSystem } from './disk/file-system.js'
// Opening a store
export { openStorage, type StorageOptions } from './open.js'
// What bytes mean
export type { Codec, CodecLike, CodecName, Decoded } from './store/codec.js'
// What a user holds
export { PluginContext } from './store/context.js'
export type { StorageLimits } from './store/parts.js'
export {
  type ClearOptions,
  type DeleteOptions,
  type EntriesOptions,
  type Entry,
  type KeysOptions,
  Scope,
  type SetOptions,
} from './store/scope.js'
export { Storage } from './store/storage.js'
// Several keys as one step
export type { TransactionOptions } from './store/transact.js'
export { Transaction } from './store/transaction.js'
export {
  type TransactionEntriesOptions,
  TransactionScope,
  type TransactionSetOptions,
  type UpdateFunction,
  type UpdateOptions,
} from './store/transaction-scope.js'
export { type PluginOptions, Workspace } from './store/workspace.js'
