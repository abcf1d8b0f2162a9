/** A number for what is on a disk: two images that a store can tell apart have, in all likelihood, different ones. */

import { crc32 } from 'node:zlib'
import { type DiskImage, type FileVersion, type FolderNode, presentOf, ROOT_INODE } from './simulated-disk.js'

/**
 * 53 bits over all paths, contents and modification times. Times of files that no one asks for do not count: those of
 * folders, and in `.plainkeep` all but those of staged values. So images that differ in nothing else are one.
 */
export function hashImage({ nodes }: DiskImage): number {
  let [high, low] = [0, 0]
  const add = (name: number, left: number, right: number): void => {
    high = (high + mix(name ^ left, right)) | 0
    low = (low + mix(right ^ 0x5bd1e995, name + left)) | 0
  }
  const visit = (folder: FolderNode, path: number, isControl: boolean): void => {
    add(path, 1, 1)
    for (const [name, inode] of folder.names) {
      const node = nodes.get(inode)
      const child = mix(path, hashText(name))
      if (node?.kind === 'folder') visit(node, child, isControl || name === '.plainkeep')
      else if (node !== undefined) {
        const version = presentOf(node)
        const timeUs = isControl && !/^s\d/.test(name) ? 0 : version.timeUs
        add(child, hashBytes(version), mix(timeUs / 2 ** 32, timeUs))
      }
    }
  }
  visit(nodes.get(ROOT_INODE) as FolderNode, 7, false)
  return (high >>> 0) * 2 ** 21 + (low >>> 11)
}

const contents = new WeakMap<Uint8Array, number>()

/** The CRC-32 of a content, taken once. */
export function hashBytes({ bytes }: FileVersion): number {
  const known = contents.get(bytes)
  if (known !== undefined) return known
  const hash = crc32(bytes, bytes.byteLength) | 0
  contents.set(bytes, hash)
  return hash
}

const texts = new Map<string, number>()

function hashText(text: string): number {
  const known = texts.get(text)
  if (known !== undefined) return known
  if (texts.size > 20_000) texts.clear()
  const hash = crc32(text) | 0
  texts.set(text, hash)
  return hash
}

function mix(left: number, right: number): number {
  let mixed = Math.imul(left ^ (left >>> 16), 0x85ebca6b) + Math.imul(right ^ (right >>> 13), 0xc2b2ae35)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0x27d4eb2f)
  return mixed ^ (mixed >>> 15)
}
