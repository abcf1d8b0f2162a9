/**
 * The power of a disk in memory: what is certain of the files on it, and what a power cut does to the rest.
 *
 * P1  A change of names (a file or folder made, linked, renamed or removed) is certain once a folder that it touches was
 *     synced since. A rename is one change, also between two folders.
 * P2  A file's bytes are certain once it was synced since they were changed; until then a new file is certainly empty, and
 *     another holds what it did when that was certain. Its mode and time are kept with its name.
 * P3  All else is certain: what was there from the beginning, and what is done past the watched calls, as by hand.
 */

import { posix } from 'node:path'
import type { FileSystem } from '../index.js'
import { type Chance, makeChance, NO_CHANCE } from './chance.js'
import { type FileNode, flatten, type Node, readFolder, readNode, readOpenFile, tear } from './nodes.js'
import { type MemoryFiles, putSnapshot } from './snapshot.js'

/** What a power cut does to what was not synced. */
export interface PowerCutOptions {
  /**
   * With a seed each change is lost or kept by itself, and of a file's new bytes perhaps a part; the same seed does the
   * same. Without one all is lost that may be.
   */
  readonly seed?: number | undefined
}

/** A name in a folder, and the number of the node that it stands for; undefined for none. */
interface NamedNode {
  readonly folder: number
  readonly name: string
  readonly node: number | undefined
}

/** The names that one call changed. */
interface Step {
  readonly order: number
  readonly names: readonly NamedNode[]
}

type AnyCall = (...args: never[]) => unknown
type Done = (error: unknown, ...results: unknown[]) => void

/** Watches what processes do to a filesystem in memory, and takes back what they did not sync. */
export class Power {
  readonly #files: MemoryFiles
  /** The numbers of nodes by their inodes; these are used again. */
  readonly #numbers = new Map<number, number>()
  /** What names certainly stand for that have changed (P1), and since which step; 0 is the beginning. */
  readonly #certain = new Map<number, Map<string, { node: number | undefined; order: number }>>()
  /** Files that have changed, as they certainly are (P2). */
  readonly #unsynced = new Map<number, FileNode>()
  /** Nodes that have lost a name, and may get it back. */
  readonly #removed = new Map<number, Node>()
  #steps: Step[] = []
  #lastOrder = 0
  #lastNumber = 0

  /** `files` is what is watched. */
  constructor(files: MemoryFiles) {
    this.#files = files
  }

  /** The filesystem for a process: the same, with its calls watched. */
  watch(): FileSystem {
    const files = this.#files
    const watched = {
      openSync: (path: string, ...rest: [number, number]) =>
        this.#make(path, () => files.openSync(path, ...rest)),
      mkdirSync: (path: string, ...rest: []) => this.#make(path, () => files.mkdirSync(path, ...rest)),
      linkSync: (from: string, to: string) => this.#rename([to], () => files.linkSync(from, to)),
      renameSync: (from: string, to: string) => this.#rename([from, to], () => files.renameSync(from, to)),
      unlinkSync: (path: string) => this.#rename([path], () => files.unlinkSync(path)),
      rmdirSync: (path: string) => this.#rename([path], () => files.rmdirSync(path)),
      utimesSync: (path: string, ...times: [number, number]) => {
        this.#soil(this.#numberAt(path), () => readNode(files, path))
        files.utimesSync(path, ...times)
      },
      fdatasyncSync: (descriptor: number) => {
        files.fdatasyncSync(descriptor)
        this.#sync(this.#numberOf(descriptor))
      },
    }
    const syncing = (name: 'fsync' | 'fdatasync') => (descriptor: number, done: Done) => {
      const number = this.#numberOf(descriptor)
      files[name](descriptor, (error) => {
        if (!error) this.#sync(number)
        done(error)
      })
    }
    const changing = (name: 'write' | 'writeSync' | 'futimesSync' | 'fchmodSync') => {
      return (descriptor: number, ...rest: never[]) => {
        this.#soil(this.#numberOf(descriptor), () => readOpenFile(files, descriptor))
        return (files[name] as AnyCall)(...([descriptor, ...rest] as never[]))
      }
    }
    return {
      ...files,
      ...(watched as object),
      ...{ fsync: syncing('fsync'), fdatasync: syncing('fdatasync') },
      ...{ write: changing('write'), writeSync: changing('writeSync') },
      ...{ futimesSync: changing('futimesSync'), fchmodSync: changing('fchmodSync') },
    } as unknown as FileSystem
  }

