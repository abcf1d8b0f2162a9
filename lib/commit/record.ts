/**
 * The journal's bytes: a header, then records, each of them valid as a whole or not at all. No I/O.
 *
 * docs/format.md has every offset; all numbers are little-endian.
 */

import { crc32 } from 'node:zlib'
import type { ScopeId } from '../base/scope-id.js'

/** The value that a set puts there. */
export interface RecordedValue {
  /** The number of its staged file. */
  readonly staged: number
  /** Bytes. */
  readonly size: number
  /** CRC-32 of the bytes. */
  readonly crc: number
  /** The bytes themselves; a large value is in its staged file only. */
  readonly bytes: Uint8Array | undefined
}

/** One change as the journal holds it. */
export type RecordedChange = {
  readonly scope: ScopeId
  readonly key: string
  /** The modification time that the file gets, nanoseconds since 1970; for a delete, a time later than the file's. */
  readonly time: bigint
  /** What a set makes the version, where this process staged it; no journal holds it. */
  readonly version?: string | undefined
} & (
  | { readonly kind: 'set'; readonly value: RecordedValue }
  /** `was` is the modification time of the file that it removes; `removed` numbers the file's name on its way out. */
  | { readonly kind: 'delete'; readonly was: bigint; readonly removed: number }
  /** A later change of the same group replaced it before anyone could see it. */
  | { readonly kind: 'superseded' }
)

/** One commit as the journal holds it. */
interface RecordedCommit {
  readonly writer: string | undefined
  readonly changes: readonly RecordedChange[]
}

/** One record. */
export type JournalRecord =
  | {
      readonly kind: 'commits'
      /** The revision of the first commit; the others follow. */
      readonly revision: number
      /** The latest time that the store ever set, nanoseconds since 1970. */
      readonly time: bigint
      readonly commits: readonly RecordedCommit[]
    }
  | {
      readonly kind: 'mark'
      /** The revision of the last commit before it. */
      readonly revision: number
      readonly time: bigint
      /** Commits up to this revision are known to be synced as plain files. */
      readonly synced: number
    }

/** The commits of one record; their revisions follow one another. */
export type SettledGroup = Pick<JournalRecord & { readonly kind: 'commits' }, 'revision' | 'commits'>

/** What identifies a journal. */
export interface JournalHeader {
  /** A random number that every CRC begins with, so that bytes of another journal are never taken for a record. */
  readonly salt: number
  /** The session of the filesystem, as 32 hexadecimal digits; empty if not known. */
  readonly session: string
}

/** The length of the header, in bytes. */
export const HEADER_BYTES = 64

/** The length of what stands before the commits of a record, in bytes. */
export const RECORD_HEADER_BYTES = 40

const MAGIC = 'plainkj1'
const FORMAT = 1
const RECORD_MARK = Buffer.from('pkr1')
const RECORD_MAGIC: number = RECORD_MARK.readUInt32LE(0)
const COMMIT_HEADER_BYTES = 6
const CHANGE_HEADER_BYTES = 36
const NONE = 0xffff
const NO_ROOM = Buffer.alloc(0)
const KINDS = ['delete', 'inline', 'staged', 'superseded'] as const

/** The header of a journal. */
export function encodeHeader(header: JournalHeader): Uint8Array {
  const bytes = Buffer.alloc(HEADER_BYTES)
  bytes.write(MAGIC, 0, 'latin1')
  bytes.writeUInt32LE(FORMAT, 8)
  bytes.writeUInt32LE(header.salt, 12)
  bytes.write(header.session, 16, 16, 'hex')
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 32)), 32)
  return bytes
}

/** The header that a journal begins with; undefined if it is not whole. */
export function decodeHeader(journal: Uint8Array): JournalHeader | undefined {
  const bytes = Buffer.from(journal.buffer, journal.byteOffset, journal.byteLength)
  if (bytes.length < HEADER_BYTES || bytes.toString('latin1', 0, 8) !== MAGIC) return undefined
  if (bytes.readUInt32LE(32) !== crc32(bytes.subarray(0, 32)) || bytes.readUInt32LE(8) !== FORMAT)
    return undefined
  const hex = bytes.toString('hex', 16, 32)
  return { salt: bytes.readUInt32LE(12), session: /^0+$/.test(hex) ? '' : hex }
}

