/** Where the layers meet: a store over an engine over a disk, with the values layer handed in. */

import { diskError, StorageError } from './base/errors.js'
import {
  CACHE_BYTES,
  LOCK_TIMEOUT_MS,
  POLL_FOLDERS_MS,
  QUIET_MS,
  SMALL_VALUE_BYTES,
  VALUE_BYTES,
} from './base/limits.js'
import { inspectStore } from './commit/inspect.js'
import { type EngineParts, openEngine } from './commit/open-engine.js'
import type { CheckOptions, CheckReport } from './commit/report.js'
import type { Site } from './commit/site.js'
import { type ArchiveFiles, makeArchiveFiles } from './disk/archive-files.js'
import { type FileSystem, nodeFileSystem } from './disk/file-system.js'
import { host } from './disk/host.js'
import { Layout } from './disk/layout.js'
import { createLock } from './disk/lock.js'
import { isRemote } from './disk/mount.js'
import { NodeDisk } from './disk/node-disk.js'
import { resolveRealPath } from './disk/real-path.js'
import { describeSession } from './disk/session.js'
import { watchFolders } from './disk/watch-folders.js'
import { checkLimits, type StorageLimits } from './store/parts.js'
import { Storage } from './store/storage.js'
import { valueLayer } from './values/codec.js'

/** How to open a store. */
export interface StorageOptions {
  /** A node:fs look-alike, such as memfs. Default: node:fs. */
  readonly fs?: FileSystem | undefined
  /** What the store takes. */
  readonly limits?: StorageLimits | undefined
  /** How long a write may wait for its turn while other processes write, in milliseconds. Default: 10,000. */
  readonly lockTimeout?: number | undefined
  /** Values up to this size are read without a detour through a thread, in bytes; 0 is never. Default: 65,536. */
  readonly syncReadLimit?: number | undefined
  /**
   * Values and listings that were read lately are kept in memory, up to so many bytes for the whole store, and given again
   * if one look at the file, or the folder, shows that it is the same; 0 is none. Default: 16 MiB, and none on a network
   * filesystem.
   */
  readonly cacheBytes?: number | undefined
  /** Permission bits of new files, before the umask. Default: 0o600. */
  readonly fileMode?: number | undefined
  /** Permission bits of new folders, before the umask. Default: 0o700. */
  readonly folderMode?: number | undefined
  /** How watchers look for changes. */
  readonly watch?: WatchSettings | undefined
}

/** How watchers look for changes; what commits do is told at once in any case, if the system gives hints. */
export interface WatchSettings {
  /** Ask the system for no hints: compare folders now and then, and look for commits as often. Default: false. */
  readonly polling?: boolean | undefined
  /** How often, in milliseconds; comparing takes at most a twentieth of the time. Default: 1,000. */
  readonly intervalMs?: number | undefined
  /** An edit by hand is told when its file has stood still for so long, in milliseconds. Default: 50. */
  readonly quietMs?: number | undefined
}

/**
 * Opens the store in a folder, which is made if it is missing. What a dead process committed there is recovered.
 *
 * Rejects with `INVALID_OPTION`, with `UNSUPPORTED_FORMAT` for a store of a later version, with `CORRUPT_JOURNAL`, with
 * `ACCESS_DENIED`, `DISK_FULL` or `IO_ERROR` where the folder cannot be one, and with `LOCK_TIMEOUT` if others keep it
 * from being recovered. A store on a read-only filesystem
 * opens for reading.
 */
export async function openStorage(path: string, options: StorageOptions = {}): Promise<Storage> {
  checkOptions(path, options)
  const fs = options.fs ?? nodeFileSystem
  const root = findRoot(fs, path)
  const engine = await openEngine(fs, root, () => makeParts(fs, root, options))
  return new Storage({
    engine,
    values: valueLayer,
    limits: { ...options.limits, valueBytes: options.limits?.valueBytes ?? VALUE_BYTES },
    archives: openArchiveFiles(fs),
  })
}

/** Archives on a filesystem, of stores or for them. */
export function openArchiveFiles(fs: FileSystem): ArchiveFiles {
  return makeArchiveFiles(fs, new NodeDisk(fs, SMALL_VALUE_BYTES))
}

/**
 * Looks over all that is in the folder of a store, as `Storage.check` does, without opening it: so nothing is made or
 * recovered, and a store that cannot be opened can be looked at. Of the options `fs`, `fileMode` and `folderMode` count.
 *
 * Rejects with `INVALID_OPTION`, and with `IO_ERROR` or `ACCESS_DENIED` where there is no folder or it cannot be read.
 */
