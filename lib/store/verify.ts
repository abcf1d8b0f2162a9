/**
 * Verifying an archive, from its first byte to its last, before anything is done with it.
 *
 * V1  It holds what a backup holds and nothing else: the format, folders, values each once under the path of its key,
 *     and at its end a manifest that says the same of every value. So nothing in it leads out of a store.
 * V2  Nothing is believed but what is compared: sizes with the file's own, bytes with their CRC, names with those that
 *     their keys have.
 * V3  Memory holds names, sizes and CRCs of values, and one piece of one value.
 */

import { crc32 } from 'node:zlib'
import { diskError, StorageError } from '../base/errors.js'
import type { ScopeId } from '../base/scope-id.js'
import type { TarEntry } from '../base/tar.js'
import { Yielder } from '../commit/site.js'
import type { ArchiveFiles } from '../disk/archive-files.js'
import { host } from '../disk/host.js'
import {
  CONTROL_NAME,
  decodeValuePath,
  FORMAT,
  FORMAT_PATH,
  isFolderPath,
  MANIFEST_PATH,
  parseFormat,
} from '../disk/layout.js'
import { ArchiveReader } from './archive-reader.js'
import {
  BACKUP_FORMAT,
  MANIFEST_LINE_BYTES,
  type ManifestHead,
  type ManifestLine,
  parseHead,
  parseLine,
} from './manifest.js'

/** How to verify an archive. */
export interface VerifyOptions {
  /** Is told again and again how far it is. What it throws ends the call. */
  readonly onProgress?: ((progress: RestoreProgress) => void) | undefined
  /** Rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** How far a restore is: first the whole archive is verified, then its values are written. */
export interface RestoreProgress {
  readonly phase: 'verify' | 'restore'
  /** Values that are done. */
  readonly keys: number
  /** Bytes that are done: of the archive, then of the values. */
  readonly bytes: number
  readonly totalBytes: number
}

/** A value of an archive, known by its place. */
export interface ArchivedValue extends ManifestLine {
  readonly scope: ScopeId
  readonly key: string
  /** Where its bytes begin. */
  readonly start: number
  /** Permission bits. */
  readonly mode: number
}

/** An archive that was verified, open still. */
export interface Archive {
  /** Its path, absolute. */
  readonly path: string
  readonly head: ManifestHead
  readonly values: readonly ArchivedValue[]
  /** The bytes of a value, compared once more. Rejects with `CORRUPT_BACKUP`. */
  read(value: ArchivedValue): Promise<Uint8Array>
  close(): void
}

/**
 * Opens and verifies an archive. Rejects with `CORRUPT_BACKUP`, with `UNSUPPORTED_FORMAT` for one of a later version, and
 * with a disk error where it cannot be read.
 */
export async function openArchive(
  files: ArchiveFiles,
  source: string,
  options: VerifyOptions = {},
): Promise<Archive> {
  if (typeof source !== 'string' || source === '' || source.includes('\0'))
    throw new StorageError('INVALID_OPTION', 'The path of a backup must be a non-empty string without NUL.')
  options.signal?.throwIfAborted()
  const { reader, path } = await openReader(files, source)
  const verification = new Verification(reader, path, options)
  try {
    const head = await verification.run()
    const read = (value: ArchivedValue): Promise<Uint8Array> => verification.read(value)
    return { path, head, values: verification.values, read, close: () => reader.close() }
  } catch (error) {
    reader.close()
    throw error
  }
}

async function openReader(
  files: ArchiveFiles,
  source: string,
): Promise<{ readonly reader: ArchiveReader; readonly path: string }> {
  try {
    const path = files.resolve(source)
    const [stat, file] = [files.stat(path), await files.open(path)]
    if (stat !== undefined && file !== undefined) return { reader: new ArchiveReader(file, stat.size), path }
    throw new StorageError('IO_ERROR', `There is no file at ${path}; name the archive of a backup.`)
  } catch (cause) {
    throw diskError(cause, `read the backup ${source}`, {})
  }
}

/** One verification. */
class Verification {
  readonly values: ArchivedValue[] = []
  readonly #reader: ArchiveReader
  readonly #path: string
  readonly #options: VerifyOptions
  readonly #paths = new Set<string>()
  readonly #yielder = new Yielder(host)

  constructor(reader: ArchiveReader, path: string, options: VerifyOptions) {
    this.#reader = reader
    this.#path = path
    this.#options = options
  }

  async run(): Promise<ManifestHead> {
    await this.#describing(() => this.#checkFormat())
    for (;;) {
      const found = await this.#describing(() => this.#reader.next())
      if (found === undefined) throw this.#corrupt('it has no manifest')
      await this.#describing(() => this.#checkName(found.entry))
      if (found.entry.path === MANIFEST_PATH) return this.#describing(() => this.#checkManifest(found))
      if (found.entry.kind === 'file') await this.#addValue(found)
    }
  }

  async read(value: ArchivedValue): Promise<Uint8Array> {
    const bytes = await this.#describing(() => this.#reader.readAll(value.start, value.size))
    if (crc32(bytes) === value.crc) return bytes
    throw this.#corrupt(`the bytes of ${JSON.stringify(value.path)} changed while it was restored`)
  }

