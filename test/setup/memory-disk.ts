/**
 * A Disk in memory that tells of changes. Syncing does nothing: what a power cut leaves is simulated-disk.ts's business.
 *
 * Watches are told as inotify tells them: a folder's of names in it, a file's of its bytes, both of their own end.
 *
 * A path may begin with `/@<inode>`: then the rest is looked up from that folder, wherever it is by now. So a call can
 * be told apart into its lookup and its effect.
 */

import { dirname, posix } from 'node:path'
import type {
  CreateOptions,
  Disk,
  FileKind,
  FileStat,
  FolderName,
  FolderReader,
  ReadableFile,
  WritableFile,
} from '../../lib/disk/disk.js'

interface FileNode {
  readonly kind: 'file'
  readonly inode: number
  bytes: Uint8Array
  time: bigint
  mode: number
}

interface FolderNode {
  readonly kind: 'folder'
  readonly inode: number
  readonly names: Map<string, Node>
  isRemoved: boolean
  time: bigint
  mode: number
}

type Node = FileNode | FolderNode

type OnHint = (name: string | undefined) => void

/** The error of a system call. */
export function systemError(code: string, text: string = code): Error {
  return Object.assign(new Error(`${code}: ${text}`), { code })
}

/** One filesystem; processes share it. Every operation acts at once. */
export class MemoryDisk implements Disk {
  readonly #now: () => number
  readonly #folders = new Map<number, FolderNode>()
  readonly #root: FolderNode
  /** By the inode of the file or folder that is watched. */
  readonly #watches = new Map<number, Set<OnHint>>()
  #lastInode = 0

  constructor(now: () => number) {
    this.#now = now
    this.#root = this.#makeFolderNode(0o755)
  }

  /** The path of the same name from the folder that it is in now, whatever becomes of that folder's own name. */
  pin(path: string): string {
    return `/@${this.#parent(path).inode}/${posix.basename(path)}`
  }

  readFile(path: string): Uint8Array | undefined {
    return this.readFileAndStat(path)?.bytes
  }

  readFileAndStat(path: string): { bytes: Uint8Array; stat: FileStat } | undefined {
    const node = this.#find(path)
    return node?.kind === 'file' ? { bytes: node.bytes.slice(), stat: describe(node) } : undefined
  }

  stat(path: string): FileStat | undefined {
    const node = this.#find(path)
    return node && describe(node)
  }

  /** It tells of no change times, so nothing is known of what was read before. */
  isUnchanged(): boolean {
    return false
  }

  isWritable(): boolean {
    return true
  }

  listNames(path: string): string[] | undefined {
    const node = this.#find(path)
    return node?.kind === 'folder' ? [...node.names.keys()] : undefined
  }

  listKind(path: string, kind: FileKind): string[] | undefined {
    const node = this.#find(path)
    if (node?.kind !== 'folder') return undefined
    return [...node.names].flatMap(([name, found]) => (found.kind === kind ? name : []))
  }

  openFolder(path: string): FolderReader | undefined {
    const node = this.#find(path)
    if (node?.kind !== 'folder') return undefined
    let left = [...node.names].map(([name, { kind }]) => ({ name, kind, isText: true }))
    const read = (): FolderName[] => {
      const names = left
      left = []
      return names
    }
    return { read, close: () => {} }
  }

