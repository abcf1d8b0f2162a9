/**
 * Backup: a snapshot becomes a tar archive, which is a store when it is unpacked.
 *
 * B1  The archive appears at its path only when it is complete and flushed, its name too; until then, and if anything
 *     fails, what was there before stays.
 * B2  A value goes into it whole: it is written again, from its header on, if its file was edited meanwhile.
 * B3  Memory holds names, sizes and CRCs of values, and one piece of one value.
 */

import { crc32 } from 'node:zlib'
import { diskError, StorageError } from '../base/errors.js'
import { CLOCK_TICK_MS, EDITED_READS, READ_PIECE_BYTES } from '../base/limits.js'
import { describeScope, type ScopeId } from '../base/scope-id.js'
import { encodeTarEntry } from '../base/tar.js'
import type { Snapshot, SnapshotReader, SnapshotScope, SnapshotValue } from '../commit/engine.js'
import { Yielder } from '../commit/site.js'
import type { GrowingFile } from '../disk/archive-files.js'
import { host } from '../disk/host.js'
import {
  CONTROL_NAME,
  encodeFolderPaths,
  encodeFormat,
  encodeValuePath,
  FORMAT_PATH,
  MANIFEST_PATH,
} from '../disk/layout.js'
import { ArchiveWriter } from './archive-writer.js'
import { encodeManifest, type ManifestLine } from './manifest.js'
import type { StoreParts } from './parts.js'
import { compareCodePoints } from './read.js'

/** How to back a store up. */
export interface BackupOptions {
  /** Which scopes. Default: all that the store has. */
  readonly scopes?: readonly ScopeId[] | undefined
  /** Is told again and again how far it is. What it throws ends the backup. */
  readonly onProgress?: ((progress: BackupProgress) => void) | undefined
  /** Rejects with the signal's reason; an older archive stays. */
  readonly signal?: AbortSignal | undefined
}

/** How far a backup is. */
export interface BackupProgress {
  /** Values that are done. */
  readonly keys: number
  readonly totalKeys: number
  /** Bytes of values that are done. */
  readonly bytes: number
  readonly totalBytes: number
}

/** What a backup holds. */
export interface BackupReport {
  /** The archive, absolute. */
  readonly path: string
  /** How long the archive is, in bytes. */
  readonly sizeBytes: number
  /** The last commit that is in it. */
  readonly revision: number
  readonly keys: number
  /** Of all values together. */
  readonly bytes: number
}

/** An archive holds the values of all plugins: it is its owner's alone, unless somebody gave an older one another mode. */
const ARCHIVE_MODE = 0o600

/** Writes the archive of a store; see `Storage.backup`. */
export async function writeBackup(
  parts: StoreParts,
  destination: string,
  options: BackupOptions,
): Promise<BackupReport> {
  const { scopes, signal } = options
  signal?.throwIfAborted()
  const path = findDestination(parts, destination)
  const snapshot = await parts.engine.snapshot({ scopes: scopes && distinct(scopes), signal })
  const backup = new Backup(snapshot, parts.engine.root, path, options)
  let failure: { readonly error: unknown } | undefined
  try {
    await sleep(CLOCK_TICK_MS) // until the last commits are older than a tick: so each value is read once
    await parts.archives.replace(path, ARCHIVE_MODE, (file) =>
      backup.write(file).catch((error: unknown) => {
        failure = { error }
        throw error
      }),
    )
    return backup.report
  } catch (cause) {
    throw failure === undefined ? describe(cause, path, parts.engine.root) : failure.error
  } finally {
    await snapshot.close()
  }
}

/** Throws `INVALID_OPTION` or a disk error for a path that no archive can be at. */
function findDestination({ engine, archives }: StoreParts, destination: unknown): string {
  const store = engine.root
  if (typeof destination !== 'string' || destination === '' || destination.includes('\0'))
    throw new StorageError('INVALID_OPTION', 'The path of a backup must be a non-empty string without NUL.')
  try {
    const path = archives.resolve(destination)
    if (path === store || path.startsWith(`${store}${store.endsWith('/') ? '' : '/'}`))
      throw new StorageError(
        'INVALID_OPTION',
        `The backup ${path} would be in its own store; name a path outside.`,
      )
    const found = archives.stat(path)
    if (found === undefined || found.kind === 'file') return path
    throw new StorageError('IO_ERROR', `There is something else than a file at ${path}; name another path.`)
  } catch (cause) {
    throw describe(cause, destination, store)
  }
}

function describe(cause: unknown, path: string, store: string): StorageError {
  return diskError(cause, `write the backup ${path}`, { store })
}

/** Each scope once. */
function distinct(scopes: readonly ScopeId[]): ScopeId[] {
  return [...new Map(scopes.map((scope) => [encodeFolderPaths(scope).at(-1), scope])).values()]
}

/** One archive in the making. */
class Backup {
  readonly #snapshot: Snapshot
  readonly #store: string
  readonly #path: string
  readonly #options: BackupOptions
  readonly #lines: ManifestLine[] = []
  readonly #folders = new Set<string>()
  readonly #total = { totalKeys: 0, totalBytes: 0 }
  #bytes = 0
  #sizeBytes = 0

  constructor(snapshot: Snapshot, store: string, path: string, options: BackupOptions) {
    this.#snapshot = snapshot
    this.#store = store
    this.#path = path
    this.#options = options
    for (const { values } of snapshot.scopes) {
      this.#total.totalKeys += values.length
      for (const { size } of values) this.#total.totalBytes += size
    }
  }

