/** The command line as a child process, or in this one, and what it says. */

import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import nodeFs, { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { runProgram } from '../../lib/cli/program.js'
import { makeTerminal } from '../../lib/cli/terminal.js'
import { checkStore } from '../setup/check-store.js'

/** The built program. */
const MAIN: string = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** How a command ended, and what it said. */
export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** A folder of its own for one test, with a command `plainkeep` on its path; the store `data` in it is checked at the end. */
export class Place {
  readonly folder: string
  readonly store: string
  readonly #env: NodeJS.ProcessEnv

  constructor() {
    this.folder = realpathSync(mkdtempSync(join(tmpdir(), 'plainkeep-cli-')))
    this.store = join(this.folder, 'data')
    const bin = join(this.folder, '.bin')
    mkdirSync(bin)
    this.write('.bin/plainkeep', `#!/bin/sh\nexec ${process.execPath} ${MAIN} "$@"\n`, 0o755)
    const { PLAINKEEP_STORE: _, NO_COLOR: __, ...env } = process.env
    const PATH = [bin, dirname(process.execPath), process.env.PATH].join(delimiter)
    this.#env = {
      ...env,
      PATH,
      HOME: this.folder,
      TERM: 'xterm',
      NODE_OPTIONS: '',
      EDITOR: 'true',
      VISUAL: '',
    }
    onTestFinished(async () => {
      if (nodeFs.existsSync(this.store)) await checkStore(this.store, nodeFs)
      rmSync(this.folder, { recursive: true, force: true })
    })
  }

  /** Makes a file, and gives its path. */
  write(path: string, contents: string | Uint8Array, mode = 0o644): string {
    const absolute = join(this.folder, path)
    writeFileSync(absolute, contents)
    chmodSync(absolute, mode)
    return absolute
  }

  /** Runs a line of the shell in the folder. */
  sh(line: string, env: NodeJS.ProcessEnv = {}): Ended {
    const options = {
      cwd: this.folder,
      env: { ...this.#env, ...env },
      encoding: 'utf8',
      timeout: 60_000,
    } as const
    const { status, stdout, stderr } = spawnSync('sh', ['-c', line], options)
    return { code: status, out: stdout, err: stderr }
  }

  /** Runs a line of the shell on a terminal of its own; what it prints has no line breaks of the terminal's kind. */
  onTerminal(line: string, env: NodeJS.ProcessEnv = {}): string {
    const script = `script -qec ${quote(line)} /dev/null`
    return this.sh(script, { SHELL: '/bin/sh', ...env }).out.replaceAll('\r\n', '\n')
  }

  /** Runs the program with these words; the input is empty unless it is given. */
  async run(words: readonly string[], input: string | Uint8Array = ''): Promise<Ended & { bytes: Buffer }> {
    const child = this.start(words)
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
    return collect(child)
  }

  /** Starts it, and leaves it running. */
  start(words: readonly string[]): ChildProcessWithoutNullStreams {
    return spawn(process.execPath, [MAIN, ...words], { cwd: this.folder, env: this.#env })
  }

  /** Runs the program in this process, on a terminal or not; its store is `data`. */
  async call(
    words: readonly string[],
    {
      isTerminal = false,
      env = {},
    }: { readonly isTerminal?: boolean; readonly env?: NodeJS.ProcessEnv } = {},
  ): Promise<Ended> {
    const [stdout, stderr] = [new Kept(isTerminal), new Kept(isTerminal)]
    const stdin = Object.assign(new PassThrough(), { isTTY: isTerminal })
    stdin.end()
    const running = { signal: new AbortController().signal, lend: <T>(body: () => Promise<T>) => body() }
    const streams = { stdin, stdout, stderr, env: { PLAINKEEP_STORE: this.store, ...env } }
    const code = await runProgram(words, makeTerminal(streams, running))
    return { code, out: stdout.text, err: stderr.text }
  }
}

/** What a child says until it ends. */
export async function collect(child: ChildProcessWithoutNullStreams): Promise<Ended & { bytes: Buffer }> {
  const chunks: Buffer[] = []
  let err = ''
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk
  })
  const [code] = (await once(child, 'close')) as [number | null]
  const bytes = Buffer.concat(chunks)
  return { code, bytes, out: bytes.toString(), err }
}

class Kept extends Writable {
  readonly isTTY: boolean
  readonly columns = 100
  text = ''

  constructor(isTTY: boolean) {
    super()
    this.isTTY = isTTY
  }

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
