/** Headers of archives: what is written is read again, and nothing else is. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  applyPax,
  decodePax,
  decodeTarBlock,
  encodeTarEntry,
  TAR_BLOCK_BYTES,
  type TarEntry,
} from '../../lib/base/tar.js'

/** What a reader makes of the headers of an entry. */
function readEntry(bytes: Uint8Array): TarEntry {
  const first = decodeTarBlock(bytes.subarray(0, TAR_BLOCK_BYTES))
  const last = decodeTarBlock(bytes.subarray(-TAR_BLOCK_BYTES))
  if (last.kind !== 'entry') throw new Error('The last block is no header.')
  if (first.kind !== 'pax') return applyPax(last.entry, {})
  return applyPax(last.entry, decodePax(bytes.subarray(TAR_BLOCK_BYTES, TAR_BLOCK_BYTES + first.size)))
}

const FILE: TarEntry = {
  path: 'default/shared/key',
  kind: 'file',
  size: 3,
  mode: 0o600,
  time: 1_000_000_000n,
}

/** The one block of a plain file, with some of its bytes changed and, unless told otherwise, the right sum. */
function alter(changes: Readonly<Record<number, string>>, { isSummed = true } = {}): Buffer {
  const block = Buffer.from(encodeTarEntry(FILE))
  for (const [offset, text] of Object.entries(changes)) block.write(text, Number(offset), 'latin1')
  if (!isSummed) return block
  block.write('        ', 148, 'latin1')
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

/** A record with its own length in front. */
function record(text: string): string {
  const rest = ` ${text}\n`
  return `${Buffer.byteLength(rest) + 2}${rest}`
}

test('every entry is read as it was written', () => {
  const name = fc
    .string({ unit: 'binary', minLength: 1, maxLength: 120 })
    .filter((text) => !/[/\0]/.test(text))
  const entry = fc.record({
    path: fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/')),
    size: fc.oneof(fc.nat(), fc.integer({ min: 8 ** 11 - 2, max: Number.MAX_SAFE_INTEGER })),
    mode: fc.nat({ max: 0o7777 }),
    time: fc.bigInt({ min: -(10n ** 18n), max: 10n ** 19n }),
  })
  fc.assert(
    fc.property(entry, fc.boolean(), (fields, isFolder) => {
      const written: TarEntry = isFolder
        ? { ...fields, kind: 'folder', size: 0 }
        : { ...fields, kind: 'file' }
      const bytes = encodeTarEntry(written)
      expect(bytes.byteLength % TAR_BLOCK_BYTES).toBe(0)
      expect(readEntry(bytes)).toEqual(written)
    }),
  )
})

test('a plain name and a whole second need one block, as any tar reads it', () => {
  const block = Buffer.from(encodeTarEntry(FILE))
  expect(block.byteLength).toBe(TAR_BLOCK_BYTES)
  expect(block.toString('latin1', 0, 18)).toBe('default/shared/key')
  expect(block.toString('latin1', 257, 265)).toBe('ustar\x0000')
})

test('zeros are the end', () => {
  expect(decodeTarBlock(new Uint8Array(TAR_BLOCK_BYTES))).toEqual({ kind: 'end' })
})

describe('refused is', () => {
  test.each([
    ['a hard link', '1', 'a hard link'],
    ['a symbolic link', '2', 'a symbolic link'],
    ['a character device', '3', 'a device'],
    ['a block device', '4', 'a device'],
    ['a FIFO', '6', 'a FIFO'],
    ['a header for all', 'g', 'a header for the whole archive'],
    ['a long name of GNU tar', 'L', 'the long name of another format'],
    ['a sparse file of GNU tar', 'S', 'a sparse file'],
    ['an old type', '\0', 'an entry of an unknown kind'],
  ])('%s', (_, type, told) => {
    expect(() => decodeTarBlock(alter({ 156: type }))).toThrow(told)
  })

  test.each([
    ['a wrong sum', alter({ 0: 'X' }, { isSummed: false }), 'checksum'],
    ['the magic of GNU tar', alter({ 257: 'ustar  \0' }), 'no tar header'],
    ['text', Buffer.alloc(TAR_BLOCK_BYTES, 'text'), 'no tar header'],
    ['a size in base 256', alter({ 124: '\x80\0\0\0\0\0\0\0\0\0\0\x03' }), 'octal'],
    ['a negative size', alter({ 124: '-0000000003\0' }), 'octal'],
    ['a size with something behind it', alter({ 124: '0000003\x0099\0\0' }), 'octal'],
    ['no size', alter({ 124: '\0\0\0\0\0\0\0\0\0\0\0\0' }), 'octal'],
    ['the target of a link', alter({ 157: '/etc/passwd' }), 'target of a link'],
    ['a name that is not in UTF-8', alter({ 0: '\xff\xfe' }), 'UTF-8'],
  ])('%s', (_, block, told) => {
    expect(() => decodeTarBlock(block)).toThrow(told)
  })

  test.each([
    ['another word', record('SCHILY.xattr=some'), 'which no backup does'],
    ['a link', record('linkpath=/etc/pass'), 'which no backup does'],
    ['the same twice', '10 path=a\n10 path=b\n', 'twice'],
    ['a length that is too long', '99 path=a\n', 'not well formed'],
    ['a length that is too short', '5 path=a\n', 'not well formed'],
    ['a length with a zero in front', '010 path=a\n', 'not well formed'],
    ['no equals sign', '9 path a\n', 'not well formed'],
    ['a NUL', '11 path=a\0\n', 'not well formed'],
    ['a negative size', '11 size=-1\n', 'a size that is none'],
    ['a size beyond all numbers', record(`size=${'9'.repeat(18)}`), 'a size that is none'],
    ['a time that is none', record('mtime=1e300'), 'a time that is none'],
    ['what is not in UTF-8', Buffer.from('10 path=\xff\n', 'latin1'), 'UTF-8'],
  ])('a pax header with %s', (_, text, told) => {
    expect(() => decodePax(Buffer.from(text))).toThrow(told)
  })

  test('a folder with contents, a folder that is a file, and a file that is a folder', () => {
    const [folder, file] = [
      { ...FILE, kind: 'folder', path: 'a/' },
      { ...FILE, path: 'a' },
    ] as const
    expect(() => applyPax(folder, {})).toThrow('contents')
    expect(() => applyPax({ ...folder, size: 0, path: 'a' }, {})).toThrow('at once')
    expect(() => applyPax(file, { path: 'a/' })).toThrow('at once')
    expect(() => applyPax({ ...folder, size: 0 }, { size: 1 })).toThrow('contents')
  })
})

test('the records of a pax header stand for the fields', () => {
  const text = record('path=an ä') + record('mtime=-1.000000001')
  expect(decodePax(Buffer.from(text))).toEqual({
    path: 'an ä',
    time: -1_000_000_001n,
  })
})
