/** Writing an archive: entries one behind the other, in few large writes, the last one taken back if need be. */

import { ARCHIVE_PIECE_BYTES } from '../base/limits.js'
import { TAR_END, tarPadding } from '../base/tar.js'
import type { GrowingFile } from '../disk/archive-files.js'

/** An archive that grows from its start. Every call rejects with the error of the file. */
export class ArchiveWriter {
  readonly #file: GrowingFile
  readonly #room = new Uint8Array(ARCHIVE_PIECE_BYTES)
  /** Where `#room` begins in the file, and how much of it is filled. */
  #start = 0
  #filled = 0
  /** How far the file was ever written. */
  #highest = 0

  /** Over an empty file. */
  constructor(file: GrowingFile) {
    this.#file = file
  }

  /** How long the archive is so far, in bytes. */
  get position(): number {
    return this.#start + this.#filled
  }

  /** The next bytes. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let written = 0; written < bytes.byteLength; ) {
      if (this.#filled === this.#room.byteLength) await this.#flush()
      const piece = bytes.subarray(written, written + this.#room.byteLength - this.#filled)
      this.#room.set(piece, this.#filled)
      this.#filled += piece.byteLength
      written += piece.byteLength
    }
  }

  /** Contents of this size are written: fills up their last block. */
  async pad(sizeBytes: number): Promise<void> {
    await this.write(TAR_END.subarray(0, tarPadding(sizeBytes)))
  }

  /** What was written from a position on is taken back. */
  rewind(position: number): void {
    this.#filled = Math.max(0, position - this.#start)
    this.#start = Math.min(this.#start, position)
  }

  /** Writes the end of the archive, and the rest of what is not written yet. */
  async end(): Promise<void> {
    await this.write(TAR_END)
    // What was taken back may reach further than the archive; behind its end there may be zeros, and nothing else.
    while (this.position < this.#highest)
      await this.write(new Uint8Array(Math.min(this.#highest - this.position, ARCHIVE_PIECE_BYTES)))
    await this.#flush()
  }

  async #flush(): Promise<void> {
    await this.#file.write(this.#room.subarray(0, this.#filled), this.#start)
    this.#start += this.#filled
    this.#filled = 0
    this.#highest = Math.max(this.#highest, this.#start)
  }
}
