/**
 * The journal: an append-only redo log of commits that are not yet certain to be on stable storage as plain files.
 *
 * J1  A record is appended in one piece; it counts when it is valid as a whole and all before it are.
 * J2  Revisions in a journal follow one another without a gap, from its first mark on.
 * J3  Space is made with zeros before a record is written there, so that a record that was written is all there
 *     but for a power cut, and a flush of it changes no metadata.
 * J4  A journal whose name says a revision was complete up to it when it got the name: less is damage, and what lies
 *     behind it was appended late, by a fenced owner, and is no commit.
 */

import { StorageError } from '../base/errors.js'
import { JOURNAL_STEP_BYTES, JOURNAL_STEP_LIMIT_BYTES } from '../base/limits.js'
import type { WritableFile } from '../disk/disk.js'
import {
  decodeHeader,
  decodeRecord,
  encodeHeader,
  encodeRecord,
  findRecord,
  HEADER_BYTES,
  type JournalHeader,
  type JournalRecord,
  type MetScopes,
  type RecordedChange,
} from './record.js'
import type { Site } from './site.js'

/** What a journal says. */
export interface JournalContents {
  readonly header: JournalHeader
  /** The last revision it knows of. */
  readonly revision: number
  /** The latest time that the store had set. */
  readonly time: bigint
  /** Commits up to this revision are synced as plain files. */
  readonly synced: number
  /** All changes of its commits, in order. */
  readonly changes: readonly NumberedChange[]
  /** Where the last valid record ends, in bytes. */
  readonly end: number
}

/** The journal of the present claim, being written. */
export class Journal {
  readonly #store: string
  readonly #file: WritableFile
  readonly #salt: number
  /** Records are encoded here, one after the other is written. */
  readonly #room: Buffer = Buffer.allocUnsafeSlow(JOURNAL_STEP_BYTES)
  #lastStart: number
  #end: number
  #allocated: number
  #isOpen = true

  private constructor(store: string, file: WritableFile, salt: number, end: number) {
    this.#store = store
    this.#file = file
    this.#salt = salt
    this.#lastStart = end
    this.#end = end
    this.#allocated = end
  }

  /** Makes a new journal with a mark in it; the file is synced, its name is not. */
  static async create(site: Site, path: string, mark: JournalRecord & { kind: 'mark' }): Promise<Journal> {
    const salt = Number.parseInt(site.host.randomName().slice(0, 8), 16)
    const bytes = Buffer.concat([encodeHeader({ salt, session: site.session }), encodeRecord(mark, salt)])
    await site.disk.createFile(path, bytes, { mode: site.fileMode, sync: true })
    return new Journal(site.layout.root, await site.disk.openFile(path), salt, bytes.byteLength)
  }

  /** How long it is, in bytes. */
  get bytes(): number {
    return this.#end
  }

  /**
   * Writes a record behind the others; nothing is synced. If it fails the record does not count. Where the error was the
   * reply of a write that was done, the record is wiped out, and that synced; if that fails it rejects as `sync` does.
   */
  async append(record: JournalRecord): Promise<void> {
    const bytes = encodeRecord(record, this.#salt, this.#room)
    const end = this.#end + bytes.byteLength
    if (end > this.#allocated) await this.#allocate(end)
    try {
      await this.#file.write(bytes, this.#end)
    } catch (error) {
      if (await this.#isWritten(bytes)) await this.#wipe(this.#end, end)
      throw error
    }
    this.#lastStart = this.#end
    this.#end = end
  }

  /** The last record does not count any more, and that is synced. Rejects as `sync` does. */
  async takeBack(): Promise<void> {
    await this.#wipe(this.#lastStart, this.#end)
    this.#end = this.#lastStart
  }

  /** What was appended is on stable storage. Rejects with `STORE_BROKEN`; then it must not be used any more. */
  async sync(): Promise<void> {
    try {
      await this.#file.sync()
    } catch (cause) {
      throw this.#describeBroken(cause)
    }
  }

  /** Ends its use; the file stays. What must be on the disk was flushed, so an error here means nothing. */
  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    try {
      this.#file.close()
    } catch {
      // The descriptor is gone all the same.
    }
  }

  /** Whether a record that failed to be written is there all the same, or may be. */
  async #isWritten(record: Uint8Array): Promise<boolean> {
    try {
      return Buffer.compare(await this.#file.read(this.#end, record.byteLength), record) === 0
    } catch {
      return true
    }
  }

  async #wipe(start: number, end: number): Promise<void> {
    try {
      await this.#file.write(new Uint8Array(end - start), start)
      await this.#file.sync()
    } catch (cause) {
      throw this.#describeBroken(cause)
    }
  }

  #describeBroken(cause: unknown): StorageError {
    const store = this.#store
    const message = `The journal of the store ${store} could not be flushed, so it is not known what the disk holds; close the store and open it again.`
    return new StorageError('STORE_BROKEN', message, { store, outcome: 'unknown', cause })
  }

