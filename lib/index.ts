/** plainkeep: plugin storage in plain files, kept safe. */

// Errors
export {
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
export { openStorage, type StorageLimits, type StorageOptions } from './open.js'
// What bytes mean
export type { Codec, CodecLike, CodecName, Decoded } from './store/codec.js'
// What a user holds
export { PluginContext } from './store/context.js'
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
export { Workspace } from './store/workspace.js'
