/** Reading an archive from its start: header by header, and bytes at any position. */

import { READ_PIECE_BYTES } from '../base/limits.js'
import {
  applyPax,
  decodePax,
  decodeTarBlock,
  PAX_BYTES,
  type PaxRecords,
  TAR_BLOCK_BYTES,
  type TarEntry,
  tarPadding,
} from '../base/tar.js'
import type { ReadableFile } from '../disk/disk.js'

/** An archive that is read. Its calls reject with an `Error` that says what is wrong with it, or with a system call's. */
export class ArchiveReader {
  /** Bytes. */
  readonly size: number
  /** Where the next header is. */
  position = 0
  readonly #file: ReadableFile
  #window: Uint8Array = new Uint8Array()
  #windowStart = 0

  /** Over an open file of this size. */
  constructor(file: ReadableFile, size: number) {
    this.#file = file
    this.size = size
  }

  /** The next entry, and where its contents begin; undefined at the end, behind which there are zeros only. */
  async next(): Promise<{ readonly entry: TarEntry; readonly start: number } | undefined> {
    let records: PaxRecords | undefined
    for (;;) {
      const block = decodeTarBlock(await this.#take(TAR_BLOCK_BYTES))
      if (block.kind === 'end' && records === undefined) return this.#checkEnd()
      if (block.kind === 'end') throw new Error('a pax header has no file')
      if (block.kind === 'entry') return this.#passEntry(applyPax(block.entry, records ?? {}))
      if (records !== undefined || block.size > PAX_BYTES)
        throw new Error('a pax header is not as a backup has it')
      records = decodePax(await this.#take(block.size))
      this.position += tarPadding(block.size)
    }
  }

  /** The bytes of a part of the file, in pieces. */
  async *pieces(start: number, length: number): AsyncGenerator<Uint8Array> {
    for (let position = start; position < start + length; ) {
      const piece = await this.#read(position, Math.min(READ_PIECE_BYTES, start + length - position))
      yield piece
      position += piece.byteLength
    }
  }

  /** All bytes of a part of the file. */
  async readAll(start: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length)
    let filled = 0
    for await (const piece of this.pieces(start, length)) {
      bytes.set(piece, filled)
      filled += piece.byteLength
    }
    return bytes
  }

  /** Ends the use of the file. */
  close(): void {
    this.#file.close()
  }

  #passEntry(entry: TarEntry): { entry: TarEntry; start: number } {
    const start = this.position
    this.position += entry.size + tarPadding(entry.size)
    if (this.position > this.size) throw new Error(`it ends in the middle of ${JSON.stringify(entry.path)}`)
    return { entry, start }
  }

  async #checkEnd(): Promise<undefined> {
    if (this.position + TAR_BLOCK_BYTES > this.size) throw new Error('its end is missing')
    for await (const piece of this.pieces(this.position, this.size - this.position))
      if (piece.some((byte) => byte !== 0)) throw new Error('something follows its end')
  }

  async #take(length: number): Promise<Uint8Array> {
    if (this.position + length > this.size) throw new Error('its end is missing')
    const bytes = await this.#read(this.position, length)
    this.position += length
    return bytes
  }

  /** Exactly so many bytes, at most as many as a window has. */
  async #read(position: number, length: number): Promise<Uint8Array> {
    let offset = position - this.#windowStart
    if (offset < 0 || offset + length > this.#window.byteLength) {
      this.#window = await this.#file.read(position, READ_PIECE_BYTES)
      this.#windowStart = position
      offset = 0
    }
    if (this.#window.byteLength < offset + length) throw new Error('it became shorter while it was read')
    return this.#window.subarray(offset, offset + length)
  }
}
