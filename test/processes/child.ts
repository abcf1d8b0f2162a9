/** Child processes of a test, and what they say line by line. */

import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** A line that a child said. */
export type Line = Record<string, unknown>

/** A child that runs a script of this folder, and the JSON lines that it says. */
export class Child {
  readonly lines: Line[] = []
  readonly exited: Promise<number | null>
  readonly process: ChildProcess
  /** It is gone, and all that it said is in `lines`. */
  hasEnded = false
  #errors = ''

  constructor(script: string, ...args: readonly (string | number)[]) {
    const path = fileURLToPath(new URL(script, import.meta.url))
    this.process = spawn(process.execPath, [path, ...args.map(String)], { stdio: ['ignore', 'pipe', 'pipe'] })
    let rest = ''
    this.process.stdout?.on('data', (chunk: Buffer) => {
      const parts = (rest + chunk).split('\n')
      rest = parts.pop() ?? ''
      for (const part of parts) this.lines.push(JSON.parse(part) as Line)
    })
    this.process.stderr?.on('data', (chunk: Buffer) => {
      this.#errors += chunk
    })
    this.exited = new Promise((resolve) => {
      this.process.on('close', (code) => {
        this.hasEnded = true
        resolve(code)
      })
    })
  }

  /** Resolves when a line with this name was said; rejects if the child ends before. */
  async saying(name: string): Promise<Line> {
    for (;;) {
      const line = this.lines.find((each) => name in each)
      if (line !== undefined) return line
      if (this.hasEnded) throw new Error(`The child never said ${name}: ${this.#errors}`)
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }

  /** Resolves when the child has ended well; rejects with what it complained of. */
  async done(): Promise<void> {
    const code = await this.exited
    if (code !== 0) throw new Error(`The child ended with ${code}: ${this.#errors}`)
  }

  /** Kills it as `kill -9` does, and waits for its end. */
  async kill(): Promise<void> {
    this.process.kill('SIGKILL')
    await this.exited
  }
}
