/** The table of lib/base/unicode.ts, held against the tables of the Node that runs the tests. */

import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { encodeFilename } from '../../lib/base/filename.js'
import { isKeptBeyondAscii } from '../../lib/base/unicode.js'
import { judgeByThisNode } from './kept-table.js'

const codes = Array.from({ length: 0x110000 - 0x80 }, (_, index) => 0x80 + index)
const kept = codes.filter(isKeptBeyondAscii)

const version = process.versions.unicode ?? 'unknown'

/** Kept code points that the table lacks, by version of Unicode: the letters, numbers and marks added since 15.0. */
const YOUNGER: Readonly<Record<string, number>> = { '15.0': 0, '15.1': 622, '16.0': 5055, '17.0': 9754 }

/** Letters that Unicode gave a capital after 15.0: 16.0 to the first two, 17.0 to the others. */
const UNCASED = ['ƛ', 'ɤ', '\ua7d3', '\ua7d5']

function hash(lines: readonly string[]): string {
  return createHash('sha256').update(lines.join('\n')).digest('hex')
}

/** How a name records the case of a code point that it keeps: what a capital behind it makes of the suffix. */
function recordedCase(codePoint: string): string | undefined {
  const suffixes: Readonly<Record<string, string>> = { '~1': 'uncased', '~2': 'small', '~3': 'capital' }
  return suffixes[encodeFilename(`${codePoint}B`).slice(-2)]
}

test('the table is the one of format 1: 139,921 code points beyond ASCII', () => {
  expect(kept).toHaveLength(139_921)
  expect(hash(kept.map(String))).toBe('4ddca43e04ec13ef11ffbbb3c524c7ed2913e5e345cf464cffd2ea307ad53c1b')
})

test('what is kept, and with which case, is the same on every Node', () => {
  const names = kept.map((code) => encodeFilename(`${String.fromCodePoint(code)}B`))
  expect(hash(names)).toBe('a58930eb925289ff23175f8e9f4f3c7f8695bb11bc303d3bad252588f9cdc463')
})

test('whatever the table keeps the Unicode of this Node would keep as well', () => {
  expect(kept.filter((code) => judgeByThisNode(code) === undefined)).toEqual([])
})

test('the table lacks nothing but what is younger than Unicode 15.0', () => {
  const lacking = codes.filter((code) => !isKeptBeyondAscii(code) && judgeByThisNode(code) !== undefined)
  // Of a version that is not known yet only this much is certain: what was added stays.
  const known = YOUNGER[version]
  expect(lacking.length).toBeGreaterThanOrEqual(known ?? 9754)
  expect(lacking.length).toBeLessThanOrEqual(known ?? Number.POSITIVE_INFINITY)
})

test('a kept letter has the case that this Node sees, unless its partner is younger than Unicode 15.0', () => {
  const differing = kept
    .map((code) => String.fromCodePoint(code))
    .filter((codePoint) => codePoint === codePoint.normalize('NFC'))
    .filter((codePoint) => recordedCase(codePoint) !== judgeByThisNode(codePoint.codePointAt(0) ?? 0))
  for (const codePoint of differing) {
    expect(recordedCase(codePoint)).toBe('uncased')
    expect(isKeptBeyondAscii(codePoint.toUpperCase().codePointAt(0) ?? 0)).toBe(false)
  }
  const isKnown = version in YOUNGER
  expect(UNCASED).toEqual(expect.arrayContaining(isKnown ? differing : []))
})
