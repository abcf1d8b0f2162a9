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

/** Where a journal is: in a work folder, fenced or not, at a name that says its last revision, or removed. */
export type JournalPlace =
  | { readonly kind: 'owned' | 'fenced'; readonly folder: string }
  | { readonly kind: 'kept' | 'past'; readonly revision: number }
  | { readonly kind: 'gone' }

/** Whether its name says its last revision: what lies behind that is no commit. */
export function isNamed(place: JournalPlace): place is JournalPlace & { readonly revision: number } {
  return place.kind === 'kept' || place.kind === 'past'
}

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
  #isClosed = false

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
    return this.#noteFirst(await this.#readFrom(this.#position))
  }

  /** All records from the present position on. */
  async readRest(): Promise<JournalRecord[]> {
    const rest: JournalRecord[] = []
    let position = this.#position
    for (;;) {
      const found = await this.#readFrom(position)
      const last = found.at(-1)
      if (last === undefined) return rest
      rest.push(...found.map(({ record }) => record))
      position = last.end
    }
  }

  /** The next read begins behind a record. */
  pass({ record, end }: FoundRecord): void {
    this.#position = end
    this.end = record.revision + (record.kind === 'mark' ? 0 : record.commits.length - 1)
  }

  /** Ends the use of the file; from now on there are no records. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#watch?.close()
    this.#file.close()
  }

  async #readFrom(position: number): Promise<FoundRecord[]> {
    const salt = this.#salt ?? (await this.#readSalt())
    let length = FEED_WINDOW_BYTES
    while (salt !== undefined && !this.#isClosed) {
      const bytes = await this.#file.read(position, length)
      const found = decodeRecords(bytes, position, salt)
      const isCut = found.length < 2 && bytes.byteLength === length
      const rest = bytes.subarray((found[0]?.end ?? position) - position)
      const wanted = bytes.byteLength - rest.byteLength + (readRecordLength(rest) ?? RECORD_HEADER_BYTES)
      if (!isCut || wanted <= length) return found
      length = wanted
    }
    return []
  }

  /** Undefined while the journal is being begun. */
  async #readSalt(): Promise<number | undefined> {
    if (!this.#isClosed) this.#salt = decodeHeader(await this.#file.read(0, HEADER_BYTES))?.salt
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