/** A record, padded with zeros to a multiple of 8 bytes; in `room` if it fits there, since new memory costs more. */
export function encodeRecord(record: JournalRecord, salt: number, room: Buffer = NO_ROOM): Uint8Array {
  const needed = RECORD_HEADER_BYTES + (record.kind === 'mark' ? 0 : sum(record.commits, commitRoom)) + 7
  const bytes = needed > room.length ? Buffer.allocUnsafeSlow(needed) : room
  const writer: Writer = { bytes, view: new DataView(bytes.buffer, bytes.byteOffset), offset: 0 }
  const { view } = writer
  view.setUint32(0, RECORD_MAGIC, true)
  view.setUint32(12, record.kind === 'mark' ? 2 : 1, true)
  view.setBigUint64(16, BigInt(record.revision), true)
  view.setBigUint64(24, record.time, true)
  view.setBigUint64(32, BigInt(record.kind === 'mark' ? record.synced : record.commits.length), true)
  writer.offset = RECORD_HEADER_BYTES
  if (record.kind === 'commits') for (const commit of record.commits) writeCommit(writer, commit)
  const length = writer.offset
  view.setUint32(8, length, true)
  view.setUint32(4, crc32(bytes.subarray(8, length), salt), true)
  return bytes.fill(0, length, padded(length)).subarray(0, padded(length))
}

/** The scopes that were met in a journal: one object for each, however many changes it has. */
export type MetScopes = Map<string, ScopeId>

/** The record at an offset, and where the next one begins; undefined if there is no valid one. */
export function decodeRecord(
  journal: Uint8Array,
  offset: number,
  salt: number,
  scopes: MetScopes = new Map(),
): { record: JournalRecord; next: number } | undefined {
  const bytes = Buffer.from(journal.buffer, journal.byteOffset, journal.byteLength)
  if (offset + RECORD_HEADER_BYTES > bytes.length || bytes.readUInt32LE(offset) !== RECORD_MAGIC)
    return undefined
  const length = bytes.readUInt32LE(offset + 8)
  if (length < RECORD_HEADER_BYTES || length > bytes.length - offset) return undefined
  const whole = bytes.subarray(offset, offset + length)
  if (whole.readUInt32LE(4) !== crc32(whole.subarray(8), salt)) return undefined
  return { record: readRecord(whole, scopes), next: offset + padded(length) }
}

/** The first offset from another on at which a record may begin; undefined if there is none. */
export function findRecord(journal: Uint8Array, from: number): number | undefined {
  const bytes = Buffer.from(journal.buffer, journal.byteOffset, journal.byteLength)
  let offset = bytes.indexOf(RECORD_MARK, from)
  while (offset >= 0 && offset % 8 !== 0) offset = bytes.indexOf(RECORD_MARK, offset + 1)
  return offset < 0 ? undefined : offset
}

/** How long the record at the beginning of these bytes says that it is; undefined if none begins there. */
export function readRecordLength(bytes: Uint8Array): number | undefined {
  const { buffer, byteOffset, byteLength } = bytes
  if (byteLength < RECORD_HEADER_BYTES) return undefined
  const view = new DataView(buffer, byteOffset, byteLength)
  return view.getUint32(0, true) === RECORD_MAGIC ? view.getUint32(8, true) : undefined
}

/** The number of bytes that a value of this many bytes, under a key, adds to a journal; a close guess. */
export function estimateChangeBytes(key: string, valueBytes: number): number {
  return CHANGE_HEADER_BYTES + COMMIT_HEADER_BYTES + key.length + valueBytes
}

function readRecord(bytes: Buffer, scopes: MetScopes): JournalRecord {
  const revision = Number(bytes.readBigUInt64LE(16))
  const time = bytes.readBigUInt64LE(24)
  const number = Number(bytes.readBigUInt64LE(32))
  if (bytes.readUInt32LE(12) === 2) return { kind: 'mark', revision, time, synced: number }
  const commits: RecordedCommit[] = []
  const cursor = { bytes, offset: RECORD_HEADER_BYTES, scopes }
  for (let index = 0; index < number; index += 1) commits.push(readCommit(cursor))
  return { kind: 'commits', revision, time, commits }
}

/** How many bytes a commit takes at most. */
function commitRoom(commit: RecordedCommit): number {
  return COMMIT_HEADER_BYTES + textRoom(commit.writer) + sum(commit.changes, changeRoom)
}

function changeRoom(change: RecordedChange): number {
  const { key, scope } = change
  const inline = change.kind === 'set' ? (change.value.bytes?.byteLength ?? 0) : 0
  return CHANGE_HEADER_BYTES + textRoom(key) + textRoom(scope.workspace) + textRoom(scope.plugin) + inline
}

/** A UTF-16 unit takes at most three bytes of UTF-8. */
function textRoom(text = ''): number {
  return 3 * text.length
}