  /** The power fails and comes back. Whatever a process has open must not be used any more. */
  cut({ seed }: PowerCutOptions): void {
    const chance = seed === undefined ? NO_CHANCE : makeChance(seed)
    const nodes = new Map(this.#removed)
    const root = readFolder(this.#files, '/', nodes, (path) => this.#numberAt(path) as number)
    this.#keepSome(chance)
    for (const [folder, names] of this.#certain) {
      const node = nodes.get(folder)
      if (node?.kind !== 'folder') continue
      for (const [name, { node: number }] of names) {
        if (number === undefined) node.names.delete(name)
        else node.names.set(name, number)
      }
    }
    for (const [number, before] of this.#unsynced) {
      const now = nodes.get(number)
      if (now?.kind === 'file') nodes.set(number, tear(before, now, chance))
    }
    putSnapshot(this.#files, flatten(nodes, root))
    this.reset()
  }

  /** All that is there is certain. */
  reset(): void {
    for (const known of [this.#numbers, this.#certain, this.#unsynced, this.#removed]) known.clear()
    this.#steps = []
  }

  /** A call that makes a file or folder where there is none. */
  #make<T>(path: string, call: () => T): T {
    if (this.#numberAt(path) !== undefined) return call()
    const result = this.#rename([path], () => {
      const made = call()
      this.#numbers.delete(this.#files.lstatSync(path).ino) // its inode was that of another, perhaps
      return made
    })
    const node = readNode(this.#files, path)
    if (node.kind === 'file') this.#unsynced.set(this.#numberAt(path) as number, node)
    return result
  }

  /** A call that changes what the names of some paths stand for. */
  #rename<T>(paths: readonly string[], call: () => T): T {
    const before = paths.map((path) => this.#describe(path))
    const lost = before.map(({ node }, index) =>
      node === undefined ? undefined : readNode(this.#files, paths[index] as string),
    )
    const result = call()
    const names = paths.map((path) => this.#describe(path))
    for (const [index, { folder, name, node }] of before.entries()) {
      const certain =
        this.#certain.get(folder) ?? new Map<string, { node: number | undefined; order: number }>()
      this.#certain.set(folder, certain)
      if (!certain.has(name)) certain.set(name, { node, order: 0 })
      const kept = lost[index]
      if (node !== undefined && kept !== undefined) this.#removed.set(node, kept)
    }
    this.#lastOrder += 1
    this.#steps.push({ order: this.#lastOrder, names })
    return result
  }

  #describe(path: string): NamedNode {
    const folder = this.#numberAt(posix.dirname(path)) ?? 0
    return { folder, name: posix.basename(path), node: this.#numberAt(path) }
  }

  /** A file is about to be changed. */
  #soil(number: number | undefined, read: () => Node): void {
    if (number === undefined || this.#unsynced.has(number)) return
    const node = read()
    if (node.kind === 'file') this.#unsynced.set(number, node)
  }

  /** A file, or the names in a folder, are certain. */
  #sync(number: number | undefined): void {
    if (number === undefined) return
    this.#unsynced.delete(number)
    const isTouched = ({ names }: Step): boolean => names.some(({ folder }) => folder === number)
    for (const step of this.#steps.filter(isTouched)) this.#settle(step)
    this.#steps = this.#steps.filter((step) => !isTouched(step))
    this.#forget()
  }

  #settle({ order, names }: Step): void {
    for (const { folder, name, node } of names) {
      const known = this.#certain.get(folder)?.get(name)
      if (known !== undefined && known.order < order) Object.assign(known, { node, order })
    }
  }

  /** Names that stand for what they certainly do need not be remembered, nor nodes that no name may come back to. */
  #forget(): void {
    const pending = new Set(
      this.#steps.flatMap(({ names }) => names.map(({ folder, name }) => `${folder}/${name}`)),
    )
    const wanted = new Set<number | undefined>(
      this.#steps.flatMap(({ names }) => names.map(({ node }) => node)),
    )
    for (const [folder, names] of this.#certain) {
      for (const [name, { node }] of names) {
        if (pending.has(`${folder}/${name}`)) wanted.add(node).add(folder)
        else names.delete(name)
      }
      if (names.size === 0) this.#certain.delete(folder)
    }
    for (const number of this.#removed.keys()) if (!wanted.has(number)) this.#removed.delete(number)
  }

  /** Some of the steps become certain by chance; what builds on a lost one, such as a new folder, is lost with it. */
  #keepSome(chance: Chance): void {
    const lost = new Set<number | string>()
    for (const step of this.#steps) {
      const touched = step.names.flatMap(({ folder, name, node = `${folder}/${name}` }) => [
        `${folder}/${name}`,
        node,
      ])
      const isLost = [...touched, ...step.names.map(({ folder }) => folder)].some((each) => lost.has(each))
      if (chance() >= 0.5 && !isLost) this.#settle(step)
      else for (const each of touched) lost.add(each)
    }
  }

  #numberAt(path: string): number | undefined {
    const stat = this.#files.lstatSync(path, { throwIfNoEntry: false })
    return stat === undefined ? undefined : this.#numberFor(stat.ino)
  }

  /** Undefined for a file that has no name any more. */
  #numberOf(descriptor: number): number | undefined {
    const { ino, nlink } = this.#files.fstatSync(descriptor)
    return nlink === 0 ? undefined : this.#numberFor(ino)
  }

  #numberFor(inode: number): number {
    const known = this.#numbers.get(inode)
    if (known !== undefined) return known
    this.#lastNumber += 1
    this.#numbers.set(inode, this.#lastNumber)
    return this.#lastNumber
  }
}