export async function checkStorage(
  path: string,
  { signal, onProgress, ...options }: StorageOptions & CheckOptions = {},
): Promise<CheckReport> {
  checkOptions(path, options)
  const fs = options.fs ?? nodeFileSystem
  const store = findRoot(fs, path)
  try {
    return await inspectStore(makeSite(fs, store, options), { signal, onProgress })
  } catch (error) {
    if (signal?.aborted) throw error
    throw diskError(error, `check the store ${store}`, { store })
  }
}

function makeSite(fs: FileSystem, root: string, options: StorageOptions): Site {
  const disk = new NodeDisk(fs, options.syncReadLimit ?? SMALL_VALUE_BYTES)
  const { fileMode = 0o600, folderMode = 0o700 } = options
  const session = describeSession(root, host.identity.boot, fs.session)
  return { disk, layout: new Layout(root), host, session, fileMode, folderMode }
}

function makeParts(fs: FileSystem, root: string, options: StorageOptions): EngineParts {
  const site = makeSite(fs, root, options)
  const { lock } = site.layout
  return {
    site,
    lock: createLock(fs, lock, `${lock}-${host.randomName()}`),
    lockTimeoutMs: options.lockTimeout ?? LOCK_TIMEOUT_MS,
    cacheBytes: options.cacheBytes ?? (isRemote(root) ? 0 : CACHE_BYTES),
    following: {
      polling: options.watch?.polling ?? false,
      intervalMs: options.watch?.intervalMs ?? POLL_FOLDERS_MS,
      quietMs: options.watch?.quietMs ?? QUIET_MS,
      watchFolders: fs === nodeFileSystem ? watchFolders : undefined,
    },
  }
}

function findRoot(fs: FileSystem, path: string): string {
  try {
    return resolveRealPath(fs, path)
  } catch (cause) {
    throw diskError(cause, `open the store ${path}`, { store: path })
  }
}

const OPTION_NAMES = [
  'fs',
  'limits',
  'lockTimeout',
  'syncReadLimit',
  'cacheBytes',
  'fileMode',
  'folderMode',
  'watch',
]
const WATCH_NAMES = ['polling', 'intervalMs', 'quietMs']

function checkOptions(path: unknown, options: StorageOptions): void {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw invalid('The path of a store must be a non-empty string without NUL.')
  }
  if (typeof options !== 'object' || options === null) throw invalid('The options must be an object.')
  checkNames(options, OPTION_NAMES)
  checkLimits(options.limits ?? {})
  if (options.fs !== undefined && typeof options.fs.openSync !== 'function') {
    throw invalid('The option fs must be a node:fs look-alike.')
  }
  checkWatch(options.watch ?? {})
  checkNumbers(options)
}

function checkWatch(settings: WatchSettings): void {
  if (typeof settings !== 'object' || settings === null) throw invalid('The option watch must be an object.')
  checkNames(settings, WATCH_NAMES)
  if (settings.polling !== undefined && typeof settings.polling !== 'boolean')
    throw invalid('The option polling must be true or false.')
}

function checkNumbers(options: StorageOptions): void {
  const { lockTimeout, syncReadLimit, cacheBytes, fileMode, folderMode } = options
  const { intervalMs, quietMs } = options.watch ?? {}
  const numbers = { lockTimeout, syncReadLimit, cacheBytes, intervalMs, quietMs }
  for (const [name, value] of Object.entries(numbers)) {
    if (value === undefined || (typeof value === 'number' && value >= 0)) continue
    throw invalid(`The option ${name} must be a number of at least 0.`)
  }
  for (const [name, mode] of Object.entries({ fileMode, folderMode })) {
    if (mode === undefined || (Number.isInteger(mode) && mode >= 0 && mode <= 0o777)) continue
    throw invalid(`The option ${name} must be permission bits from 0 to 0o777.`)
  }
}

function checkNames(given: object, known: readonly string[]): void {
  const unknown = Object.keys(given).find((name) => !known.includes(name))
  if (unknown !== undefined)
    throw invalid(`There is no option ${JSON.stringify(unknown)}; there are ${known.join(', ')}.`)
}

function invalid(message: string): StorageError {
  return new StorageError('INVALID_OPTION', message)
}
