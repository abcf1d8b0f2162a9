/**
 * The headers of a tar archive, in the format of POSIX.1-2001 (pax): what GNU tar, bsdtar and others read. No I/O.
 *
 * Only what a backup needs is written, and nothing else is read: files and folders, each with a path, a size, a mode
 * and a modification time to the nanosecond. Links, devices, sparse files and the extensions of other programs are
 * refused, so that no archive can mean anything that is not said here.
 */

/** Headers come in blocks of this size, and contents are filled up with zeros to a multiple of it. */
export const TAR_BLOCK_BYTES = 512

/** What ends an archive: two blocks of zeros. */
export const TAR_END: Uint8Array = new Uint8Array(2 * TAR_BLOCK_BYTES)

/** The longest pax header that is read, in bytes: paths have at most 255 bytes a name, and few names. */
export const PAX_BYTES: number = 64 * 1024

/** One file or folder of an archive. */
export interface TarEntry {
  /** The names with `/` between them; none before the first and none behind the last. */
  readonly path: string
  readonly kind: 'file' | 'folder'
  /** Bytes of the contents; 0 for a folder. */
  readonly size: number
  /** Permission bits. */
  readonly mode: number
  /** Modification time, nanoseconds since 1970. */
  readonly time: bigint
}

/** A block, understood; a pax header comes before that of its file, and its records follow in blocks of their own. */
export type TarBlock =
  | { readonly kind: 'end' }
  | { readonly kind: 'pax'; readonly size: number }
  | { readonly kind: 'entry'; readonly entry: TarEntry }

/** What pax records say in the place of the fields of a header. */
export interface PaxRecords {
  readonly path?: string
  readonly size?: number
  readonly time?: bigint
}

const MAX_OCTAL_SIZE = 0o77777777777
const NANOSECONDS = 1_000_000_000n
const MAGIC = 'ustar\x0000'
const TYPES: Readonly<Record<string, string>> = {
  '1': 'a hard link',
  '2': 'a symbolic link',
  '3': 'a device',
  '4': 'a device',
  '6': 'a FIFO',
  g: 'a header for the whole archive',
  K: 'the long link of another format',
  L: 'the long name of another format',
  S: 'a sparse file',
}

