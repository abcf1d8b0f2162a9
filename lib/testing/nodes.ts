/** Files and folders of a filesystem in memory apart from their names, each with a number. */

import type { Chance } from './chance.js'
import type { DiskSnapshot, MemoryFiles } from './snapshot.js'

/** A file. */
export interface FileNode {
  readonly kind: 'file'
  readonly bytes: Uint8Array
  readonly mode: number
  /** Modification time, in seconds since 1970. */
  readonly seconds: number
}

/** A folder, with the numbers of what is in it. */
interface FolderNode {
  readonly kind: 'folder'
  readonly names: Map<string, number>
  readonly mode: number
  readonly seconds: number
}

/** Either. */
export type Node = FileNode | FolderNode

const BLOCK_BYTES = 512

/** The file or folder at a path; a folder as if it were empty. */
export function readNode(fs: MemoryFiles, path: string): Node {
  const { mode, mtimeMs, isFolder } = describe(fs.lstatSync(path))
  const common = { mode, seconds: mtimeMs / 1000 }
  if (isFolder) return { kind: 'folder', names: new Map(), ...common }
  return { kind: 'file', bytes: Uint8Array.from(fs.readFileSync(path)), ...common }
}

/** The file behind a descriptor. */
export function readOpenFile(fs: MemoryFiles, descriptor: number): Node {
  const stat = fs.fstatSync(descriptor)
  const bytes = new Uint8Array(Number(stat.size))
  fs.readSync(descriptor, bytes, 0, bytes.byteLength, 0)
  return { kind: 'file', bytes, mode: describe(stat).mode, seconds: stat.mtimeMs / 1000 }
}

/** Adds a folder and all that is in it to the nodes, and gives its number. */
export function readFolder(
  fs: MemoryFiles,
  path: string,
  nodes: Map<number, Node>,
  numberAt: (path: string) => number,
): number {
  const number = numberAt(path)
  const node = readNode(fs, path)
  nodes.set(number, node)
  if (node.kind === 'file') return number
  for (const name of fs.readdirSync(path))
    node.names.set(name, readFolder(fs, `${path === '/' ? '' : path}/${name}`, nodes, numberAt))
  return number
}

/** What is in a folder, as a snapshot. */
export function flatten(nodes: ReadonlyMap<number, Node>, folder: number, path = ''): DiskSnapshot {
  const node = nodes.get(folder)
  if (node?.kind !== 'folder') return []
  return [...node.names].flatMap(([name, number]) => {
    const found = nodes.get(number)
    if (found === undefined) return []
    const { mode, seconds } = found
    const bytes = found.kind === 'file' ? found.bytes : undefined
    const stored = { path: `${path}/${name}`, bytes, mode, seconds }
    return [stored, ...flatten(nodes, number, stored.path)]
  })
}

/** What is left of a file that was not synced: the bytes that were there, those that are, or blocks of both. */
export function tear(before: FileNode, now: FileNode, chance: Chance): FileNode {
  const fate = chance()
  if (fate < 0.4) return { ...now, bytes: before.bytes }
  if (fate < 0.7) return now
  const bytes = now.bytes.slice()
  for (let start = 0; start < bytes.byteLength; start += BLOCK_BYTES) {
    if (chance() < 0.5) continue
    const old = before.bytes.subarray(start, start + BLOCK_BYTES)
    bytes.fill(0, start, start + BLOCK_BYTES)
    bytes.set(old.subarray(0, bytes.byteLength - start), start)
  }
  return { ...now, bytes }
}

function describe(stat: { mode: number | bigint; mtimeMs: number | bigint; isDirectory(): boolean }): {
  readonly mode: number
  readonly mtimeMs: number
  readonly isFolder: boolean
} {
  return { mode: Number(stat.mode) & 0o777, mtimeMs: Number(stat.mtimeMs), isFolder: stat.isDirectory() }
}
