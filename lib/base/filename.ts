/**
 * A key as the name of its file, and back. docs/format.md has the rules, and the code cites them by number.
 *
 * Definitions. A *name* is a *text* and, if the key has capitals, a *suffix*: `~` and a number in hex. A *cased letter*
 * is a kept code point with a capital and a small form.
 *
 * Why no two keys share a name on a filesystem that ignores case and normalisation: the text is in NFC (rule 4), so
 * normalising loses nothing; folding case loses only which cased letters are capitals, and the suffix says that (rule
 * 5); everything whose case would fold in any other way is escaped (rule 2); `~` and `%` stand for nothing else.
 */

import { StorageError } from './errors.js'
import { checkKey, isKey, type KeyKind, quoteKey } from './key.js'
import { FILENAME_BYTES } from './limits.js'
import { isKeptBeyondAscii } from './unicode.js'

/** Names Windows keeps for devices, alone or before a `.`, in any case. */
const RESERVED = /^(?:con|prn|aux|nul|(?:com|lpt)[0-9¹²³])(?:\.|$)/i

/** Keys that are their own names, leaving reserved ones aside: nothing to escape, no capitals, no `.` at either end. */
const SIMPLE = /^(?!\.)[0-9a-z_.@-]*[0-9a-z_@-]$/

/** What a name does with a code point of its key. */
type Treatment = 'escape' | 'keep uncased' | 'keep small' | 'keep capital'

/** The treatment of the 128 code points that most keys consist of. */
const ASCII_TREATMENTS: readonly Treatment[] = Array.from({ length: 128 }, (_, code) =>
  judgeAscii(String.fromCharCode(code)),
)

const SUFFIX = /~[0-9a-f]+$/

/** No normalisation form has two UTF-16 units for a byte of NFC (the most is `ǖ`, three for two). A longer name is no key's. */
const NORMALIZABLE_UNITS = 2 * FILENAME_BYTES

/**
 * The name of the file that holds `key`; a legal name on every filesystem, and no other key's on any.
 * Throws `INVALID_KEY` if the key is empty or not well-formed, `KEY_TOO_LONG` if its name has over 255 bytes.
 */
export function encodeFilename(key: string, what: KeyKind = 'key'): string {
  checkKey(key, what)
  // A name has at least a byte for each UTF-16 unit of its key: most hopeless keys need not be encoded.
  if (key.length > FILENAME_BYTES) {
    throw keyTooLong(key, what, `at least ${Buffer.byteLength(key)}`)
  }
  const name = nameOf(key)
  const sizeBytes = Buffer.byteLength(name)
  if (sizeBytes > FILENAME_BYTES) {
    throw keyTooLong(key, what, `${sizeBytes}`)
  }
  return name
}

/**
 * The key whose file is called `name`, or undefined if the file is foreign: no key has exactly this name.
 * The name may be in any normalisation form, as HFS+ gives it in NFD. Never throws.
 */
export function decodeFilename(name: string): string | undefined {
  if (name.length <= FILENAME_BYTES && isSimple(name)) {
    return name
  }
  const key = evidentKey(name)
  return key !== undefined && tryEncode(key) === name.normalize('NFC') ? key : undefined
}

/**
 * The name that the file called `name` needs in order to be seen as the key it evidently stands for; `name` itself, in
 * NFC, if it is canonical already. Undefined if there is no such name. It may be the name of another file. Never throws.
 */
export function canonicalFilename(name: string): string | undefined {
  const key = evidentKey(name)
  return key === undefined ? undefined : tryEncode(key)
}

function keyTooLong(key: string, what: KeyKind, neededBytes: string): StorageError {
  return new StorageError(
    'KEY_TOO_LONG',
    `The ${what} ${quoteKey(key)} needs a file name of ${neededBytes} bytes and the limit is ${FILENAME_BYTES}; use a shorter ${what}.`,
    what === 'key' ? { key } : {},
  )
}

function isSimple(key: string): boolean {
  return SIMPLE.test(key) && !RESERVED.test(key)
}

