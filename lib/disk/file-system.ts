/** What the store calls of node:fs, and its transfers that do not stop short. */

import nodeFs from 'node:fs'
import { WRITE_CHUNK_BYTES } from '../base/limits.js'

/** What the store calls of node:fs; any look-alike that has it will do. What is optional only saves memory. */
export interface FileSystem extends RequiredCalls, Partial<Pick<NodeFileSystem, 'opendirSync'>> {
  /**
   * A look-alike may name its session, from its mount to its end: in another one only what was synced is certain.
   * Default: that of the folder of the same path on this machine.
   */
  readonly session?: string | undefined
}

type NodeFileSystem = typeof import('node:fs')

type RequiredCalls = Pick<
  NodeFileSystem,
  | 'accessSync'
  | 'closeSync'
  | 'constants'
  | 'fchmodSync'
  | 'fdatasync'
  | 'fdatasyncSync'
  | 'fstatSync'
  | 'fsync'
  | 'futimesSync'
  | 'linkSync'
  | 'lstatSync'
  | 'mkdirSync'
  | 'open'
  | 'openSync'
  | 'read'
  | 'readSync'
  | 'readdir'
  | 'readdirSync'
  | 'realpathSync'
  | 'renameSync'
  | 'rmdirSync'
  | 'statSync'
  | 'unlinkSync'
  | 'utimesSync'
  | 'watch'
  | 'write'
  | 'writeSync'
> &
  Partial<Pick<typeof import('node:fs'), 'statfsSync'>>

/** The real one. */
export const nodeFileSystem: FileSystem = nodeFs

/** Writes all bytes: on a nearly full disk a write stops short without an error, and only the next one fails. */
export function writeFullySync(
  fs: FileSystem,
  descriptor: number,
  bytes: Uint8Array,
  position: number,
): void {
  let written = 0
  while (written < bytes.byteLength) {
    const count = fs.writeSync(descriptor, bytes, written, bytes.byteLength - written, position + written)
    written += checkProgress(count)
  }
}

/** The same in chunks that do not block the event loop. */
export async function writeFully(
  fs: FileSystem,
  descriptor: number,
  bytes: Uint8Array,
  position = 0,
): Promise<void> {
  let written = 0
  while (written < bytes.byteLength) {
    const length = Math.min(WRITE_CHUNK_BYTES, bytes.byteLength - written)
    const count = await new Promise<number>((resolve, reject) => {
      fs.write(descriptor, bytes, written, length, position + written, (error, done) =>
        error ? reject(error) : resolve(done),
      )
    })
    written += checkProgress(count)
  }
}

/** Fills `bytes` from an open file, from a position on; gives fewer if the file ends before. */
export function readFullySync(
  fs: FileSystem,
  descriptor: number,
  bytes: Uint8Array,
  position: number,
): Uint8Array {
  let length = 0
  while (length < bytes.byteLength) {
    const count = fs.readSync(descriptor, bytes, length, bytes.byteLength - length, position + length)
    if (count === 0) return bytes.subarray(0, length)
    length += count
  }
  return bytes
}

/** Fills `bytes` from an open file without blocking; gives fewer if the file is shorter by now. */
export async function readFully(fs: FileSystem, descriptor: number, bytes: Uint8Array): Promise<Uint8Array> {
  let length = 0
  while (length < bytes.byteLength) {
    const count = await new Promise<number>((resolve, reject) => {
      const left = bytes.byteLength - length
      fs.read(descriptor, bytes, length, left, length, (error, done) =>
        error ? reject(error) : resolve(done),
      )
    })
    if (count === 0) return bytes.subarray(0, length)
    length += count
  }
  return bytes
}

/** Flushes an open file or folder without blocking. */
export function flush(fs: FileSystem, call: 'fsync' | 'fdatasync', descriptor: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs[call](descriptor, (error) => (error ? reject(error) : resolve()))
  })
}

/** A write of nothing, for ever, would be a loop without end. */
function checkProgress(count: number): number {
  if (count > 0) return count
  throw Object.assign(new Error('ENOSPC: the write made no progress'), { code: 'ENOSPC' })
}

/**
 * Seconds as a double that becomes the nearest whole microsecond, whether the system call rounds or truncates. From Node 24
 * on it does neither: the file gets the nanoseconds of the double, which stay within the microsecond.
 */
export function toSeconds(time: bigint): number {
  return (Number((time + 500n) / 1000n) + 0.25) / 1e6
}