/** Where the next byte goes. */
interface Writer {
  readonly bytes: Buffer
  readonly view: DataView
  offset: number
}

function writeCommit(writer: Writer, commit: RecordedCommit): void {
  const start = writer.offset
  writer.offset += COMMIT_HEADER_BYTES
  writer.view.setUint16(start, writeText(writer, commit.writer), true)
  writer.view.setUint32(start + 2, commit.changes.length, true)
  for (const change of commit.changes) writeChange(writer, change)
}

function writeChange(writer: Writer, change: RecordedChange): void {
  const { view, offset: start } = writer
  const { key, scope } = change
  const value = change.kind === 'set' ? change.value : undefined
  const kind = change.kind === 'set' ? (change.value.bytes ? 'inline' : 'staged') : change.kind
  writer.offset += CHANGE_HEADER_BYTES
  view.setUint16(start, KINDS.indexOf(kind), true)
  view.setUint16(start + 2, writeText(writer, key), true)
  view.setUint16(start + 4, writeText(writer, scope.workspace), true)
  view.setUint16(start + 6, writeText(writer, scope.plugin), true)
  view.setBigUint64(start + 8, change.time, true)
  view.setUint32(start + 16, value?.staged ?? (change.kind === 'delete' ? change.removed : 0), true)
  view.setUint32(start + 20, value?.size ?? 0, true)
  view.setUint32(start + 24, value?.crc ?? 0, true)
  view.setBigUint64(start + 28, change.kind === 'delete' ? change.was : 0n, true)
  if (value?.bytes === undefined) return
  writer.bytes.set(value.bytes, writer.offset)
  writer.offset += value.bytes.byteLength
}

/** Gives the length in bytes, or what stands for no text. */
function writeText(writer: Writer, text: string | undefined): number {
  if (text === undefined) return NONE
  const length = writer.bytes.write(text, writer.offset, 'utf8')
  writer.offset += length
  return length
}

interface Cursor {
  readonly bytes: Buffer
  offset: number
  readonly scopes: MetScopes
}

function readCommit(cursor: Cursor): RecordedCommit {
  const { bytes, offset } = cursor
  const writerLength = bytes.readUInt16LE(offset)
  const count = bytes.readUInt32LE(offset + 2)
  cursor.offset += COMMIT_HEADER_BYTES
  const writer = readText(cursor, writerLength)
  const changes: RecordedChange[] = []
  for (let index = 0; index < count; index += 1) changes.push(readChange(cursor))
  return { writer, changes }
}

function readChange(cursor: Cursor): RecordedChange {
  const { bytes, offset } = cursor
  const kind = KINDS[bytes.readUInt8(offset)]
  cursor.offset += CHANGE_HEADER_BYTES
  const key = readText(cursor, bytes.readUInt16LE(offset + 2)) ?? ''
  const scope = readScope(cursor, bytes.readUInt16LE(offset + 4), bytes.readUInt16LE(offset + 6))
  const common = { scope, key, time: bytes.readBigUInt64LE(offset + 8) }
  const number = bytes.readUInt32LE(offset + 16)
  if (kind === 'delete') return { ...common, kind, was: bytes.readBigUInt64LE(offset + 28), removed: number }
  if (kind === 'superseded') return { ...common, kind }
  const size = bytes.readUInt32LE(offset + 20)
  const inline = kind === 'inline' ? bytes.subarray(cursor.offset, cursor.offset + size) : undefined
  cursor.offset += inline?.byteLength ?? 0
  return {
    ...common,
    kind: 'set',
    value: { staged: number, size, crc: bytes.readUInt32LE(offset + 24), bytes: inline },
  }
}

function readScope(cursor: Cursor, workspaceLength: number, pluginLength: number): ScopeId {
  const workspace = readText(cursor, workspaceLength) ?? ''
  const plugin = readText(cursor, pluginLength)
  const name = `${workspace.length} ${pluginLength} ${workspace}${plugin}` // any of them may hold any character
  const scope = cursor.scopes.get(name) ?? { workspace, plugin }
  cursor.scopes.set(name, scope)
  return scope
}

function readText(cursor: Cursor, length: number): string | undefined {
  if (length === NONE) return undefined
  const text = cursor.bytes.toString('utf8', cursor.offset, cursor.offset + length)
  cursor.offset += length
  return text
}

function padded(length: number): number {
  return Math.ceil(length / 8) * 8
}

function sum<T>(items: readonly T[], measure: (item: T) => number): number {
  return items.reduce((total, item) => total + measure(item), 0)
}
