/** Spares: files that are made empty, in a thread, before they are asked for, where making one takes long. */

import type { Awaitable } from '../base/awaitable.js'
import { SLOW_CREATE_MS } from '../base/limits.js'
import type { FileSystem } from './file-system.js'

/** A spare that is being made, or is made: then with its descriptor, or without, if that failed. */
interface Spare {
  making: Promise<void>
  isMade: boolean
  descriptor: number | undefined
}

/** The spares of one disk, each known by its path until it is taken or removed. */
export class Spares {
  readonly #fs: FileSystem
  readonly #createFlags: number
  readonly #spares = new Map<string, Spare>()
  /** How long making a file took lately, in milliseconds. */
  #createMs = 0

  /** `createFlags` are those of every new file. */
  constructor(fs: FileSystem, createFlags: number) {
    this.#fs = fs
    this.#createFlags = createFlags
  }

  /** Begins to make a spare, if making a file took long lately. */
  make(path: string, mode: number): void {
    if (this.#createMs < SLOW_CREATE_MS || this.#spares.has(path)) return
    const spare: Spare = { making: Promise.resolve(), isMade: false, descriptor: undefined }
    this.#spares.set(path, spare)
    spare.making = new Promise((resolve) => {
      this.#fs.open(path, this.#createFlags, mode, (error, descriptor) => {
        spare.isMade = true
        if (!error) spare.descriptor = descriptor
        resolve()
      })
    })
  }

  /** Whether there is a spare at a path, or will be. */
  has(path: string): boolean {
    return this.#spares.has(path)
  }

  /** The descriptor of a spare, from now on the caller's; undefined if it could not be made. */
  take(path: string): Awaitable<number | undefined> {
    const spare = this.#spares.get(path)
    if (spare?.isMade === false) return spare.making.then(() => this.take(path))
    this.#spares.delete(path)
    if (spare !== undefined && spare.descriptor === undefined) this.#unlink(path) // the error may be a lost reply
    return spare?.descriptor
  }

  /** Makes a file at once. */
  create(path: string, mode: number): number {
    const start = performance.now()
    const descriptor = this.#fs.openSync(path, this.#createFlags, mode)
    this.#createMs = (3 * this.#createMs + performance.now() - start) / 4
    return descriptor
  }

  /** Removes the spares in a folder: those that are made at once, the others when they are. Never fails. */
  remove(folder: string): Awaitable<void> {
    const making: Promise<void>[] = []
    for (const [path, spare] of this.#spares) {
      if (!path.startsWith(`${folder}/`)) continue
      if (spare.isMade) this.#removeOne(path, spare)
      else making.push(spare.making.then(() => this.#removeOne(path, spare)))
    }
    return making.length === 0 ? undefined : Promise.all(making).then(() => undefined)
  }

  #removeOne(path: string, { descriptor }: Spare): void {
    this.#spares.delete(path)
    this.#unlink(path)
    try {
      if (descriptor !== undefined) this.#fs.closeSync(descriptor)
    } catch {
      // The descriptor is gone all the same.
    }
  }

  #unlink(path: string): void {
    try {
      this.#fs.unlinkSync(path)
    } catch {
      // It goes when its folder is emptied.
    }
  }
}
