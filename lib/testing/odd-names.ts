/** Keys, plugin ids and workspace names that a careless store confuses with paths, with its own files, or with each other. */

/** Legal names, however odd. All differ. */
export const ODD_NAMES: readonly string[] = [
  // Paths out of the folder, or into another.
  ...[
    '.',
    '..',
    '/',
    '\\',
    '../..',
    '../escape',
    'a/b',
    'a\\b',
    'a/../b',
    '/etc/passwd',
    'C:\\a',
    'C:',
    '~',
    '~/a',
  ],
  // What the store calls its own.
  ...['.plainkeep', 'default', 'shared', 'plugins', 'lock', 'journal', 'format.json', 'c1', 'f1', 'w1', 's1'],
  // What Windows and shells understand in their own way.
  ...[
    'con',
    'CON',
    'nul.txt',
    'com1',
    'lpt¹',
    'a.',
    '.a',
    'a ',
    ' ',
    ' a',
    '-rf',
    '*',
    '?',
    '"',
    "'",
    '<|>',
    ':',
    '$a',
  ],
  // Capitals, where a filesystem takes one for the other.
  ...[
    'a',
    'A',
    'ab',
    'aB',
    'Ab',
    'AB',
    'ß',
    'ẞ',
    'ss',
    'SS',
    's',
    'S',
    'ſ',
    'i',
    'I',
    'ı',
    'İ',
    'σ',
    'ς',
    'Σ',
    '𐐀',
    '𐐨',
  ],
  // One letter in several forms.
  ...[
    'é',
    'e\u0301',
    'Å',
    'A\u030a',
    '\u212b',
    'ﬁ',
    'fi',
    '\uac00',
    '\u1100\u1161',
    '\u0344',
    '\u0308\u0301',
  ],
  // What cannot be seen, and what cannot be printed.
  ...[
    '\0',
    'a\0b',
    '\n',
    '\r\n',
    '\t',
    '\x1b[2J',
    '\x7f',
    '\u200b',
    'a\u200b',
    '\ufeff',
    '\u202ea',
    '\u00ad',
    '\uffff',
  ],
  // What looks escaped already.
  ...['%', '%2F', '%2f', '%2E', '%00', '%61', 'a~1', 'a~0', 'A~1', '~1', '+', '&amp;', '\\u0061'],
  // What a plain object holds unasked.
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'undefined', 'null', '0', '-0'],
  // Beyond the first plane, and beside it.
  ...['😀', '👩‍👩‍👧', '\uff5e', '\u{1f600}\u{1f600}', '\u{10ffff}', '漢字'],
]

/** Names that are refused with `INVALID_KEY`. */
export const INVALID_NAMES: readonly string[] = ['', '\ud800', '\udc00', 'a\ud83d', '\ude00a', '\ude00\ud83d']

/** What a program without types may pass for a name; refused with `INVALID_KEY`. */
export const NOT_NAMES: readonly unknown[] = [null, 42, true, {}, ['a'], Symbol('a'), Buffer.from('a')]

/** Names that are refused with `KEY_TOO_LONG`. */
export const LONG_NAMES: readonly string[] = [
  'a'.repeat(10_000),
  'a'.repeat(256),
  '😀'.repeat(5_000),
  '/'.repeat(86),
]

/** Names sorted by code point, which is the order of their UTF-8. */
export function sortNames(names: readonly string[]): string[] {
  return names.toSorted((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)))
}
