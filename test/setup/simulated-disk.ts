/**
 * A disk in memory with a kernel's page cache before it: what processes see is one thing, what is on the disk another.
 * What a power cut may leave of the difference is in power-cut.ts, the calls of node:fs are in simulated-fs.ts.
 *
 * D1  A file is what is on the disk and, on top of it, each write and each change of its time or mode since its last
 *     flush. A flush of its data leaves time and mode as they were on the disk.
 * D2  A folder's names on the disk are those of its last flush. Each later change waits, in its order, until a folder
 *     that it touches is flushed. A rename is one change of two names, never half done. On an *ordered* disk a flush
 *     takes all changes before it along, as a filesystem with one log does.
 * D3  After a flush of a file that failed its pages are clean: the next flush succeeds without having written them. Each
 *     block on the disk is from before or after any write of then, until it is written and flushed again. A folder's
 *     names wait on after a flush that failed.
 * D4  Nothing in an image is ever changed, only replaced: so images share what they have in common, and cost little.
 */

/** The content and the attributes of a file at one moment. */
export interface FileVersion {
  readonly bytes: Uint8Array
  /** Modification time, in microseconds since 1970. */
  readonly timeUs: number
  readonly mode: number
}

/** A file after a write that is not flushed, or after a change of its attributes. */
export interface DirtyVersion extends FileVersion {
  /** When, among all changes of the disk. */
  readonly order: number
  /** The bytes that were written. */
  readonly start: number
  readonly end: number
}

/** A file, whatever its names. */
export interface FileNode {
  readonly kind: 'file'
  readonly inode: number
  /** What is on the disk. More than one after a flush that failed: each block is from any of them (D3). */
  readonly disk: readonly FileVersion[]
  readonly dirty: readonly DirtyVersion[]
}

/** A folder, whatever its name. */
export interface FolderNode {
  readonly kind: 'folder'
  readonly inode: number
  readonly names: ReadonlyMap<string, number>
  readonly disk: ReadonlyMap<string, number>
  readonly timeUs: number
  readonly mode: number
  readonly isRemoved: boolean
}

export type Node = FileNode | FolderNode

/** What a name in a folder stands for after a change; inode 0 is none. */
interface NameEntry {
  readonly folder: number
  readonly name: string
  readonly inode: number
}

/** One change of names that is not flushed: one name, or the two of a rename. */
export interface NameChange {
  readonly order: number
  readonly entries: readonly NameEntry[]
}

/** Whether changes of names reach the disk each by itself, or in their order. */
export type Ordering = 'scattered' | 'ordered'

/** A disk at one moment. */
export interface DiskImage {
  readonly ordering: Ordering
  readonly nodes: ReadonlyMap<number, Node>
  readonly pending: readonly NameChange[]
  readonly order: number
  readonly lastInode: number
}

export const ROOT_INODE = 1

/** The time of the machine, which goes on by itself only a little with each call. */
export class Clock {
  /** Microseconds since 1970. */
  us: number

  constructor(us = 1_700_000_000_000_000) {
    this.us = us
  }

  /** Milliseconds since 1970. */
  get ms(): number {
    return this.us / 1000
  }
}

/** An empty disk. */
export function makeEmptyImage(ordering: Ordering): DiskImage {
  const names = new Map<string, number>()
  const root: FolderNode = {
    kind: 'folder',
    inode: ROOT_INODE,
    names,
    disk: names,
    timeUs: 0,
    mode: 0o755,
    isRemoved: false,
  }
  return { ordering, nodes: new Map([[ROOT_INODE, root]]), pending: [], order: 0, lastInode: ROOT_INODE }
}

/** The error of a system call, without the cost of a stack. */
export function systemError(code: string, call: string): Error {
  return Object.assign(Object.create(Error.prototype), { code, syscall: call, message: `${code}: ${call}` })
}

/** A file as processes see it. */
export function presentOf(file: FileNode): FileVersion {
  return (file.dirty.at(-1) ?? file.disk.at(-1)) as FileVersion
}

