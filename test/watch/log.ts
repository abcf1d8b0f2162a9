/** What a watcher told, and waiting for it. */

import type { Change, Resync, Watcher } from '../../lib/index.js'

/** How long to wait for what must come, in milliseconds: far more than it takes on any machine. */
const PATIENCE_MS = 20_000

/** Everything that one watcher told. */
export class WatchLog {
  readonly changes: Change[] = []
  readonly resyncs: Resync[] = []
  readonly errors: unknown[] = []
  readonly watcher: Watcher

  constructor(watcher: Watcher) {
    this.watcher = watcher
    watcher.on('change', (change) => this.changes.push(change))
    watcher.on('resync', (resync) => this.resyncs.push(resync))
    watcher.on('error', (error) => this.errors.push(error))
  }

  /** The changes in short, such as `set a local`, `delete b external`. */
  get lines(): string[] {
    return this.changes.map(({ type, key, source }) => `${type} ${key} ${source}`)
  }

  /** The reasons of all resyncs. */
  get reasons(): string[] {
    return this.resyncs.map(({ reason }) => reason)
  }

  /** What the events say the keys hold: their versions. */
  get state(): Map<string, string | undefined> {
    const state = new Map<string, string | undefined>()
    for (const { type, key, version } of this.changes) {
      if (type === 'set') state.set(key, version)
      else state.delete(key)
    }
    return state
  }

  /** Resolves when it is so. */
  async until(isSo: (log: this) => boolean): Promise<this> {
    const start = performance.now()
    while (!isSo(this)) {
      if (performance.now() - start > PATIENCE_MS) {
        throw new Error(`It never came; told were ${JSON.stringify(this.lines)}, ${this.reasons.join(' ')}.`)
      }
      await sleep(5)
    }
    return this
  }

  /** Resolves when these lines were told, whatever else was. */
  told(...lines: string[]): Promise<this> {
    return this.until(() => lines.every((line) => this.lines.includes(line)))
  }

  /** Resolves with all lines when nothing was told for a while after everything was compared. */
  async quiet(): Promise<string[]> {
    await this.watcher.rescan()
    return this.lines
  }
}

/** Resolves after so many milliseconds. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