  async #allocate(end: number): Promise<void> {
    const growth = Math.min(Math.max(this.#allocated, JOURNAL_STEP_BYTES), JOURNAL_STEP_LIMIT_BYTES)
    const wanted =
      Math.ceil(Math.max(end, this.#allocated + growth) / JOURNAL_STEP_BYTES) * JOURNAL_STEP_BYTES
    await this.#file.write(new Uint8Array(wanted - this.#allocated), this.#allocated)
    this.#allocated = wanted
  }
}

/**
 * What a journal holds, up to the first record that is not valid; undefined if it was never begun. `name` is for the
 * message of `CORRUPT_JOURNAL`, which is thrown where something that must be there is damaged.
 */
export function parseJournal(bytes: Uint8Array, name: string, completeTo = 0): JournalContents | undefined {
  const steps = parseInSteps(bytes, name, completeTo)
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
  }
}

/** The same in steps, one for each record: many of them take longer than the event loop may stand still. */
export function* parseInSteps(
  bytes: Uint8Array,
  name: string,
  completeTo = 0,
): Generator<void, JournalContents | undefined, void> {
  const header = decodeHeader(bytes)
  if (header === undefined) {
    if (bytes.byteLength > HEADER_BYTES + MARK_BYTES || completeTo > 0)
      throw damaged(name, 'its header is not whole')
    return undefined
  }
  const contents: Growing = { header, revision: 0, time: 0n, synced: 0, changes: [], end: HEADER_BYTES }
  const scopes: MetScopes = new Map()
  for (;;) {
    const found = readRecordAt({ bytes, offset: contents.end, salt: header.salt, scopes }, name)
    if (found === undefined) break
    if (completeTo > 0 && found.record.revision > completeTo) return contents // appended late, by a fenced owner
    addRecord(contents, found.record, name)
    contents.end = found.next
    yield
  }
  if (contents.revision < completeTo) throw damaged(name, `it ends at revision ${contents.revision}`)
  if (hasRecordBehind(bytes, contents.end, header.salt))
    throw damaged(name, `it is broken at byte ${contents.end}`)
  return contents
}

/** A change with the revision of its commit. */
export type NumberedChange = RecordedChange & { readonly revision: number }

const MARK_BYTES = 40

interface RecordPlace {
  readonly bytes: Uint8Array
  readonly offset: number
  readonly salt: number
  readonly scopes: MetScopes
}

function readRecordAt(
  { bytes, offset, salt, scopes }: RecordPlace,
  name: string,
): ReturnType<typeof decodeRecord> {
  try {
    return decodeRecord(bytes, offset, salt, scopes)
  } catch (cause) {
    throw damaged(name, `the record at byte ${offset} makes no sense`, cause)
  }
}

function addRecord(contents: Growing, record: JournalRecord, name: string): void {
  const isFirst = contents.end === HEADER_BYTES
  const expected = record.kind === 'mark' ? contents.revision : contents.revision + 1
  if (!isFirst && record.revision !== expected) throw damaged(name, `revision ${expected} is missing`)
  contents.time = record.time > contents.time ? record.time : contents.time
  if (record.kind === 'mark') {
    contents.revision = record.revision
    contents.synced = record.synced
    return
  }
  record.commits.forEach((commit, index) => {
    for (const change of commit.changes)
      contents.changes.push({ ...change, revision: record.revision + index })
  })
  contents.revision = record.revision + record.commits.length - 1
}

type Growing = { -readonly [K in keyof JournalContents]: JournalContents[K] } & { changes: NumberedChange[] }

/** A power cut tears the last append only; a valid record behind the damage means that it is something else. */
function hasRecordBehind(bytes: Uint8Array, end: number, salt: number): boolean {
  for (
    let offset = findRecord(bytes, end + 8);
    offset !== undefined;
    offset = findRecord(bytes, offset + 8)
  ) {
    try {
      if (decodeRecord(bytes, offset, salt) !== undefined) return true
    } catch {
      return true
    }
  }
  return false
}

function damaged(name: string, what: string, cause?: unknown): StorageError {
  const message = `The journal ${name} is damaged: ${what}; nothing was touched, restore it from a backup or remove it to do without its commits.`
  return new StorageError('CORRUPT_JOURNAL', message, { cause })
}
