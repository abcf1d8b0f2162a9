/** A journal that is being followed: read as it grows, whoever writes it, and wherever it is moved. */

import { FEED_WINDOW_BYTES } from '../base/limits.js'
import type { ReadableFile } from '../disk/disk.js'
import {
  decodeHeader,
  decodeRecord,
  HEADER_BYTES,
  type JournalRecord,
  RECORD_HEADER_BYTES,
  readRecordLength,
} from './record.js'

/** Where a journal is: in a work folder, fenced or not, at its kept name, or removed. */
export type JournalPlace =
  | { readonly kind: 'owned' | 'fenced'; readonly folder: string }
  | { readonly kind: 'kept'; readonly revision: number }
  | { readonly kind: 'gone' }

/** A record, and the position behind it. */
export interface FoundRecord {
  readonly record: JournalRecord
  readonly end: number
}

/** Follows one journal. Its file stays open, so that a name that goes takes nothing away. */
export class FollowedJournal {
  /** Where it was when the folder was listed last. */
  place: JournalPlace = { kind: 'gone' }
  /** Whether it had no name the last time either. */
  wasGone = false
  /** The last revision that was passed. */
  end: number | undefined
  /** What its first mark says: everything up to that revision was certain when it was begun. */
  first: { readonly revision: number; readonly time: bigint } | undefined
  /** Tells it from all others. */
  readonly identity: string
  readonly #file: ReadableFile
  #salt: number | undefined
  #position = HEADER_BYTES
  #watch: { close(): void } | undefined

  constructor(file: ReadableFile) {
    this.identity = file.identity
    this.#file = file
  }

  /** Has `watch` called once, for a journal that grows. */
  watchOnce(watch: () => { close(): void }): void {
    this.#watch ??= watch()
  }

  /**
   * The next records from the present position on, some or all of them. The last one can still be taken back: unless
   * something else proves it, it counts only once another one stands behind it.
   */
  async read(): Promise<FoundRecord[]> {
    const salt = this.#salt ?? (await this.#readSalt())
    if (salt === undefined) return []
    let length = FEED_WINDOW_BYTES
    for (;;) {
      const bytes = await this.#file.read(this.#position, length)
      const found = decodeRecords(bytes, this.#position, salt)
      const isCut = found.length < 2 && bytes.byteLength === length
      const rest = bytes.subarray((found[0]?.end ?? this.#position) - this.#position)
      const wanted = bytes.byteLength - rest.byteLength + (readRecordLength(rest) ?? RECORD_HEADER_BYTES)
      if (!isCut || wanted <= length) return this.#noteFirst(found)
      length = wanted
    }
  }

  /** The next read begins behind a record. */
  pass({ record, end }: FoundRecord): void {
    this.#position = end
    this.end = record.revision + (record.kind === 'mark' ? 0 : record.commits.length - 1)
  }

  /** Ends the use of the file. */
  close(): void {
    this.#watch?.close()
    this.#file.close()
  }

  /** Undefined while the journal is being begun. */
  async #readSalt(): Promise<number | undefined> {
    this.#salt = decodeHeader(await this.#file.read(0, HEADER_BYTES))?.salt
    return this.#salt
  }

  #noteFirst(found: FoundRecord[]): FoundRecord[] {
    const [next] = found
    if (this.#position === HEADER_BYTES && next?.record.kind === 'mark') this.first ??= next.record
    return found
  }
}

function decodeRecords(bytes: Uint8Array, position: number, salt: number): FoundRecord[] {
  const found: FoundRecord[] = []
  let offset = 0
  for (;;) {
    const decoded = decodeRecord(bytes, offset, salt)
    if (decoded === undefined) return found
    offset = decoded.next
    found.push({ record: decoded.record, end: position + offset })
  }
}
