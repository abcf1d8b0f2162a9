/** The journal's bytes: what is written is read back, and no damage is ever read as something else. */

import { readFileSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { StorageError } from '../../lib/base/errors.js'
import { type JournalContents, parseJournal } from '../../lib/commit/journal.js'
import {
  decodeHeader,
  decodeRecord,
  encodeHeader,
  encodeRecord,
  HEADER_BYTES,
  type JournalRecord,
  type RecordedChange,
} from '../../lib/commit/record.js'
import { makeMachine } from '../setup/store-process.js'

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
const time = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })
const number = fc.nat({ max: 2 ** 32 - 1 })
const scope = fc.record({ workspace: text, plugin: fc.option(text, { nil: undefined }) })
const named = { scope, key: text, time }
const bytes = fc.uint8Array({ maxLength: 100 })

const change: fc.Arbitrary<RecordedChange> = fc.oneof(
  fc.record({ ...named, kind: fc.constant('delete' as const), was: time, removed: number }),
  fc.record({ ...named, kind: fc.constant('superseded' as const) }),
  fc.record({
    ...named,
    kind: fc.constant('set' as const),
    value: fc.oneof(
      fc.record({ staged: number, size: number, crc: number, bytes: fc.constant(undefined) }),
      fc
        .record({ staged: number, bytes })
        .map(({ staged, bytes }) => ({ staged, size: bytes.length, crc: crc32(bytes), bytes })),
    ),
  }),
)

const revision = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
const commits = fc.array(
  fc.record({ writer: fc.option(text, { nil: undefined }), changes: fc.array(change, { maxLength: 5 }) }),
  { minLength: 1, maxLength: 5 },
)
const record: fc.Arbitrary<JournalRecord> = fc.oneof(
  fc.record({ kind: fc.constant('mark' as const), revision, time, synced: revision }),
  fc.record({ kind: fc.constant('commits' as const), revision, time, commits }),
)

/** Buffers are equal to arrays of the same bytes. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value]
  if (Array.isArray(value)) return value.map(plain)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
}

test('a header comes back', () => {
  const session = fc.stringMatching(/^[0-9a-f]{32}$/).filter((id) => /[1-9a-f]/.test(id))
  fc.assert(
    fc.property(number, fc.oneof(session, fc.constant('')), (salt, session) => {
      expect(decodeHeader(encodeHeader({ salt, session }))).toEqual({ salt, session })
    }),
  )
})

test('a record comes back, from any place in a journal', () => {
  fc.assert(
    fc.property(record, number, fc.nat({ max: 9 }), bytes, (record, salt, place, behind) => {
      const encoded = encodeRecord(record, salt)
      const journal = Buffer.concat([Buffer.alloc(8 * place), encoded, behind])
      const decoded = decodeRecord(journal, 8 * place, salt)
      expect(plain(decoded)).toEqual(plain({ record, next: 8 * place + encoded.length }))
      expect(encoded.length % 8).toBe(0)
    }),
  )
})

test('a record is none under another salt, or a bit later', () => {
  fc.assert(
    fc.property(record, number, number, (record, salt, other) => {
      const encoded = encodeRecord(record, salt)
      if (other !== salt) expect(decodeRecord(encoded, 0, other)).toBeUndefined()
      expect(decodeRecord(Buffer.concat([Buffer.alloc(1), encoded]), 0, salt)).toBeUndefined()
    }),
  )
})

interface RecordEnd {
  /** Where its last byte is, and where the padding behind it ends. */
  readonly whole: number
  readonly end: number
  readonly revision: number
}

/** A journal of three groups, as a process wrote it, and where its records end. */
async function writeJournal(): Promise<{ journal: Buffer; ends: RecordEnd[] }> {
  const process = await makeMachine().start().open()
  await process.set('first', 'one')
  await Promise.all([process.set('second', 'two'), process.commit({ third: 'three', first: undefined })])
  await process.set('large', Buffer.alloc(70_000, 1))
  const line = process.disk.log.find((call) => call.startsWith('openFile'))
  const journal = readFileSync(line?.split(' ')[1] as string)
  await process.close()
  const { salt } = decodeHeader(journal) as { salt: number }
  const ends: RecordEnd[] = []
  for (let offset = HEADER_BYTES; ; offset = ends.at(-1)?.end ?? 0) {
    const found = decodeRecord(journal, offset, salt)
    if (found === undefined) return { journal, ends }
    const { record } = found
    const last = record.kind === 'mark' ? record.revision : record.revision + record.commits.length - 1
    ends.push({ whole: offset + journal.readUInt32LE(offset + 8), end: found.next, revision: last })
  }
}