/** The name of a non-empty, well-formed key, however long. */
function nameOf(key: string): string {
  if (isSimple(key)) {
    return key
  }
  const name = joinName(key, treat)
  // Rule 4. A name can leave NFC though its key is in it: a mark behind `~` would join the `E` of `%7E`.
  return name === name.normalize('NFC') ? name : joinName(key, treatAscii)
}

/** Text and suffix of `key`, each code point treated as `treatmentOf` says. */
function joinName(key: string, treatmentOf: (codePoint: string) => Treatment): string {
  const codePoints = [...key]
  const last = codePoints.length - 1
  const escapesFirst = RESERVED.test(key)
  let text = ''
  let capitals = ''
  codePoints.forEach((codePoint, index) => {
    const isEdge = (index === 0 && escapesFirst) || (codePoint === '.' && (index === 0 || index === last))
    const treatment = isEdge ? 'escape' : treatmentOf(codePoint)
    text += treatment === 'escape' ? escapeCodePoint(codePoint) : codePoint
    // Rule 5: the first cased letter is the lowest bit, so each next one goes to the left.
    if (treatment === 'keep small') {
      capitals = `0${capitals}`
    } else if (treatment === 'keep capital') {
      capitals = `1${capitals}`
    }
  })
  return capitals.includes('1') ? `${text}~${BigInt(`0b${capitals}`).toString(16)}` : text
}

/** Rule 1. `encodeURIComponent` leaves some of ASCII as it is. */
function escapeCodePoint(codePoint: string): string {
  return codePoint > '\x7f'
    ? encodeURIComponent(codePoint)
    : `%${codePoint.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
}

function treat(codePoint: string): Treatment {
  return ASCII_TREATMENTS[codePoint.charCodeAt(0)] ?? judge(codePoint)
}

function treatAscii(codePoint: string): Treatment {
  return ASCII_TREATMENTS[codePoint.charCodeAt(0)] ?? 'escape'
}

/** Rule 2 for ASCII. */
function judgeAscii(character: string): Treatment {
  if (/[A-Z]/.test(character)) {
    return 'keep capital'
  }
  if (/[a-z]/.test(character)) {
    return 'keep small'
  }
  return /[-_.@0-9]/.test(character) ? 'keep uncased' : 'escape'
}

/**
 * Rule 2 beyond ASCII. Case is simple if small and capital form map to each other, the code point being one of them. It
 * is not in `ſ` and KELVIN SIGN, whose other form is a plain letter's; in `ǅ`, which is neither form; in `ß`, whose
 * capital is two. The table lacks all these. Of what it has, Unicode never undoes a pair, nor makes one; what may come
 * is a partner too young for the table, as the capital of `ɤ` was, and then the letter stays uncased.
 */
function judge(codePoint: string): Treatment {
  if (!isInTable(codePoint)) {
    return 'escape'
  }
  const small = codePoint.toLowerCase()
  const capital = codePoint.toUpperCase()
  const isPair = small !== capital && small.toUpperCase() === capital && capital.toLowerCase() === small
  if (!isPair || !isInTable(small) || !isInTable(capital)) {
    return 'keep uncased'
  }
  return codePoint === small ? 'keep small' : 'keep capital'
}

function isInTable(codePoint: string): boolean {
  return isKeptBeyondAscii(codePoint.codePointAt(0) ?? 0)
}

/** What `name` says without its suffix and escapes; if the escapes are malformed, the name as it stands. */
function evidentKey(name: string): string | undefined {
  if (name.length > NORMALIZABLE_UNITS) {
    return undefined
  }
  const normal = name.normalize('NFC')
  try {
    return decodeURIComponent(normal.replace(SUFFIX, ''))
  } catch {
    return normal
  }
}

/** As `encodeFilename`, but undefined for what is no key or too long: foreign files are many, and errors slow to make. */
function tryEncode(key: string): string | undefined {
  if (!isKey(key) || key.length > FILENAME_BYTES) {
    return undefined
  }
  const name = nameOf(key)
  return Buffer.byteLength(name) > FILENAME_BYTES ? undefined : name
}
