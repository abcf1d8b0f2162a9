/** What a plugin is given: its own storage, and the shared storage of its workspace. */

import { KeyNotFoundError } from '../base/errors.js'
import type { Attempt } from './attempt.js'
import type { CodecLike, Decoded } from './codec.js'
import type { ScopeParts } from './parts.js'
import { Scope } from './scope.js'
import { type TransactionOptions, transact } from './transact.js'
import { TransactionScope } from './transaction-scope.js'

/**
 * A plugin's way to its storage. It reaches the plugin's own scope and the shared scope of its workspace, and
 * nothing else. Errors and guarantees are those of `Scope`, but a missing key rejects with `KeyNotFoundError`.
 */
export class PluginContext {
  /** The plugin's id. */
  readonly pluginId: string
  /** The plugin's own storage. */
  readonly storage: Scope
  /** The storage that all plugins of the workspace share. */
  readonly workspace: Scope

  readonly #own: ScopeParts
  readonly #shared: ScopeParts

  /** For `Workspace`; not to be called by others. */
  constructor(pluginId: string, own: ScopeParts, shared: ScopeParts) {
    this.pluginId = pluginId
    this.storage = new Scope(own)
    this.workspace = new Scope(shared)
    this.#own = { ...own, id: this.storage.id }
    this.#shared = { ...shared, id: this.workspace.id }
  }

  /**
   * Reads and writes keys of both scopes as one step; all that the body writes is one commit. See `Scope.transaction`.
   */
  transaction<T>(
    body: (scopes: {
      readonly storage: TransactionScope
      readonly workspace: TransactionScope
    }) => Promise<T>,
    options?: TransactionOptions,
  ): Promise<T> {
    const run = (attempt: Attempt): Promise<T> => {
      const storage = new TransactionScope(this.#own, attempt)
      const workspace = new TransactionScope(this.#shared, attempt)
      return body({ storage, workspace })
    }
    return transact(this.#own.engine, this.#own.writer, run, options)
  }

  /** Sets a key of the plugin's storage: bytes as they are, a string as UTF-8, anything else as JSON. */
  async setPluginStorage(key: string, value: unknown): Promise<void> {
    await this.storage.set(key, value)
  }

  /** The bytes of a key of the plugin's storage. Rejects with `KeyNotFoundError`. */
  getPluginStorage(key: string): Promise<Uint8Array>
  /** The value of a key of the plugin's storage, decoded. Rejects with `KeyNotFoundError`, `DECODE_FAILED`. */
  getPluginStorage<C extends CodecLike>(key: string, codec: C): Promise<Decoded<C>>
  getPluginStorage(key: string, codec: CodecLike = 'bytes'): Promise<unknown> {
    return this.storage.get(key, codec)
  }

  /** The keys of the plugin's storage, sorted by code point. */
  getPluginStorageKeys(): Promise<string[]> {
    return this.storage.keys()
  }

  /** Deletes a key of the plugin's storage. Rejects with `KeyNotFoundError`. */
  deletePluginStorage(key: string): Promise<void> {
    return deletePresent(this.storage, key)
  }

  /** Sets a key of the workspace's storage: bytes as they are, a string as UTF-8, anything else as JSON. */
  async setWorkspaceStorage(key: string, value: unknown): Promise<void> {
    await this.workspace.set(key, value)
  }

  /** The bytes of a key of the workspace's storage. Rejects with `KeyNotFoundError`. */
  getWorkspaceStorage(key: string): Promise<Uint8Array>
  /** The value of a key of the workspace's storage, decoded. Rejects with `KeyNotFoundError`, `DECODE_FAILED`. */
  getWorkspaceStorage<C extends CodecLike>(key: string, codec: C): Promise<Decoded<C>>
  getWorkspaceStorage(key: string, codec: CodecLike = 'bytes'): Promise<unknown> {
    return this.workspace.get(key, codec)
  }

  /** The keys of the workspace's storage, sorted by code point. */
  getWorkspaceStorageKeys(): Promise<string[]> {
    return this.workspace.keys()
  }

  /** Deletes a key of the workspace's storage. Rejects with `KeyNotFoundError`. */
  deleteWorkspaceStorage(key: string): Promise<void> {
    return deletePresent(this.workspace, key)
  }

  /** Sets a key of the plugin's storage to a JSON value. A string is JSON too: it is stored in quotes. */
  async setStorage(key: string, value: unknown): Promise<void> {
    await this.storage.set(key, value, { codec: 'json' })
  }

  /**
   * The JSON value of a key of the plugin's storage. The type is the caller's word; nothing checks it.
   * Rejects with `KeyNotFoundError`, `DECODE_FAILED`.
   */
  getStorage<T = unknown>(key: string): Promise<T> {
    return this.storage.get(key, 'json') as Promise<T>
  }
}

async function deletePresent(scope: Scope, key: string): Promise<void> {
  if (await scope.delete(key)) return
  throw new KeyNotFoundError(key, { store: scope.store, scope: scope.id, outcome: 'none' })
}
