import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { StorageError } from '../../lib/base/errors.js'
import { canonicalFilename, decodeFilename, encodeFilename } from '../../lib/base/filename.js'
import { checkKey } from '../../lib/base/key.js'
import { FILENAME_BYTES } from '../../lib/base/limits.js'

interface Vectors {
  readonly limitBytes: number
  readonly pairs: readonly (readonly [key: string, name: string])[]
  readonly invalid: readonly string[]
  readonly tooLong: readonly string[]
}

const vectorsUrl = new URL('../../fixtures/filename-vectors.json', import.meta.url)
const vectors = JSON.parse(readFileSync(vectorsUrl, 'utf8')) as Vectors

function errorOf(call: () => unknown): StorageError {
  try {
    call()
  } catch (error) {
    expect(error).toBeInstanceOf(StorageError)
    return error as StorageError
  }
  throw new Error('The call did not throw.')
}

/** The name of `key`, or undefined if it is refused as too long; any other error is passed on. */
function nameOrTooLong(key: string): string | undefined {
  try {
    return encodeFilename(key)
  } catch (error) {
    if (error instanceof StorageError && error.code === 'KEY_TOO_LONG') {
      return undefined
    }
    throw error
  }
}

/**
 * What a filesystem compares that ignores case, normalisation and ignorable code points. Small, capital, small again
 * joins all that Unicode's full case folding joins: one step alone leaves `ẞ` or `ſ` apart from their like.
 */
function fold(name: string): string {
  if (/^[\0-\x7f]*$/.test(name)) {
    return name.toLowerCase()
  }
  let folded = ''
  for (const codePoint of name.normalize('NFD')) {
    if (!/\p{Default_Ignorable_Code_Point}/u.test(codePoint)) {
      folded += codePoint.toLowerCase().toUpperCase().toLowerCase()
    }
  }
  return folded.normalize('NFD')
}

