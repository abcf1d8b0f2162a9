/**
 * Parsing JSON on every Node. In Node 24 and 26, `JSON.parse` may give a property the name that one of an earlier object had in
 * its place, if its own is written with an escape and the other holds a backslash (nodejs/node issue 63785).
 */

import { isPlain } from './merge.js'

/** The value that a JSON text holds. Throws a `SyntaxError` if it is none, and what `checkName` throws for a name. */
export function parseJson(text: string, checkName?: (name: string) => void): unknown {
  const check = (name: string, value: unknown): unknown => {
    checkName?.(name)
    return value
  }
  const value: unknown = JSON.parse(text, checkName && check)
  return hasEscapedName(text) ? parseNumbered(text, checkName) : value
}

function hasEscapedName(text: string): boolean {
  if (!text.includes('\\')) return false
  for (const { start, end } of findNames(text)) if (text.slice(start, end).includes('\\')) return true
  return false
}

/** A number that no name was given before. */
let lastNumber = 0

/** With a number before each name, so that none is taken for another one; then it is taken off again. */
function parseNumbered(text: string, checkName?: (name: string) => void): unknown {
  const pieces: string[] = []
  let done = 0
  for (const { start } of findNames(text)) {
    lastNumber += 1
    pieces.push(text.slice(done, start), `${lastNumber}:`)
    done = start
  }
  const takeOff = ([name, value]: [string, unknown]): [string, unknown] => {
    const own = name.slice(name.indexOf(':') + 1)
    checkName?.(own)
    return [own, value]
  }
  return JSON.parse(pieces.join('') + text.slice(done), (_, value: unknown) =>
    isPlain(value) ? Object.fromEntries(Object.entries(value).map(takeOff)) : value,
  )
}

const COLON = /\s*:/y

/** Where the names of a JSON text begin and end, without their quotation marks. */
function* findNames(text: string): Iterable<{ readonly start: number; readonly end: number }> {
  let end = -1
  for (let start = text.indexOf('"') + 1; start > 0; start = text.indexOf('"', end + 1) + 1) {
    end = text.indexOf('"', start)
    while (isEscaped(text, end)) end = text.indexOf('"', end + 1)
    COLON.lastIndex = end + 1
    if (COLON.test(text)) yield { start, end }
  }
}

function isEscaped(text: string, at: number): boolean {
  let start = at
  while (text[start - 1] === '\\') start -= 1
  return (at - start) % 2 === 1
}