/** A disk that is in use. */
export class SimulatedDisk {
  readonly clock: Clock
  readonly #ordering: Ordering
  readonly #nodes: Map<number, Node>
  #pending: readonly NameChange[]
  #order: number
  #lastInode: number

  constructor(image: DiskImage, clock: Clock) {
    this.clock = clock
    this.#ordering = image.ordering
    this.#nodes = new Map(image.nodes)
    this.#pending = image.pending
    this.#order = image.order
    this.#lastInode = image.lastInode
  }

  /** The disk as it is now. */
  get image(): DiskImage {
    return {
      ordering: this.#ordering,
      nodes: new Map(this.#nodes),
      pending: this.#pending,
      order: this.#order,
      lastInode: this.#lastInode,
    }
  }

  /** What a path stands for. One that begins with `/@<inode>` is looked up from that folder, wherever it is by now. */
  find(path: string): Node | undefined {
    const parts = splitPath(path)
    return this.#walk(parts, parts.length)
  }

  /** What has an inode. */
  node(inode: number): Node {
    return this.#nodes.get(inode) as Node
  }

  /** A file by its inode. */
  file(inode: number): FileNode {
    return this.#nodes.get(inode) as FileNode
  }

  /** The path of the same name from the folder that it is in now. */
  pin(path: string): string {
    const { folder, name } = this.#place(path, 'open')
    return `/@${folder.inode}/${name}`
  }

  createFile(path: string, mode: number): number {
    const { folder, name, node } = this.#place(path, 'open')
    if (node !== undefined) throw systemError('EEXIST', `open ${path}`)
    this.#lastInode += 1
    const inode = this.#lastInode
    const version: FileVersion = { bytes: NO_BYTES, timeUs: this.clock.us, mode }
    this.#nodes.set(inode, { kind: 'file', inode, disk: [version], dirty: [] })
    this.#change([{ folder: folder.inode, name, inode }])
    return inode
  }

  makeFolder(path: string, mode: number): void {
    const { folder, name, node } = this.#place(path, 'mkdir')
    if (node !== undefined) throw systemError('EEXIST', `mkdir ${path}`)
    this.#lastInode += 1
    const inode = this.#lastInode
    const { us } = this.clock
    const names = NO_NAMES
    this.#nodes.set(inode, { kind: 'folder', inode, names, disk: names, timeUs: us, mode, isRemoved: false })
    this.#change([{ folder: folder.inode, name, inode }])
  }

  rename(from: string, to: string): void {
    const [source, target] = [this.#place(from, 'rename'), this.#place(to, 'rename')]
    const { node } = source
    const replaced = target.node
    if (node === undefined) throw systemError('ENOENT', `rename ${from}`)
    if (replaced === node) return
    if (replaced?.kind === 'folder' && node.kind === 'file') throw systemError('EISDIR', `rename ${to}`)
    if (replaced?.kind === 'folder' && replaced.names.size > 0) throw systemError('ENOTEMPTY', `rename ${to}`)
    if (replaced?.kind === 'file' && node.kind === 'folder') throw systemError('ENOTDIR', `rename ${to}`)
    this.#change([
      { folder: source.folder.inode, name: source.name, inode: 0 },
      { folder: target.folder.inode, name: target.name, inode: node.inode },
    ])
  }

  link(existing: string, path: string): void {
    const node = this.find(existing)
    if (node === undefined) throw systemError('ENOENT', `link ${existing}`)
    if (node.kind === 'folder') throw systemError('EPERM', `link ${existing}`)
    const target = this.#place(path, 'link')
    if (target.node !== undefined) throw systemError('EEXIST', `link ${path}`)
    this.#change([{ folder: target.folder.inode, name: target.name, inode: node.inode }])
  }

  unlink(path: string): void {
    const { folder, name, node } = this.#place(path, 'unlink')
    if (node === undefined) throw systemError('ENOENT', `unlink ${path}`)
    if (node.kind === 'folder') throw systemError('EISDIR', `unlink ${path}`)
    this.#change([{ folder: folder.inode, name, inode: 0 }])
  }

