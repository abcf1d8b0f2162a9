/** Archives of a test: made by bytes, and looked into. */

import { crc32 } from 'node:zlib'
import { encodeTarEntry, TAR_BLOCK_BYTES, TAR_END, tarPadding } from '../../lib/base/tar.js'
import { encodeManifest } from '../../lib/store/manifest.js'

/** A file or folder of an archive; what is not said is as in a backup. */
export interface Member {
  readonly path: string
  readonly kind?: 'file' | 'folder'
  readonly contents?: string | Uint8Array
  /** What the header says of the size, whatever it is. */
  readonly size?: number
  readonly mode?: number
  /** Changes bytes of the last header: a type, the target of a link. The sum is put right. */
  readonly header?: Readonly<Record<number, string>>
}

const FORMAT: Member = { path: '.plainkeep/format.json', contents: '{"format":1}\n' }

/** The bytes of an archive with exactly these members. */
export function packMembers(members: readonly Member[], end: Uint8Array = TAR_END): Buffer {
  return Buffer.concat([...members.flatMap(packMember), end])
}

/** What a backup of these values is. */
export function packBackup(values: readonly Member[], manifest: Member = manifestOf(values)): Buffer {
  return packMembers([FORMAT, ...values, manifest])
}

/** The manifest that goes with these values. */
export function manifestOf(values: readonly Member[], head: object = {}): Member {
  const files = values.filter(({ kind }) => kind !== 'folder')
  const lines = files.map(({ path, contents = '' }) => {
    const bytes = Buffer.from(contents)
    return { path, size: bytes.byteLength, crc: crc32(bytes) }
  })
  const bytes = lines.reduce((total, { size }) => total + size, 0)
  const first = { revision: 1, createdAt: new Date(0).toISOString(), keys: lines.length, bytes, ...head }
  return { path: '.plainkeep/manifest.jsonl', contents: [...encodeManifest(first, lines)].join('') }
}

function packMember({ path, kind = 'file', contents = '', size, mode = 0o600, header }: Member): Buffer[] {
  const bytes = Buffer.from(contents)
  const entry = { path, kind, size: size ?? bytes.byteLength, mode, time: 1_700_000_000_500_000_000n }
  const head = Buffer.from(encodeTarEntry(entry))
  if (header !== undefined) rewriteHeader(head.subarray(-TAR_BLOCK_BYTES), header)
  return [head, bytes, Buffer.alloc(tarPadding(bytes.byteLength))]
}

function rewriteHeader(block: Buffer, changes: Readonly<Record<number, string>>): void {
  for (const [offset, text] of Object.entries(changes)) block.write(text, Number(offset), 'latin1')
  block.write('        ', 148, 'latin1')
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
}
