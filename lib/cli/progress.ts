/** A bar on a terminal for what takes longer than a second. */

import { formatBar, formatBytes } from './format.js'
import type { Output } from './terminal.js'

const FIRST_SHOWN_MS = 1000
const REDRAWN_MS = 100
const BAR_COLUMNS = 24

/** How far something is, in bytes. */
export interface Progress {
  readonly bytes: number
  readonly totalBytes: number
  /** What is going on, in a word or two. */
  readonly label: string
}

/** The bar of one command. */
export class ProgressBar {
  readonly #output: Output
  readonly #now: () => number
  readonly #startMs: number
  #drawnMs = 0
  #isShown = false

  /** Nothing is drawn where nobody looks. `now` is in milliseconds. */
  constructor(output: Output, now: () => number = () => performance.now()) {
    this.#output = output
    this.#now = now
    this.#startMs = now()
  }

  /** Draws the bar if it is time to. */
  update({ bytes, totalBytes, label }: Progress): void {
    const nowMs = this.#now()
    if (!this.#output.isTerminal || nowMs - this.#startMs < FIRST_SHOWN_MS) return
    if (this.#isShown && nowMs - this.#drawnMs < REDRAWN_MS) return
    this.#isShown = true
    this.#drawnMs = nowMs
    const share = totalBytes === 0 ? 1 : bytes / totalBytes
    const bar = formatBar(share, BAR_COLUMNS).padEnd(BAR_COLUMNS)
    const line = `${label} ${bar} ${Math.floor(share * 100)} %  ${formatBytes(bytes)}`
    this.#draw(line.slice(0, this.#output.columns - 1))
  }

  /** Takes the bar away. */
  end(): void {
    if (this.#isShown) this.#draw('')
    this.#isShown = false
  }

  #draw(line: string): void {
    void this.#output.write(`\r\u001b[K${line}`).catch(() => undefined) // nobody looks any more
  }
}