  removeFolder(path: string): void {
    const { folder, name, node } = this.#place(path, 'rmdir')
    if (node === undefined) throw systemError('ENOENT', `rmdir ${path}`)
    if (node.kind === 'file') throw systemError('ENOTDIR', `rmdir ${path}`)
    if (node.names.size > 0) throw systemError('ENOTEMPTY', `rmdir ${path}`)
    this.#change([{ folder: folder.inode, name, inode: 0 }])
    this.#nodes.set(node.inode, { ...node, isRemoved: true })
  }

  write(inode: number, bytes: Uint8Array, position: number): void {
    const present = presentOf(this.file(inode))
    const end = position + bytes.byteLength
    const grown = new Uint8Array(Math.max(present.bytes.byteLength, end))
    grown.set(present.bytes)
    grown.set(bytes, position)
    this.#dirty(inode, { bytes: grown, timeUs: this.clock.us, mode: present.mode, start: position, end })
  }

  setTime(inode: number, timeUs: number): void {
    const { bytes, mode } = presentOf(this.file(inode))
    this.#dirty(inode, { bytes, timeUs, mode, start: 0, end: 0 })
  }

  setMode(inode: number, mode: number): void {
    const { bytes, timeUs } = presentOf(this.file(inode))
    this.#dirty(inode, { bytes, timeUs, mode, start: 0, end: 0 })
  }

  /** Flushes a file or folder; of a file its data alone, if so asked (D1, D2). */
  flush(inode: number, isDataOnly = false): void {
    const node = this.#nodes.get(inode) as Node
    if (node.kind === 'folder') this.#flushNames(inode)
    else this.#nodes.set(inode, flushed(node, isDataOnly))
  }

  /** A flush fails (D3). */
  failFlush(inode: number): void {
    const node = this.#nodes.get(inode) as Node
    if (node.kind === 'file' && node.dirty.length > 0)
      this.#nodes.set(inode, { ...node, disk: [...node.disk, ...node.dirty], dirty: [] })
  }

  #walk(parts: readonly string[], length: number): Node | undefined {
    const [first = ''] = parts
    const isPinned = first.startsWith('@')
    let node = this.#nodes.get(isPinned ? Number(first.slice(1)) : ROOT_INODE)
    for (let index = isPinned ? 1 : 0; index < length && node !== undefined; index += 1) {
      const inode = node.kind === 'folder' ? node.names.get(parts[index] as string) : undefined
      node = inode === undefined ? undefined : this.#nodes.get(inode)
    }
    return node
  }

  /** A name and the folder that it is in, and what it stands for. Throws `ENOENT` or `ENOTDIR` if there is no folder. */
  #place(path: string, call: string): { folder: FolderNode; name: string; node: Node | undefined } {
    const parts = splitPath(path)
    const folder = this.#walk(parts, parts.length - 1)
    if (folder?.kind === 'file') throw systemError('ENOTDIR', `${call} ${path}`)
    if (folder === undefined || folder.isRemoved) throw systemError('ENOENT', `${call} ${path}`)
    const name = parts.at(-1) as string
    return { folder, name, node: this.#nodes.get(folder.names.get(name) ?? 0) }
  }

  #change(entries: readonly NameEntry[]): void {
    for (const { folder, name, inode } of entries) {
      const node = this.#nodes.get(folder) as FolderNode
      const names = withNames(node.names, [{ folder, name, inode }])
      this.#nodes.set(folder, { ...node, names, timeUs: this.clock.us })
    }
    this.#order += 1
    this.#pending = [...this.#pending, { order: this.#order, entries }]
  }

  #dirty(inode: number, version: Omit<DirtyVersion, 'order'>): void {
    const file = this.file(inode)
    this.#order += 1
    this.#nodes.set(inode, { ...file, dirty: [...file.dirty, { ...version, order: this.#order }] })
  }

  #flushNames(folder: number): void {
    const touches = ({ entries }: NameChange): boolean => entries.some((entry) => entry.folder === folder)
    const last = this.#pending.findLastIndex(touches)
    if (last < 0) return
    const isFlushed = (change: NameChange, index: number): boolean =>
      this.#ordering === 'ordered' ? index <= last : touches(change)
    const flushing = this.#pending.filter(isFlushed)
    const waiting = this.#pending.filter((change, index) => !isFlushed(change, index))
    for (const [inode, entries] of groupByFolder(flushing)) {
      const node = this.#nodes.get(inode) as FolderNode
      this.#nodes.set(inode, { ...node, disk: withNames(node.disk, entries) })
    }
    this.#pending = waiting.flatMap((change) => withoutReplaced(change, flushing))
  }
}

