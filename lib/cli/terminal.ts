/** What the command line reads from and prints to. */

import { addAbortSignal, type Readable, type Writable } from 'node:stream'
import { escapeJson, escapeLine } from './escape.js'
import { makePaint, type Paint } from './paint.js'

/** The streams and the environment of a process; a test puts its own here. */
export interface Streams {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Where output goes. */
export class Output {
  /** Whether a person looks at it. */
  readonly isTerminal: boolean
  /** For what is written here. */
  readonly paint: Paint
  readonly #stream: Writable & { readonly columns?: number }

  constructor(stream: Streams['stdout'], env: Streams['env']) {
    this.#stream = stream
    this.isTerminal = stream.isTTY === true
    this.paint = makePaint(this.isTerminal, env)
  }

  /** The width of the terminal, in columns. */
  get columns(): number {
    return this.#stream.columns ?? 80
  }

  /** Resolves when the system has taken it, so that memory stays small however slow the reader is. */
  write(chunk: string | Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#stream.write(chunk, (error) => (error ? reject(error) : resolve()))
    })
  }

  /** A document for programs, in one line; what could do anything to a terminal is escaped as JSON has it. */
  json(document: unknown): Promise<void> {
    return this.write(`${escapeJson(JSON.stringify(document))}\n`)
  }

  /** A line: as it is for programs, harmless for people. */
  line(text: string): Promise<void> {
    return this.write(`${this.isTerminal ? escapeLine(text) : text}\n`)
  }
}

/** The command line of one process. */
export interface Terminal {
  readonly stdin: Streams['stdin']
  readonly out: Output
  readonly err: Output
  readonly env: Streams['env']
  /** Aborts when the process is asked to end. */
  readonly signal: AbortSignal
  /** While another program has the terminal: what a person types there, such as Ctrl-C, is not for this one. */
  lend<T>(body: () => Promise<T>): Promise<T>
}

/** Over the streams of a process. */
export function makeTerminal(streams: Streams, running: Pick<Terminal, 'signal' | 'lend'>): Terminal {
  const { stdin, stdout, stderr, env } = streams
  return { stdin, out: new Output(stdout, env), err: new Output(stderr, env), env, ...running }
}

/** All bytes of the input, to its end. Rejects with the signal's reason. */
export async function readInput({ stdin, signal }: Terminal): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  for await (const chunk of addAbortSignal(signal, stdin)) chunks.push(Buffer.from(chunk as Uint8Array))
  return Buffer.concat(chunks)
}
