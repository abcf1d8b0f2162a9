/** A store: one root folder and everything under it. */

import { basename, dirname, join, relative, sep } from 'node:path'
import { diskError } from '../base/errors.js'
import type { ScopeId } from '../base/scope-id.js'
import type { CheckOptions, CheckReport, RepairReport } from '../commit/report.js'
import { decodeValuePath } from '../disk/layout.js'
import { type BackupOptions, type BackupReport, writeBackup } from './backup.js'
import { keepStoreParts, type StoreParts } from './parts.js'
import { sortByCodePoint } from './read.js'
import { type TransactionOptions, transact } from './transact.js'
import { Transaction } from './transaction.js'
import { Watcher, type WatchOptions } from './watch.js'
import { Workspace } from './workspace.js'

/** An open store. */
export class Storage implements AsyncDisposable {
  /** The store's root folder, absolute. */
  readonly path: string
  readonly #parts: StoreParts

  /** For `openStorage`; not to be called by others. */
  constructor(parts: StoreParts) {
    this.path = parts.engine.root
    this.#parts = parts
    keepStoreParts(this, parts)
  }

  /** A workspace by its name. Throws `INVALID_KEY` or `KEY_TOO_LONG` for a name that cannot be one. */
  workspace(name = 'default'): Workspace {
    return new Workspace(name, this.#parts)
  }

  /** The names of the workspaces that have a folder, sorted by code point. */
  async workspaces(): Promise<string[]> {
    return sortByCodePoint(await this.#parts.engine.listWorkspaces())
  }

  /**
   * The scope and the key that a path is the file of, whether it exists or not: the inverse of `Scope.pathOf`. Undefined for
   * every other path. Throws `ACCESS_DENIED` or `IO_ERROR` where the folders on the way cannot be looked at.
   */
  locate(path: string): { readonly scope: ScopeId; readonly key: string } | undefined {
    const { archives } = this.#parts
    try {
      const absolute = join(archives.resolve(dirname(path)), basename(path))
      return decodeValuePath(relative(this.path, absolute).split(sep).join('/'))
    } catch (cause) {
      throw diskError(cause, `look at ${path}`, { store: this.path })
    }
  }

  /** Reads and writes keys of any scopes as one step; all that the body writes is one commit. See `Scope.transaction`. */
  transaction<T>(body: (transaction: Transaction) => Promise<T>, options?: TransactionOptions): Promise<T> {
    const { engine } = this.#parts
    return transact(engine, undefined, (attempt) => body(new Transaction(this.path, attempt)), options)
  }

  /**
   * Watches the keys of all scopes, also of those that appear later: see `Watcher`. Each change names its scope. Throws
   * `INVALID_OPTION`, `STORE_CLOSED`.
   */
  watch(options?: WatchOptions): Watcher {
    return new Watcher({ engine: this.#parts.engine }, options)
  }

  /**
   * Writes a tar archive of all values as of one moment, while the store goes on being used, also by other processes.
   * They are kept from writing only while what has changed since the call is looked up.
   *
   * When the promise resolves, the archive is complete at its path and survives a power cut; unpacked it is a store, and
   * `restore` reads it. When it rejects, what was at the path before is there still. Rejects with `INVALID_OPTION`
   * for a path in the store's own folder, with `DISK_FULL`, `ACCESS_DENIED` or `IO_ERROR`, with `LOCK_TIMEOUT` or `FENCED`
   * if others keep the store, and with `CONFLICT` if a file is edited in place again and again meanwhile. `close` waits
   * for it.
   */
  backup(destination: string, options: BackupOptions = {}): Promise<BackupReport> {
    return writeBackup(this.#parts, destination, options)
  }

  /**
   * Looks over all that is in the store's folder, and changes nothing. Others may write meanwhile: what they are in the
   * middle of is no finding. Rejects with `ACCESS_DENIED` or `IO_ERROR` where the folder itself cannot be read.
   */
  async check(options?: CheckOptions): Promise<CheckReport> {
    return this.#parts.engine.check(options)
  }

  /**
   * Puts right what is safe to put right: recovers what a dead process left, removes what holds no commit, and gives files
   * that somebody put into a scope under another name the name of their key. Says what it did, what it left and why.
   * What a person made is neither removed nor changed. Rejects as `check` does; where the store cannot be written,
   * everything is left.
   */
  async repair(options: CheckOptions = {}): Promise<RepairReport> {
    const { engine, limits } = this.#parts
    return engine.repair({ ...options, valueBytes: limits.valueBytes })
  }

  /**
   * Ends watchers, waits for pending writes, flushes what is not yet certain to be on the disk, and lets the store go.
   * Every later call rejects with `STORE_CLOSED`; closing again gives the same promise. Rejects with a disk
   * error if the last flush failed: nothing is lost then, the journal stays for the next who opens the store.
   */
  close(): Promise<void> {
    return this.#parts.engine.close()
  }

  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