/** How many zeros follow contents of this size. */
export function tarPadding(sizeBytes: number): number {
  return (TAR_BLOCK_BYTES - (sizeBytes % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES
}

/** The blocks that come before an entry's contents. */
export function encodeTarEntry(entry: TarEntry): Uint8Array {
  const path = entry.kind === 'folder' ? `${entry.path}/` : entry.path
  const records = Buffer.from(describePax(path, entry))
  const header = encodeHeader({ ...entry, name: path, type: entry.kind === 'folder' ? '5' : '0' })
  if (records.length === 0) return header
  const pax = encodeHeader({ ...entry, name: 'pax', type: 'x', size: records.length, mode: 0o600 })
  return Buffer.concat([pax, records, Buffer.alloc(tarPadding(records.length)), header])
}

/** What a block says. Throws an `Error` with the reason if it is no header, or one of what is refused. */
export function decodeTarBlock(bytes: Uint8Array): TarBlock {
  const block = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (block.every((byte) => byte === 0)) return { kind: 'end' }
  if (block.toString('latin1', 257, 265) !== MAGIC)
    throw new Error('there is no tar header where one should be')
  if (readOctal(block, 148, 8) !== sumOf(block)) throw new Error('the checksum of a header is wrong')
  const type = block.toString('latin1', 156, 157)
  const size = readOctal(block, 124, 12)
  if (type === 'x') return { kind: 'pax', size }
  if (type !== '0' && type !== '5')
    throw new Error(`it holds ${TYPES[type] ?? 'an entry of an unknown kind'}`)
  if (block[157] !== 0) throw new Error('a file or folder of it is given the target of a link')
  const [prefix, name] = [readText(block, 345, 155), readText(block, 0, 100)]
  const time = BigInt(readOctal(block, 136, 12)) * NANOSECONDS
  const kind = type === '5' ? 'folder' : 'file'
  const path = prefix === '' ? name : `${prefix}/${name}`
  return { kind: 'entry', entry: { path, kind, size, mode: readOctal(block, 100, 8) & 0o7777, time } }
}

/** What the records of a pax header say. Throws an `Error` with the reason for one that is refused. */
export function decodePax(bytes: Uint8Array): PaxRecords {
  decodeUtf8(bytes)
  const records: { path?: string; size?: number; time?: bigint } = {}
  const names: string[] = []
  let rest = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  while (rest.length > 0) {
    const { name, value, length } = readPaxRecord(rest)
    if (names.includes(name)) throw new Error(`a pax header says ${JSON.stringify(name)} twice`)
    names.push(name)
    if (name === 'path') records.path = value
    else if (name === 'size') records.size = parseSize(value)
    else if (name === 'mtime') records.time = parseTime(value)
    else throw new Error(`a pax header says ${JSON.stringify(name)}, which no backup does`)
    rest = rest.subarray(length)
  }
  return records
}

/** An entry with what its pax header says. Throws an `Error` with the reason if the two do not go together. */
export function applyPax(entry: TarEntry, records: PaxRecords): TarEntry {
  const { path: full, size, time } = { ...entry, ...records }
  const isFolder = entry.kind === 'folder'
  if (isFolder && size > 0) throw new Error(`the folder ${JSON.stringify(full)} is said to have contents`)
  if (full.endsWith('/') !== isFolder)
    throw new Error(`${JSON.stringify(full)} is a file and a folder at once`)
  return { ...entry, path: isFolder ? full.slice(0, -1) : full, size, time }
}

/** The records that an entry needs: what does not fit into its header, or not exactly. */
function describePax(path: string, { size, time }: TarEntry): string {
  const isPlain = path.length <= 100 && /^[\x20-\x7e]*$/.test(path)
  const seconds = time / NANOSECONDS
  const isWhole = time % NANOSECONDS === 0n && seconds >= 0n && seconds <= BigInt(MAX_OCTAL_SIZE)
  return [
    isPlain ? '' : paxRecord('path', path),
    size <= MAX_OCTAL_SIZE ? '' : paxRecord('size', String(size)),
    isWhole ? '' : paxRecord('mtime', formatTime(time)),
  ].join('')
}

/** A record begins with its own length. */
function paxRecord(name: string, value: string): string {
  const rest = ` ${name}=${value}\n`
  const restBytes = Buffer.byteLength(rest)
  let length = restBytes + String(restBytes).length
  if (restBytes + String(length).length > length) length += 1
  return `${length}${rest}`
}

/** Seconds with a fraction, the sign in front of both. */
function formatTime(time: bigint): string {
  const [sign, size] = time < 0n ? ['-', -time] : ['', time]
  const fraction = (size % NANOSECONDS).toString().padStart(9, '0').replace(/0+$/, '')
  return `${sign}${size / NANOSECONDS}${fraction === '' ? '' : `.${fraction}`}`
}

interface HeaderFields {
  readonly name: string
  readonly type: string
  readonly size: number
  readonly mode: number
  readonly time: bigint
}

function encodeHeader({ name, type, size, mode, time }: HeaderFields): Buffer {
  const block = Buffer.alloc(TAR_BLOCK_BYTES)
  const seconds = time < 0n ? 0n : time / NANOSECONDS
  block.write(name.replaceAll(/[^\x20-\x7e]/g, '_').slice(0, 100), 0, 'latin1')
  writeOctal(block, 100, 8, mode)
  writeOctal(block, 108, 8, 0)
  writeOctal(block, 116, 8, 0)
  writeOctal(block, 124, 12, size <= MAX_OCTAL_SIZE ? size : 0)
  writeOctal(block, 136, 12, seconds <= BigInt(MAX_OCTAL_SIZE) ? Number(seconds) : 0)
  block.write(type, 156, 'latin1')
  block.write(MAGIC, 257, 'latin1')
  writeOctal(block, 148, 8, sumOf(block))
  return block
}

function writeOctal(block: Buffer, offset: number, length: number, value: number): void {
  block.write(value.toString(8).padStart(length - 1, '0'), offset, length - 1, 'latin1')
}

/** Digits up to a NUL or a space, and nothing behind it. */
function readOctal(block: Buffer, offset: number, length: number): number {
  const match = /^ *([0-7]+)[\0 ]*$/.exec(block.toString('latin1', offset, offset + length))
  if (match === null) throw new Error('a number in a header is not written in octal digits')
  return Number.parseInt(match[1] as string, 8)
}

/** The sum of the bytes of a header, with spaces in place of the sum itself. */
function sumOf(block: Buffer): number {
  let sum = 8 * 0x20
  for (let index = 0; index < TAR_BLOCK_BYTES; index += 1)
    if (index < 148 || index >= 156) sum += block[index] as number
  return sum
}

function readText(block: Buffer, offset: number, length: number): string {
  const end = block.indexOf(0, offset)
  return decodeUtf8(block.subarray(offset, end < 0 || end > offset + length ? offset + length : end))
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new Error('a name in it is not in UTF-8')
  }
}

function readPaxRecord(bytes: Buffer): { name: string; value: string; length: number } {
  const match = /^([1-9]\d{0,4}) /.exec(bytes.toString('latin1', 0, 6))
  const length = Number(match?.[1])
  const record =
    match !== null && length <= bytes.length ? bytes.toString('utf8', match[0].length, length) : ''
  const equals = record.indexOf('=')
  if (equals <= 0 || !record.endsWith('\n') || record.includes('\0'))
    throw new Error('a pax header is not well formed')
  return { name: record.slice(0, equals), value: record.slice(equals + 1, -1), length }
}

function parseSize(text: string): number {
  const size = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(size)) throw new Error('a pax header has a size that is none')
  return size
}

function parseTime(text: string): bigint {
  const match = /^(-?)(\d{1,12})(?:\.(\d{1,9}))?$/.exec(text)
  if (match === null) throw new Error('a pax header has a time that is none')
  const size = BigInt(match[2] as string) * NANOSECONDS + BigInt((match[3] ?? '').padEnd(9, '0'))
  return match[1] === '-' ? -size : size
}