/** The changes of each folder's names, in order. */
export function groupByFolder(changes: readonly NameChange[]): Map<number, NameEntry[]> {
  const folders = new Map<number, NameEntry[]>()
  for (const { entries } of changes) {
    for (const entry of entries) {
      const known = folders.get(entry.folder)
      if (known === undefined) folders.set(entry.folder, [entry])
      else known.push(entry)
    }
  }
  return folders
}

/** The names of a folder after changes. */
export function withNames(
  names: ReadonlyMap<string, number>,
  entries: readonly NameEntry[],
): ReadonlyMap<string, number> {
  const changed = new Map(names)
  for (const { name, inode } of entries) {
    if (inode === 0) changed.delete(name)
    else changed.set(name, inode)
  }
  return changed
}

const NO_BYTES = new Uint8Array()
const NO_NAMES: ReadonlyMap<string, number> = new Map()

function flushed(file: FileNode, isDataOnly: boolean): FileNode {
  const last = file.dirty.at(-1)
  if (last === undefined) return file
  const disk = file.disk.length === 1 ? [last] : file.disk.map((version) => rewritten(version, file))
  if (!isDataOnly) return { ...file, disk: disk.map(plain), dirty: [] }
  const { timeUs, mode } = file.disk.at(-1) as FileVersion
  const isSame = last.timeUs === timeUs && last.mode === mode
  const data = disk.map(({ bytes }) => ({ bytes, timeUs, mode }))
  return { ...file, disk: data, dirty: isSame ? [] : [{ ...last, start: 0, end: 0 }] }
}

function plain({ bytes, timeUs, mode }: FileVersion): FileVersion {
  return { bytes, timeUs, mode }
}

/** What the disk holds in place of one of its versions, when what was written since is flushed (D3). */
function rewritten(version: FileVersion, { dirty }: FileNode): FileVersion {
  const last = dirty.at(-1) as DirtyVersion
  const bytes = new Uint8Array(last.bytes.byteLength)
  bytes.set(version.bytes.subarray(0, bytes.byteLength))
  for (const { start, end } of dirty) bytes.set(last.bytes.subarray(start, end), start)
  return { bytes, timeUs: last.timeUs, mode: last.mode }
}

/** A change that waits, without the names that a later flushed one has decided. */
function withoutReplaced(change: NameChange, flushed: readonly NameChange[]): NameChange[] {
  const isReplaced = ({ folder, name }: NameEntry): boolean =>
    flushed.some(
      ({ order, entries }) =>
        order > change.order && entries.some((other) => other.folder === folder && other.name === name),
    )
  const entries = change.entries.filter((entry) => !isReplaced(entry))
  if (entries.length === change.entries.length) return [change]
  return entries.length === 0 ? [] : [{ ...change, entries }]
}

const splitPaths = new Map<string, readonly string[]>()

function splitPath(path: string): readonly string[] {
  const known = splitPaths.get(path)
  if (known !== undefined) return known
  if (splitPaths.size > 20_000) splitPaths.clear()
  const parts = path.split('/').filter((part) => part !== '')
  splitPaths.set(path, parts)
  return parts
}