  /** The first file says which format the store has. */
  async #checkFormat(): Promise<void> {
    const first = await this.#reader.next()
    const found = first?.entry.path === CONTROL_NAME ? await this.#reader.next() : first
    if (found?.entry.path !== FORMAT_PATH || found.entry.size > MANIFEST_LINE_BYTES)
      throw new Error(`it does not begin with ${FORMAT_PATH}, so it is no backup of plainkeep`)
    this.#paths.add(FORMAT_PATH).add(CONTROL_NAME)
    const format = parseFormat(await this.#reader.readAll(found.start, found.entry.size))
    if (format === FORMAT) return
    const message = `The backup ${this.#path} is of a store of format ${format} and this version of plainkeep knows format ${FORMAT}; use a newer version.`
    throw new StorageError('UNSUPPORTED_FORMAT', message)
  }

  /** Every path once, and none but those of a store (V1). */
  #checkName({ path, kind }: TarEntry): void {
    if (this.#paths.has(path)) throw new Error(`it holds ${JSON.stringify(path)} twice`)
    this.#paths.add(path)
    if (
      kind === 'folder' ? isFolderPath(path) : path === MANIFEST_PATH || decodeValuePath(path) !== undefined
    )
      return
    throw new Error(`it holds ${JSON.stringify(path)}, which is no path of a ${kind} in a store`)
  }

  async #addValue({ entry, start }: { readonly entry: TarEntry; readonly start: number }): Promise<void> {
    const { path, size, mode } = entry
    const crc = await this.#describing(() => this.#measure(start, size))
    const place = decodeValuePath(path)
    if (place !== undefined) this.values.push({ ...place, path, size, crc, start, mode: mode & 0o777 })
    this.#tell(start + size)
  }

  async #measure(start: number, size: number): Promise<number> {
    let crc = 0
    let measured = 0
    for await (const piece of this.#reader.pieces(start, size)) {
      crc = crc32(piece, crc)
      measured += piece.byteLength
      if (measured < size) this.#tell(start + measured)
      await this.#pause()
    }
    return crc
  }

  /** The manifest is the last file, and says of each value what was found (V2). */
  async #checkManifest(found: { readonly entry: TarEntry; readonly start: number }): Promise<ManifestHead> {
    let head: ManifestHead | undefined
    let index = 0
    for await (const line of this.#lines(found.start, found.entry.size)) {
      if (head === undefined) head = this.#checkHead(line)
      else checkLine(line, this.values[index++])
      await this.#pause()
    }
    const bytes = this.values.reduce((total, { size }) => total + size, 0)
    if (head?.keys !== this.values.length || index !== head.keys || head.bytes !== bytes)
      throw new Error('its manifest does not list the files that it holds')
    if ((await this.#reader.next()) !== undefined) throw new Error('something follows its manifest')
    return head
  }

  #checkHead(line: string): ManifestHead {
    const head = parseHead(line)
    if (head === undefined) throw new Error('its manifest does not begin as one')
    if (head.backup === BACKUP_FORMAT) return head
    const message = `The backup ${this.#path} has a manifest of version ${head.backup} and this version of plainkeep knows version ${BACKUP_FORMAT}; use a newer version.`
    throw new StorageError('UNSUPPORTED_FORMAT', message)
  }

  async *#lines(start: number, length: number): AsyncGenerator<string> {
    let rest = Buffer.alloc(0)
    for await (const piece of this.#reader.pieces(start, length)) {
      rest = Buffer.concat([rest, piece])
      let from = 0
      for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n', from)) {
        yield rest.toString('utf8', from, end)
        from = end + 1
      }
      rest = rest.subarray(from)
      if (rest.length > MANIFEST_LINE_BYTES) throw new Error('a line of its manifest is too long')
    }
    if (rest.length > 0) throw new Error('the last line of its manifest is not whole')
  }

  /** Lets others have their turn, and stops when that is asked for. */
  async #pause(): Promise<void> {
    this.#options.signal?.throwIfAborted()
    if (this.#yielder.isDue()) await this.#yielder.yield()
  }

  #tell(bytes: number): void {
    const { size: totalBytes } = this.#reader
    this.#options.onProgress?.({ phase: 'verify', keys: this.values.length, bytes, totalBytes })
  }

  /** What an archive is refused for becomes `CORRUPT_BACKUP`, the error of a system call a disk error. */
  async #describing<T>(step: () => T | Promise<T>): Promise<T> {
    try {
      return await step()
    } catch (cause) {
      const { signal } = this.#options
      if (cause instanceof StorageError || (signal?.aborted && cause === signal.reason)) throw cause
      if (cause instanceof Error && 'syscall' in cause)
        throw diskError(cause, `read the backup ${this.#path}`, {})
      throw this.#corrupt(cause instanceof Error ? cause.message : String(cause))
    }
  }

  #corrupt(reason: string): StorageError {
    const message = `The backup ${this.#path} is refused: ${reason}; restore from another one.`
    return new StorageError('CORRUPT_BACKUP', message)
  }
}

function checkLine(text: string, value: ArchivedValue | undefined): void {
  const line = parseLine(text)
  if (line === undefined) throw new Error('a line of its manifest is none')
  if (line.path !== value?.path)
    throw new Error(`its manifest does not go with ${JSON.stringify(value?.path ?? '')}`)
  if (line.size !== value.size)
    throw new Error(`the size of ${JSON.stringify(line.path)} is not that of the manifest`)
  if (line.crc !== value.crc) throw new Error(`the bytes of ${JSON.stringify(line.path)} are damaged`)
}
