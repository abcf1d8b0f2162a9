/** Very many keys from alphabets that careless encodings confuse: each comes back, and no two share a file anywhere. */

import { expect, test } from 'vitest'
import { StorageError } from '../../lib/base/errors.js'
import { canonicalFilename, decodeFilename, encodeFilename } from '../../lib/base/filename.js'
import { FILENAME_BYTES } from '../../lib/base/limits.js'
import { Random } from '../setup/random.js'
import { readSeed } from '../setup/seed.js'

const COUNT = process.env.PLAINKEEP_LONG ? 1_000_000 : 100_000

/** Pieces that have gone wrong in encodings like this one; the empty one makes keys of one piece likely. */
const ALPHABETS: readonly (readonly string[])[] = [
  [...'aAbBkKsSzZ019-_.@'],
  [
    ...'~%/\\:*?"<>| $+=,;\'`()[]{}!#&^\0\n\r\t\x1b\x7f',
    '~1',
    '~f',
    '~10',
    '%2E',
    '%2e',
    '%',
    '%C3',
    '%C3%A9',
    '..',
  ],
  [
    'con',
    'CON',
    'prn',
    'aux',
    'nul',
    'NUL',
    'com1',
    'COM¹',
    'lpt9',
    '.',
    '.txt',
    '0',
    'x',
    '-',
    '.plainkeep',
    'shared',
  ],
  [...'ßẞſKÅΩµςσΣıİiIǅǆǄᾳᾼͅΐǰŉẖﬁϐθϴꭰᎠაᲐⅠⅰⓐꙊᲈև𐐀𐐨ªʰ'],
  [...'aAeEDuU\u0301\u0308\u0323\u0327\u0338\u0345\u0307\u030céÉǖǕ\u0340\u0344'],
  [...'用户한ᄀ가ᅡᆨ각ἀ豈\u{2f800}क़ครั้งעבריתعربي\u3099あが'],
  [...'a\u00ad\u034f\u115f\u200b\u200d\u2060\u3164\ufe0f\ufeff\uffa0\u{e0100}\u{e0001}'],
  [
    '😀',
    '👩\u200d🚀',
    '🇩🇪',
    '\u00a0',
    '\u2028',
    '\ufffd',
    '\uffff',
    '\u{10ffff}',
    '\ue000',
    '．',
    '／',
    '％',
    '～',
  ],
]

function makeKey(random: Random): string {
  const alphabet = random.pick(ALPHABETS)
  const length = random.chance(0.9) ? 1 + random.below(6) : 1 + random.below(150)
  let key = ''
  for (let index = 0; index < length; index += 1)
    key += random.chance(0.1)
      ? makeCodePoint(random)
      : random.pick(random.chance(0.8) ? alphabet : random.pick(ALPHABETS))
  return key
}

/** Any code point, surrogates left out. */
function makeCodePoint(random: Random): string {
  const limit = random.pick([0x80, 0x800, 0x10000, 0x110000])
  const code = random.below(limit)
  return code >= 0xd800 && code <= 0xdfff ? '\u{d7ff}' : String.fromCodePoint(code)
}

/** What no filesystem tells apart has the same fold: case, normalisation, and what displays as nothing. */
function fold(name: string): string {
  if (/^[\0-\x7f]*$/.test(name)) return name.toLowerCase()
  const visible = name.normalize('NFD').replace(/\p{Default_Ignorable_Code_Point}/gu, '')
  return visible.toLowerCase().toUpperCase().toLowerCase().normalize('NFD')
}

const FORBIDDEN = /[<>:"|?*\\/\p{Cc}\p{Cf}\p{Z}]/u

test(`${COUNT.toLocaleString('en')} random keys come back from names that every filesystem takes, and that no other key has`, () => {
  const seed = readSeed()
  const random = new Random(seed)
  const keysByFold = new Map<string, string>()
  let refused = 0
  for (let tried = 0; tried < COUNT; tried += 1) {
    const key = makeKey(random)
    const name = nameOf(key)
    if (name === undefined) {
      refused += 1
      continue
    }
    const folded = fold(name)
    const owner = keysByFold.get(folded) ?? key
    const isSafe =
      !FORBIDDEN.test(name) && !/^\.|[. ]$/.test(name) && Buffer.byteLength(name) <= FILENAME_BYTES
    if (decodeFilename(name) !== key || owner !== key || !isSafe || canonicalFilename(name) !== name)
      expect.fail(
        `seed ${seed}: ${JSON.stringify(key)} is ${JSON.stringify(name)}, like ${JSON.stringify(owner)}`,
      )
    keysByFold.set(folded, key)
  }
  console.log(`seed ${seed}: ${keysByFold.size} different keys, ${refused} refused as too long`)
  expect(keysByFold.size).toBeGreaterThan(COUNT / 2)
}, 120_000)

function nameOf(key: string): string | undefined {
  try {
    return encodeFilename(key)
  } catch (error) {
    if (error instanceof StorageError && error.code === 'KEY_TOO_LONG') return undefined
    throw error
  }
}