  get report(): BackupReport {
    const { revision } = this.#snapshot
    return {
      ...{ path: this.#path, sizeBytes: this.#sizeBytes, revision },
      ...{ keys: this.#lines.length, bytes: this.#bytes },
    }
  }

  async write(file: GrowingFile): Promise<void> {
    const archive = new ArchiveWriter({
      write: (bytes, position) =>
        file.write(bytes, position).catch((cause: unknown) => {
          throw describe(cause, this.#path, this.#store)
        }),
    })
    const createdAt = new Date()
    const time = BigInt(createdAt.getTime()) * 1_000_000n
    await archive.write(encodeTarEntry({ path: CONTROL_NAME, kind: 'folder', size: 0, mode: 0o700, time }))
    await writeText(archive, FORMAT_PATH, createdAt, [encodeFormat()])
    const yielder = new Yielder(host)
    for (const scope of sortScopes(this.#snapshot.scopes)) {
      await this.#writeFolders(archive, scope)
      for (const value of sortValues(scope.values)) {
        await this.#writeValue(archive, scope.scope, value)
        if (yielder.isDue()) await yielder.yield()
      }
    }
    const { revision } = this.#snapshot
    const head = {
      revision,
      createdAt: createdAt.toISOString(),
      keys: this.#lines.length,
      bytes: this.#bytes,
    }
    await writeText(archive, MANIFEST_PATH, createdAt, encodeManifest(head, this.#lines))
    await archive.end()
    this.#sizeBytes = archive.position
  }

  /** So that unpacking makes them with their modes; each once. */
  async #writeFolders(archive: ArchiveWriter, { scope, folders }: SnapshotScope): Promise<void> {
    const paths = encodeFolderPaths(scope)
    for (const [index, { mode, time }] of folders.entries()) {
      const path = paths[index] as string
      if (this.#folders.has(path)) continue
      this.#folders.add(path)
      await archive.write(encodeTarEntry({ path, kind: 'folder', size: 0, mode: mode & 0o777, time }))
    }
  }

  /** Writes a value, and again until it stood still meanwhile (B2). */
  async #writeValue(archive: ArchiveWriter, scope: ScopeId, value: SnapshotValue): Promise<void> {
    const path = encodeValuePath(scope, value.key)
    const start = archive.position
    for (let attempt = 1; ; attempt += 1) {
      this.#options.signal?.throwIfAborted()
      const crc = await this.#tryValue(archive, path, value)
      if (crc !== undefined) {
        this.#lines.push({ path, ...crc })
        this.#bytes += crc.size
        break
      }
      if (attempt === EDITED_READS) throw edited(this.#store, scope, value.key)
      archive.rewind(start)
      await sleep(CLOCK_TICK_MS)
    }
    await this.#snapshot.drop(value)
    this.#tell(0)
  }

  /** Size and CRC of what was written; undefined if it is of several moments. */
  async #tryValue(
    archive: ArchiveWriter,
    path: string,
    value: SnapshotValue,
  ): Promise<{ readonly size: number; readonly crc: number } | undefined> {
    const reader = await this.#snapshot.open(value)
    try {
      const { size, time, mode } = reader
      await archive.write(encodeTarEntry({ path, kind: 'file', size, mode: mode & 0o777, time }))
      const crc = await this.#copy(archive, reader)
      await archive.pad(size)
      return crc !== undefined && (await reader.isUnchanged()) ? { size, crc } : undefined
    } finally {
      reader.close()
    }
  }

  /** The CRC of all bytes; undefined if there are fewer than there were. */
  async #copy(archive: ArchiveWriter, reader: SnapshotReader): Promise<number | undefined> {
    let crc = 0
    for (let position = 0; position < reader.size; ) {
      const piece = await reader.read(position, Math.min(READ_PIECE_BYTES, reader.size - position))
      if (piece.byteLength === 0) return undefined
      crc = crc32(piece, crc)
      await archive.write(piece)
      position += piece.byteLength
      if (position < reader.size) this.#tell(position)
      this.#options.signal?.throwIfAborted()
    }
    return crc
  }

  #tell(partBytes: number): void {
    this.#options.onProgress?.({ keys: this.#lines.length, bytes: this.#bytes + partBytes, ...this.#total })
  }
}

/** A file of the archive's own. */
async function writeText(
  archive: ArchiveWriter,
  path: string,
  at: Date,
  texts: Iterable<string>,
): Promise<void> {
  let size = 0
  for (const text of texts) size += Buffer.byteLength(text)
  const time = BigInt(at.getTime()) * 1_000_000n
  await archive.write(encodeTarEntry({ path, kind: 'file', size, mode: ARCHIVE_MODE, time }))
  for (const text of texts) await archive.write(Buffer.from(text))
  await archive.pad(size)
}

function sortScopes(scopes: readonly SnapshotScope[]): SnapshotScope[] {
  const nameOf = ({ scope }: SnapshotScope): string => encodeFolderPaths(scope).at(-1) as string
  return [...scopes].sort((left, right) => compareCodePoints(nameOf(left), nameOf(right)))
}

function sortValues(values: readonly SnapshotValue[]): SnapshotValue[] {
  return [...values].sort((left, right) => compareCodePoints(left.key, right.key))
}

function edited(store: string, scope: ScopeId, key: string): StorageError {
  const what = `The file of ${JSON.stringify(key)} in ${describeScope(scope)}`
  const message = `${what} is being edited in place, again and again; try again when it stands still.`
  return new StorageError('CONFLICT', message, { store, scope, key })
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