const FORBIDDEN = /[<>:"|?*\\/\p{Cc}\p{Cf}\p{Z}]/u
const RESERVED = /^(con|prn|aux|nul|(com|lpt)[0-9¹²³])(\.|$)/i

/** What is wrong with a name for some filesystem or shell, if anything. */
function flawOf(name: string): string | undefined {
  if (name === '' || name.startsWith('.')) return 'empty or hidden'
  if (/[. ]$/.test(name)) return 'ends in a dot or a space'
  if (FORBIDDEN.test(name)) return 'has a forbidden character'
  if (RESERVED.test(name)) return 'is a device on Windows'
  if (name !== name.normalize('NFC')) return 'is not in NFC'
  if (Buffer.byteLength(name) > FILENAME_BYTES) return 'is too long'
  return undefined
}

function expectRoundTrip(key: string): void {
  const name = nameOrTooLong(key)
  if (name === undefined) {
    return
  }
  expect(flawOf(name)).toBeUndefined()
  for (const form of ['NFC', 'NFD'] as const) {
    expect(decodeFilename(name.normalize(form))).toBe(key)
  }
  expect(canonicalFilename(name)).toBe(name)
}

/** From here on no code point is kept: the last ideographs are before. */
const FIRST_NEVER_KEPT = 0x34000

/** All code points that may be kept, and many more. */
function* lowCodePoints(): Generator<string> {
  for (let code = 0; code < FIRST_NEVER_KEPT; code += 1) {
    if (code < 0xd800 || code > 0xdfff) {
      yield String.fromCodePoint(code)
    }
  }
}

// Alphabets of what has gone wrong in encodings like this one.
const alphabets = {
  ascii: [...'abkszABKSZ019-_.@'],
  syntax: [...'~%.%~/\\:*?"<>| $+=,\0\n\x7f', '~1', '~f', '%2E', '%2e', '%', '%C3', '..', '~01'],
  reserved: [
    'con',
    'CON',
    'Con',
    'prn',
    'aux',
    'nul',
    'NUL',
    'com',
    'com1',
    'COM¹',
    'lpt',
    '0',
    '³',
    '.',
    '.txt',
    'x',
  ],
  case: [...'ßẞſKÅΩµςσΣıİiIDždžDŽᾳᾼᾨͅΐǰʼnẖẛϐθϴꭰᎠაᲐⅠⅰⓐaAꙊᲈfiԿև𐐀𐐨ªʰ'],
  marks: [...'aAeEDuU\u0301\u0308\u0323\u0327\u0338\u0345\u0307\u030c\u0304éÉǖǕ\u0340\u0344~7'],
  scripts: [...'用户한ᄀ가ᅡᆨ각ἀㄱ豈\u{2f800}क़ครั้งעבריתعربيあが\u3099'],
  ignorable: [
    ...'a\u00ad\u034f\u115f\u1160\u200b\u200c\u200d\u2060\u3164\ufe0f\ufeff\uffa0\u{e0100}\u{e0001}',
  ],
  symbols: [...'😀👩\u200d🚀🇩🇪 \u00a0\u2028\ufffd\uffff\u{10ffff}\ue000'],
}

const nastyChunk = fc.oneof(
  ...Object.values(alphabets).map((alphabet) => fc.constantFrom(...alphabet)),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
)
const nastyKey = fc
  .oneof(
    ...Object.values(alphabets).map((alphabet) =>
      fc.array(fc.constantFrom(...alphabet), { minLength: 1, maxLength: 8 }),
    ),
    fc.array(nastyChunk, { minLength: 1, maxLength: 12 }),
    fc.array(nastyChunk, { minLength: 20, maxLength: 260 }),
  )
  .map((chunks) => chunks.join(''))

/** Keys that a careless filesystem would take for `key`. */
function lookalikesOf(key: string, mask: number): string[] {
  const flipped = [...key].map((codePoint, index) =>
    (mask >> (index % 31)) & 1 ? codePoint.toUpperCase() : codePoint.toLowerCase(),
  )
  const variants = [
    key,
    key.toLowerCase(),
    key.toUpperCase(),
    flipped.join(''),
    fold(key),
    encodeURIComponent(key),
  ]
  variants.push(nameOrTooLong(key) ?? key, `${key}~1`, `${key}.`, `.${key}`, `${key}\u0301`, `${key}\u0345`)
  return variants.flatMap((variant) => [
    variant,
    variant.normalize('NFC'),
    variant.normalize('NFD'),
    variant.normalize('NFKC'),
  ])
}

describe('the vectors', () => {
  test('have the limit that the code has', () => {
    expect(FILENAME_BYTES).toBe(vectors.limitBytes)
  })

  test.each(vectors.pairs)('%j has the name %j, and back', (key, name) => {
    expect(encodeFilename(key)).toBe(name)
    expect(decodeFilename(name)).toBe(key)
  })

  test.each(vectors.invalid)('%j is refused as INVALID_KEY', (key) => {
    expect(errorOf(() => encodeFilename(key)).code).toBe('INVALID_KEY')
  })

  test.each(vectors.tooLong)('%j is refused as KEY_TOO_LONG', (key) => {
    expect(errorOf(() => encodeFilename(key)).code).toBe('KEY_TOO_LONG')
  })
})

describe('encodeFilename', () => {
  test.each([
    ['the key is kept if the name has exactly 255 bytes', 'a'.repeat(255), 'a'.repeat(255)],
    ['the dots of a key in the middle are kept', 'a..b', 'a..b'],
    ['a device of Windows with a superscript digit is escaped', 'com¹.txt', '%63om¹.txt'],
    ['a device of Windows in mixed case is escaped', 'Lpt9', '%4Cpt9'],
    ['a device name with more behind it is not', 'nul-1', 'nul-1'],
    ['a device name before a final dot is', 'aux.', '%61ux%2E'],
    ['the titlecase letter between a pair is escaped', '\u01c5', '%C7%85'],
    ['the pair itself is kept', '\u01c6', '\u01c6'],
    ['and its capital recorded', '\u01c4', '\u01c4~1'],
    ['final sigma is escaped, the plain one kept', 'σς', 'σ%CF%82'],
    ['KELVIN SIGN is not K', '\u212a', '%E2%84%AA'],
    ['MICRO SIGN is not mu', '\u00b5', '%C2%B5'],
    ['combining ypogegrammeni is escaped, being a small iota', 'α\u0345', 'α%CD%85'],
    ['Roman numerals have case though they are numbers', 'Ⅷ', 'Ⅷ~1'],
    ['a small letter counts for the bits of later capitals', 'aaaaaaaaB', 'aaaaaaaaB~100'],
    ['an escaped letter does not', 'ßB', '%C3%9FB~1'],
    ['a code point that displays as nothing is escaped', 'a\u200d\u3164', 'a%E2%80%8D%E3%85%A4'],
    ['a jamo pair that would compose is escaped', '\u1100\u1161', '%E1%84%80%E1%85%A1'],
    ['one that has nothing to compose with is kept', '\u1161', '\u1161'],
    ['escaping for NFC leaves ASCII capitals recorded', 'Éa\u0301B', '%C3%89a%CC%81B~2'],
  ])('%s', (_, key, name) => {
    expect(encodeFilename(key)).toBe(name)
    expectRoundTrip(key)
  })

  test('counts the suffix towards the limit', () => {
    // 201 letters, the last a capital: `~` and 51 hex digits more.
    const key = `${'a'.repeat(201)}B`
    expect(Buffer.byteLength(encodeFilename(key))).toBe(202 + 1 + 51)
    expect(encodeFilename(`a${key}`)).toHaveLength(255)
    expect(errorOf(() => encodeFilename(`aa${key}`)).message).toContain('256 bytes')
  })

  test('says for a long key how long its name would be and what the limit is', () => {
    const error = errorOf(() => encodeFilename('😀'.repeat(22), 'plugin id'))
    expect(error.kind).toBe('usage')
    expect(error.message).toMatch(
      /^The plugin id "(😀)+" needs a file name of 264 bytes and the limit is 255; use a/,
    )
    expect(error.key).toBeUndefined()
    expect(errorOf(() => encodeFilename('😀'.repeat(22))).key).toBe('😀'.repeat(22))
    expect(errorOf(() => encodeFilename('x'.repeat(1e7))).message.length).toBeLessThan(300)
  })

  test('gives every key back or refuses it as too long, under a name that every filesystem takes', () => {
    fc.assert(fc.property(nastyKey, expectRoundTrip), { numRuns: 3000 })
  })

  test('gives names that differ after NFD and case folding to keys that hardly differ', () => {
    fc.assert(
      fc.property(nastyKey, nastyKey, fc.nat(), (one, other, mask) => {
        const keyOfFolded = new Map<string, string>()
        for (const key of [...lookalikesOf(one, mask), ...lookalikesOf(other, mask)]) {
          const name = key === '' ? undefined : nameOrTooLong(key)
          if (name !== undefined) {
            const owner = keyOfFolded.get(fold(name)) ?? key
            expect(key).toBe(owner)
            keyOfFolded.set(fold(name), key)
          }
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('every code point of Unicode', { timeout: 30_000 }, () => {
  test.each(['', 'a'])('after %j makes a key that comes back, under a name of its own', (prefix) => {
    const seen = new Set<string>()
    const failures: string[] = []
    for (const codePoint of lowCodePoints()) {
      const key = prefix + codePoint
      const name = encodeFilename(key)
      const folded = fold(name)
      if (decodeFilename(name) !== key || flawOf(name) !== undefined || seen.has(folded)) {
        failures.push(`U+${codePoint.codePointAt(0)?.toString(16)} ${name}`)
      }
      seen.add(folded)
    }
    expect(failures).toEqual([])
  })

  test('of the planes without letters is escaped', () => {
    // As many in one key as fit: there are 900,000.
    const together = 20
    for (let code = FIRST_NEVER_KEPT; code <= 0x10ffff; code += together) {
      const length = Math.min(together, 0x110000 - code)
      const key = String.fromCodePoint(...Array.from({ length }, (_, index) => code + index))
      if (decodeFilename(encodeURIComponent(key)) !== key) {
        expect.fail(`U+${code.toString(16)} and the next ${together}`)
      }
    }
  })

  test('that is kept has the parts and the case that make folding lose nothing but capitals', () => {
    // The argument at the head of filename.ts for strings of any length, checked for each code point there is.
    const failures: string[] = []
    for (const codePoint of lowCodePoints()) {
      const [text, suffix] = encodeFilename(codePoint).split('~')
      if (text !== codePoint) {
        continue
      }
      const small = suffix === undefined ? codePoint : codePoint.toLowerCase()
      const smallParts = [...small.normalize('NFD')]
      const isSound =
        fold(codePoint) === fold(small) &&
        fold(small) === smallParts.join('') &&
        smallParts.every((part) => encodeFilename(part) === part) &&
        smallParts.filter(hasCase).length === (hasCase(codePoint) ? 1 : 0)
      if (!isSound) {
        failures.push(`U+${codePoint.codePointAt(0)?.toString(16)}`)
      }
    }
    expect(failures).toEqual([])
  })
})

function hasCase(codePoint: string): boolean {
  return codePoint.toLowerCase() !== codePoint.toUpperCase()
}

describe('decodeFilename', () => {
  test.each([
    ['capitals without a suffix', 'README', 'README~3f'],
    ['a suffix without capitals', 'user~1', 'user'],
    ['a suffix of other capitals', 'userCount~11', 'userCount~10'],
    ['a suffix with a leading zero', 'userCount~010', 'userCount~10'],
    ['a suffix in capitals', 'README~3F', 'README%7E3F~7f'],
    ['an escape in small letters', 'a%2fb', 'a%2Fb'],
    ['an escape of what is kept', '%61', 'a'],
    ['a lone percent sign', '50%', '50%25'],
    ['an overlong escape', '%C0%AF', '%25C0%25AF~7'],
    ['an escaped surrogate', '%ED%A0%80', '%25ED%25A0%2580~7'],
    ['a hidden file', '.DS_Store', '%2EDS_Store~7'],
    ['an editor backup', 'user_count~', 'user_count%7E'],
    ['a space', 'My Notes.txt', 'My%20Notes.txt~5'],
    ['a device of Windows', 'con.json', '%63on.json'],
    ['bytes that are not UTF-8', 'a\ufffd', 'a%EF%BF%BD'],
    ['half of a surrogate pair', 'a\ud800', undefined],
    ['the empty name', '', undefined],
    ['a suffix alone', '~1', undefined],
    ['a name that only NTFS and APFS allow', '用'.repeat(200), undefined],
    ['a simple name of 256 bytes', 'a'.repeat(256), undefined],
  ])('takes for foreign %s', (_, name, canonical) => {
    expect(decodeFilename(name)).toBeUndefined()
    expect(canonicalFilename(name)).toBe(canonical)
  })

  test('takes a name in NFD that is far longer than in NFC', () => {
    const key = 'ǖ'.repeat(127)
    expect(encodeFilename(key)).toBe(key)
    expect(decodeFilename(key.normalize('NFD'))).toBe(key)
  })

  test('does not linger over a huge name', () => {
    for (const chunk of ['a', '.', '%', '~', 'A', '\u0301\u0323', '\ud800', '%F0%9F']) {
      expect(decodeFilename(chunk.repeat(1e6))).toBeUndefined()
      expect(canonicalFilename(chunk.repeat(1e6))).toBeUndefined()
    }
  })

  test('never throws, and gives only keys whose name is the NFC of what it was given', () => {
    const anyName = fc.oneof(
      nastyKey,
      fc.string({ unit: 'binary' }),
      fc.array(fc.nat(0xffff), { maxLength: 20 }).map((units) => String.fromCharCode(...units)),
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString()),
      fc.tuple(nastyKey, fc.nat()).map(([key, mask]) => `${key}~${mask.toString(16)}`),
    )
    fc.assert(
      fc.property(anyName, (name) => {
        const key = decodeFilename(name)
        if (key !== undefined) {
          expect(encodeFilename(key)).toBe(name.normalize('NFC'))
        }
        const canonical = canonicalFilename(name)
        if (canonical !== undefined) {
          expect(decodeFilename(canonical)).toBeDefined()
        }
      }),
      { numRuns: 5000 },
    )
  })
})

describe('checkKey', () => {
  test.each([
    [undefined, 'The key is of type undefined; pass a string.'],
    [null, 'The key is of type null; pass a string.'],
    [7, 'The key is of type number; pass a string.'],
    ['', 'The key is an empty string; give it at least one character.'],
    ['a\udc00', 'The key "a\\udc00" has half of a surrogate pair; pass well-formed Unicode.'],
  ])('says what is wrong with %j and what to do', (key, message) => {
    const error = errorOf(() => checkKey(key))
    expect(error).toMatchObject({ code: 'INVALID_KEY', kind: 'usage', message })
  })

  test('names what was asked for, and passes what is well-formed', () => {
    expect(errorOf(() => checkKey('', 'workspace name')).message).toContain('The workspace name')
    expect(() => checkKey('\ud83d\ude00')).not.toThrow()
  })
})