/** What a journal holds; `CORRUPT_JOURNAL` where it says that it is damaged. Every other error fails the test. */
function tryParse(journal: Uint8Array, completeTo?: number): JournalContents | 'CORRUPT_JOURNAL' | undefined {
  try {
    return parseJournal(journal, 'journal', completeTo)
  } catch (error) {
    if (error instanceof StorageError && error.code === 'CORRUPT_JOURNAL') return error.code
    throw error
  }
}

test('a journal cut off at any byte holds the commits before the cut, and none other', async () => {
  const { journal, ends } = await writeJournal()
  expect(ends.map(({ revision }) => revision)).toEqual([0, 1, 3, 4])
  const all = parseJournal(journal, 'journal') as JournalContents
  for (let length = 0; length <= (ends.at(-1)?.end ?? 0) + 16; length += 1) {
    const found = tryParse(journal.subarray(0, length))
    if (length < HEADER_BYTES) {
      expect(found).toBeUndefined()
      continue
    }
    const last = ends.findLast(({ whole }) => whole <= length)?.revision ?? 0
    expect(found, `cut at ${length}`).toMatchObject({
      revision: last,
      changes: all.changes.filter((change) => change.revision <= last),
    })
  }
})

test('a journal in which any byte is another holds the commits before it, or says that it is damaged', async () => {
  const { journal, ends } = await writeJournal()
  const all = parseJournal(journal, 'journal') as JournalContents
  const end = ends.at(-1)?.end ?? 0
  const lastStart = ends.at(-2)?.end ?? 0
  for (let offset = 0; offset < end + 64; offset += 1) {
    for (const flip of [0xff, 0x01]) {
      const damaged = Buffer.from(journal)
      damaged.writeUInt8(damaged.readUInt8(offset) ^ flip, offset)
      const found = tryParse(damaged)
      if (found === 'CORRUPT_JOURNAL') expect(offset, `at ${offset}`).toBeLessThan(lastStart)
      else if (found?.revision === all.revision) expect(found.changes, `at ${offset}`).toEqual(all.changes)
      else {
        expect(offset, `at ${offset}`).toBeGreaterThanOrEqual(lastStart)
        expect(found?.changes).toEqual(all.changes.filter((change) => change.revision < all.revision))
      }
    }
  }
})

test('a journal that is shorter, or more damaged, than its name says is damaged', async () => {
  const { journal, ends } = await writeJournal()
  for (const { end, revision } of ends.filter((record) => record.revision > 0)) {
    expect(tryParse(journal.subarray(0, end), revision)).toMatchObject({ revision })
    for (const missing of [16, 40, end - HEADER_BYTES, end - 10, end]) {
      expect(tryParse(journal.subarray(0, end - missing), revision), `${missing}`).toBe('CORRUPT_JOURNAL')
    }
    const torn = Buffer.from(journal)
    torn.fill(0, end - 16, end)
    expect(tryParse(torn, revision)).toBe('CORRUPT_JOURNAL')
  }
})

test('what a journal holds behind the revision in its name is no commit', async () => {
  const { journal, ends } = await writeJournal()
  for (const { revision } of ends.filter((record) => record.revision > 0)) {
    const found = parseJournal(journal, 'journal', revision) as JournalContents
    expect(found.revision).toBe(revision)
    expect(Math.max(...found.changes.map((change) => change.revision))).toBe(revision)
  }
})

test('zeros, and records of other journals, behind the end of a journal are none of its records', async () => {
  const [{ journal, ends }, other] = [await writeJournal(), await writeJournal()]
  const end = ends.at(-1)?.end ?? 0
  const whole = parseJournal(journal, 'journal')
  for (const behind of [
    Buffer.alloc(0),
    Buffer.alloc(10_000),
    other.journal,
    other.journal.subarray(HEADER_BYTES),
  ]) {
    expect(parseJournal(Buffer.concat([journal.subarray(0, end), behind]), 'journal')).toEqual(whole)
  }
})

test('of random bytes nothing is read', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
      const found = tryParse(noise)
      expect(found === undefined || found === 'CORRUPT_JOURNAL').toBe(true)
      const header = encodeHeader({ salt: 7, session: '' })
      expect(tryParse(Buffer.concat([header, noise]))).toMatchObject({ revision: 0, changes: [] })
    }),
  )
})
