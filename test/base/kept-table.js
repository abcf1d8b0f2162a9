/**
 * Rule 2 of the file names as the running Node has it, in whatever version of Unicode.
 * Run as a program, it prints what lib/base/unicode.ts holds: `npx --package node@21.0.0 node test/base/kept-table.js`.
 */

import { pathToFileURL } from 'node:url'

const SYMBOLS_OF_NAMES = /^(?!\p{Default_Ignorable_Code_Point})[\p{L}\p{N}\p{M}]$/u

const LINE_WIDTH = 108

/**
 * What the Unicode of this Node makes of a code point; undefined if a name escapes it.
 *
 * @param {number} code
 * @returns {'uncased' | 'small' | 'capital' | undefined}
 */
export function judgeByThisNode(code) {
  const codePoint = String.fromCodePoint(code)
  if (!SYMBOLS_OF_NAMES.test(codePoint)) return undefined
  const small = codePoint.toLowerCase()
  const capital = codePoint.toUpperCase()
  if (small === capital) return 'uncased'
  if (small.toUpperCase() !== capital || capital.toLowerCase() !== small) return undefined
  if (codePoint === small) return 'small'
  return codePoint === capital ? 'capital' : undefined
}

/** @returns {string} */
function printTable() {
  const numbers = []
  let edge = 0x80
  for (let code = edge, wasKept = false; code <= 0x110000; code += 1) {
    const isKept = code < 0x110000 && judgeByThisNode(code) !== undefined
    if (isKept !== wasKept) {
      numbers.push((code - edge).toString(36))
      edge = code
      wasKept = isKept
    }
  }
  return numbers.join(' ').replace(new RegExp(`(.{1,${LINE_WIDTH}})(?: |$)`, 'g'), '$1\n')
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  process.stdout.write(printTable())
  process.stderr.write(`Unicode ${process.versions.unicode}\n`)
}
