/** A filesystem before another one, as one process has it: single calls can fail, and all at once when it dies. */

import type { FileSystem } from '../index.js'

type CallName = {
  [N in keyof FileSystem]-?: FileSystem[N] extends (...args: never[]) => unknown ? N : never
}[keyof FileSystem]

/** A call of node:fs that the store makes; `rename` means the same as `renameSync`. */
export type SystemCall =
  | CallName
  | (CallName extends infer N ? (N extends `${infer C}Sync` ? C : never) : never)

/** Which calls fail. */
export interface FaultOptions {
  /** Only calls whose first path holds this text. A call on an open file has no path. Default: every call. */
  readonly path?: string | undefined
  /** How many calls fail. Default: 1. */
  readonly times?: number | undefined
}

interface Fault {
  readonly call: string
  readonly code: string
  readonly path: string
  left: number
}

type Call = (...args: unknown[]) => unknown
type Callback = (error: unknown) => void

/** One process's way to a filesystem. */
export class VolatileFileSystem {
  /** What a store is opened with. */
  readonly fs: FileSystem
  readonly #faults: Fault[] = []
  #isCut = false

  /** Every call goes to `base` unless it is to fail. */
  constructor(base: FileSystem) {
    const wrapped = Object.entries(base).map(([name, value]) => [
      name,
      typeof value === 'function' ? this.#wrap(name, value.bind(base) as Call) : value,
    ])
    this.fs = Object.fromEntries(wrapped) as FileSystem
  }

  /** The next calls of this name fail with a code, such as `ENOSPC`. Nothing of them happens. */
  failNext(call: SystemCall, code: string, { path = '', times = 1 }: FaultOptions): void {
    this.#faults.push({ call: plainName(call), code, path, left: times })
  }

  /** No call fails any more. */
  heal(): void {
    this.#faults.length = 0
  }

  /** From now on nothing reaches the filesystem: every call fails with `EIO`. */
  cut(): void {
    this.#isCut = true
  }

  #wrap(name: string, call: Call): Call {
    const isSync = name.endsWith('Sync') || name === 'watch'
    return (...args) => {
      const error = this.#nextError(plainName(name), args[0])
      if (error === undefined) return call(...args)
      if (isSync) throw error
      const callback = args.at(-1) as Callback
      setImmediate(() => callback(error))
      return undefined
    }
  }

  #nextError(call: string, target: unknown): Error | undefined {
    if (call === 'close') return undefined // what a process holds is given back, whatever became of it
    if (this.#isCut) return makeError('EIO', call)
    const path = typeof target === 'string' ? target : ''
    const fault = this.#faults.find((one) => one.left > 0 && one.call === call && path.includes(one.path))
    if (fault === undefined) return undefined
    fault.left -= 1
    return makeError(fault.code, call)
  }
}

function plainName(call: string): string {
  return call.replace(/Sync$/, '')
}

function makeError(code: string, call: string): Error {
  return Object.assign(new Error(`${code}: made to fail, ${call}`), { code, syscall: call })
}