  createFile(path: string, bytes: Uint8Array, options: CreateOptions): FileStat {
    if (this.#find(path) !== undefined) throw systemError('EEXIST', path)
    const time = options.time ?? BigInt(this.#now()) * 1_000_000n
    this.#lastInode += 1
    const { mode } = options
    const node: FileNode = {
      kind: 'file',
      inode: this.#lastInode,
      bytes: bytes.slice(),
      time,
      mode,
    }
    this.#change([{ path, node }])
    return describe(node)
  }

  openFile(path: string): WritableFile {
    const node = this.#find(path)
    if (node?.kind !== 'file') throw systemError('ENOENT', path)
    return {
      read: (position, length) => node.bytes.slice(position, position + length),
      write: (bytes, position) => {
        const grown = new Uint8Array(Math.max(node.bytes.length, position + bytes.length))
        grown.set(node.bytes)
        grown.set(bytes, position)
        node.bytes = grown
        this.#hint(node.inode, posix.basename(path))
      },
      sync: async () => {},
      close: () => {},
    }
  }

  makeSpare(): void {}

  removeSpares(): void {}

  makeFolder(path: string, mode: number): void {
    if (this.#find(path) !== undefined) throw systemError('EEXIST', path)
    this.#parent(path)
    this.#change([{ path, node: this.#makeFolderNode(mode) }])
  }

  rename(from: string, to: string): void {
    const node = this.#find(from)
    this.#parent(to)
    if (node === undefined) throw systemError('ENOENT', from)
    const replaced = this.#find(to)
    if (replaced === node) return
    if (replaced?.kind === 'folder') throw systemError(node.kind === 'file' ? 'EISDIR' : 'ENOTEMPTY', to)
    if (replaced?.kind === 'file' && node.kind === 'folder') throw systemError('ENOTDIR', to)
    this.#change([
      { path: from, node: undefined },
      { path: to, node },
    ])
  }

  link(existing: string, path: string): void {
    const node = this.#find(existing)
    if (node === undefined) throw systemError('ENOENT', existing)
    if (this.#find(path) !== undefined) throw systemError('EEXIST', path)
    this.#change([{ path, node }])
  }

  unlink(path: string): void {
    const node = this.#find(path)
    if (node === undefined) throw systemError('ENOENT', path)
    if (node.kind === 'folder') throw systemError('EISDIR', path)
    this.#change([{ path, node: undefined }])
  }

  removeFolder(path: string): void {
    const node = this.#find(path)
    if (node === undefined) throw systemError('ENOENT', path)
    if (node.kind !== 'folder') throw systemError('ENOTDIR', path)
    if (node.names.size > 0) throw systemError('ENOTEMPTY', path)
    this.#change([{ path, node: undefined }])
    node.isRemoved = true
  }

  setTime(path: string, time: bigint): void {
    const node = this.#find(path)
    if (node === undefined) throw systemError('ENOENT', path)
    node.time = time
  }

  async syncFile(path: string): Promise<boolean> {
    return this.#find(path)?.kind === 'file'
  }

  async syncFolder(path: string): Promise<boolean> {
    return this.#find(path)?.kind === 'folder'
  }

  openReader(path: string): ReadableFile | undefined {
    const node = this.#find(path)
    if (node?.kind !== 'file') return undefined
    const read = (position: number, length: number): Uint8Array =>
      node.bytes.slice(position, position + length)
    return { identity: `1-${node.inode}`, read, close: () => {} }
  }

  isShared(): boolean {
    return false
  }

  watchFolder(path: string, onHint: OnHint, onLost?: (error: unknown) => void): { close(): void } {
    const node = this.#find(path)
    if (node === undefined) {
      onLost?.(systemError('ENOENT', path))
      return { close: () => {} }
    }
    const watches = this.#watches.get(node.inode) ?? new Set()
    this.#watches.set(node.inode, watches)
    const watch: OnHint = (name) => onHint(name)
    watches.add(watch)
    return { close: () => void watches.delete(watch) }
  }

  /** A hand writes over a file, in its place, or touches it. */
  edit(path: string, bytes: Uint8Array, time: bigint): void {
    const node = this.#find(path)
    if (node?.kind !== 'file') throw systemError('ENOENT', path)
    node.bytes = bytes.slice()
    node.time = time
    this.#hint(this.#parent(path).inode, posix.basename(path))
  }

  #hint(inode: number, name: string): void {
    for (const onHint of [...(this.#watches.get(inode) ?? [])]) onHint(name)
  }

  #makeFolderNode(mode: number): FolderNode {
    this.#lastInode += 1
    const time = BigInt(this.#now()) * 1_000_000n
    const inode = this.#lastInode
    const node: FolderNode = {
      kind: 'folder',
      inode,
      names: new Map(),
      isRemoved: false,
      time,
      mode,
    }
    this.#folders.set(inode, node)
    return node
  }

  #find(path: string): Node | undefined {
    const [first = '', ...rest] = path.split('/').filter((part) => part !== '')
    let node: Node | undefined = first.startsWith('@')
      ? this.#folders.get(Number(first.slice(1)))
      : this.#root
    for (const part of first.startsWith('@') || first === '' ? rest : [first, ...rest]) {
      node = node?.kind === 'folder' ? node.names.get(part) : undefined
    }
    return node
  }

  #parent(path: string): FolderNode {
    const folder = this.#find(dirname(path))
    if (folder?.kind === 'file') throw systemError('ENOTDIR', path)
    if (folder === undefined || folder.isRemoved) throw systemError('ENOENT', path)
    return folder
  }

  #change(changes: readonly { path: string; node: Node | undefined }[]): void {
    const names = changes.map(({ path, node }) => ({
      folder: this.#parent(path),
      name: posix.basename(path),
      node,
    }))
    for (const { folder, name, node } of names) {
      const before = folder.names.get(name)
      if (node === undefined) folder.names.delete(name)
      else folder.names.set(name, node)
      folder.time = BigInt(this.#now()) * 1_000_000n
      this.#hint(folder.inode, name)
      if (before?.kind === 'folder') this.#hint(before.inode, name) // its own name goes
    }
  }
}

function describe(node: Node): FileStat {
  const { kind, time, mode } = node
  return {
    kind,
    time,
    mode,
    inode: BigInt(node.inode),
    device: 1n,
    size: kind === 'file' ? node.bytes.length : 0,
  }
}
