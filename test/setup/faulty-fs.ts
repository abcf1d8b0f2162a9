/** A filesystem that fails when it is told to: the n-th call of all, every call from then on, or for want of room. */

import { join } from 'node:path'
import type { FileSystem } from '../../lib/index.js'

/** Which call fails, and how. */
export interface Fault {
  /** The code of the system call, such as `EIO`. */
  readonly code: string
  /** How many calls succeed before it. */
  readonly after: number
  /** Every later call fails as well. */
  readonly isLasting: boolean
  /** The call is done, and then reported as failed, as happens on network filesystems. Default: false. */
  readonly isReplyLost?: boolean
}

/** Which of several calls are meant: the name in node:fs, and the path or descriptor. */
export type CallFilter = (name: string, target: unknown) => boolean

/** Calls that give back what the process holds: they happen even if they report a failure. */
const RELEASING = ['closeSync']

/** More calls than any test needs between two faults: who makes them goes round in circles. */
const TOO_MANY_CALLS = 50_000

const CALLBACK_CALLS = ['fdatasync', 'fsync', 'open', 'read', 'readdir', 'write'] as const

type Call = (...args: unknown[]) => unknown

/** A node:fs look-alike over another one. Until it is told to fail, it does not. */
export class FaultyFileSystem {
  /** What a store is opened with. Each has its own, so two of them are like two processes. */
  readonly fs: FileSystem
  /** The calls since the last `fail`, in order. */
  readonly calls: string[] = []
  readonly #base: FileSystem
  #fault: Fault | undefined
  #isMeant: CallFilter = () => true
  #left = 0
  #failures = 0
  #room: { root: string; bytes: number } | undefined

  constructor(base: FileSystem) {
    this.#base = base
    const entries = Object.entries(base).map(([name, value]) => [name, this.#wrap(name, value)])
    this.fs = Object.fromEntries(entries) as FileSystem
  }

  /** How many calls failed since the last `fail`. */
  get failures(): number {
    return this.#failures
  }

  /** From now on: `after` calls succeed, then one fails or all do. Only calls that the filter means count. */
  fail(fault: Fault, isMeant: CallFilter = () => true): void {
    this.calls.length = 0
    this.#failures = 0
    this.#fault = fault
    this.#left = fault.after
    this.#isMeant = isMeant
  }

  /** Nothing fails any more. */
  heal(): void {
    this.#fault = undefined
    this.#room = undefined
  }

  /** The files under a folder may have so many bytes more than now. Then writes stop short, and the next one fails. */
  limitRoom(root: string, bytes: number): void {
    this.#room = { root, bytes: this.#countBytes(root) + bytes }
  }

  #wrap(name: string, value: unknown): unknown {
    if (typeof value !== 'function') return value
    const call = value.bind(this.#base) as Call
    if ((CALLBACK_CALLS as readonly string[]).includes(name)) return this.#wrapCallback(name, call)
    return (...args: unknown[]): unknown => {
      const error = this.#nextError(name, args[0])
      if (error === undefined) return call(...(name === 'writeSync' ? this.#shorten(args) : args))
      if (this.#fault?.isReplyLost || RELEASING.includes(name)) call(...args)
      throw error
    }
  }

  #wrapCallback(name: string, call: Call): Call {
    return (...args) => {
      const callback = args.at(-1) as (error: unknown, ...results: unknown[]) => void
      const error = this.#nextError(name, args[0])
      if (error === undefined) return this.#callShortened(name, call, args, callback)
      if (!this.#fault?.isReplyLost) return void setImmediate(() => callback(error))
      return call(...args.slice(0, -1), () => callback(error))
    }
  }

  #callShortened(name: string, call: Call, args: unknown[], callback: (error: unknown) => void): unknown {
    try {
      return call(...(name === 'write' ? this.#shorten(args) : args))
    } catch (error) {
      return void setImmediate(() => callback(error))
    }
  }

  #nextError(name: string, target: unknown): Error | undefined {
    if (!this.#isMeant(name, target)) return undefined
    this.calls.push(typeof target === 'string' ? `${name} ${target}` : name)
    if (this.calls.length > TOO_MANY_CALLS) return makeError('ERUNAWAY', name)
    const fault = this.#fault
    if (fault === undefined) return undefined
    this.#left -= 1
    if (fault.isLasting ? this.#left >= 0 : this.#left !== -1) return undefined
    this.#failures += 1
    return makeError(fault.code, name)
  }

  /** The arguments of a write, with as many bytes as there is room for. */
  #shorten(args: unknown[]): unknown[] {
    if (this.#room === undefined) return args
    const [descriptor, bytes, offset, length, position, ...rest] = args as [
      number,
      Uint8Array,
      number,
      number,
      number,
    ]
    const free = Math.max(0, this.#room.bytes - this.#countBytes(this.#room.root))
    const size = this.#base.fstatSync(descriptor).size
    const allowed = Math.min(length, Math.max(size + free - position, 0))
    if (allowed === 0) throw makeError('ENOSPC', 'write')
    return [descriptor, bytes, offset, allowed, position, ...rest]
  }

  #countBytes(folder: string): number {
    const sizes = new Map<number, number>()
    const add = (path: string): void => {
      const stat = this.#base.lstatSync(path)
      if (stat.isDirectory()) for (const name of this.#base.readdirSync(path)) add(join(path, name))
      else sizes.set(stat.ino, stat.size)
    }
    if (this.#base.statSync(folder, { throwIfNoEntry: false }) !== undefined) add(folder)
    return [...sizes.values()].reduce((total, size) => total + size, 0)
  }
}

function makeError(code: string, call: string): Error {
  return Object.assign(new Error(`${code}: injected, ${call}`), { code, syscall: call })
}
