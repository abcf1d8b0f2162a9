/** JSON with names that hold escapes: as it stands there, on every Node, and in linear time. */

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { valueLayer } from '../../lib/values/codec.js'
import { parseJson } from '../../lib/values/parse-json.js'

const PIECES = ['\\', '"', '\n', 'a', ':', '1', ' ', '\u0000', '\ud83d', 'u005c', '__proto__', 'é']
const name = fc.array(fc.constantFrom(...PIECES), { maxLength: 4 }).map((pieces) => pieces.join(''))
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof({ maxDepth: 4 }, name, fc.integer(), fc.array(tie('tree')), tie('branch')),
  branch: fc
    .array(fc.tuple(name, tie('tree')), { maxLength: 5 })
    .map((entries) => Object.fromEntries(entries) as object),
}))

test('a property got the name of another one, which JSON.parse had seen in its place', () => {
  for (const codec of ['json', 'object'] as const) {
    const roundTrip = (value: unknown): unknown =>
      valueLayer.decode(valueLayer.encode(value, codec) as Uint8Array, codec)
    for (const [first, second] of [
      ['x\\\\', 'x\\.'],
      ['\\', '\n'],
      ['\\', '"'],
    ] as const) {
      for (const name of [first, second]) {
        assert.deepStrictEqual(roundTrip({ a: 1, [name]: 1 }), { a: 1, [name]: 1 })
      }
    }
  }
})

test('what has any names is parsed as it was written, with white space or without', () => {
  fc.assert(
    fc.property(tree, fc.constantFrom(undefined, 1, '\t'), (value, space) => {
      assert.deepStrictEqual(parseJson(JSON.stringify(value, null, space)), value)
    }),
    { numRuns: 2_000 },
  )
})

test.each([
  '{"\\n":1,"a":2,"\\n":3}',
  '{"b\\"":1,"10":2,"9":3,"a":4}',
  '{"\\u0061":"\\u0062:\\\\","x":["\\"",": \\"y\\":"]}',
  '["\\n" , {"\\t" : {"":":"}}]',
])('%s is what it is without escaped names', (text) => {
  const value = parseJson(text)
  assert.deepStrictEqual(value, JSON.parse(text))
  expect(JSON.stringify(value)).toBe(JSON.stringify(JSON.parse(text)))
})

test.each(['{"\\n":1', '{"\\n":1,}', '{"a\n":1}', '{"\\x":1}', '"\\n":1'])('%j is refused', (text) => {
  expect(() => parseJson(text)).toThrow(SyntaxError)
})

test('names are checked as they are, escaped or not', () => {
  for (const text of ['{"a":{"bad":1}}', '{"a\\n":[{"b\\u0061d":1}]}']) {
    const refuse = (found: string): void => {
      if (found === 'bad') throw new RangeError('refused')
    }
    expect(() => parseJson(text, refuse)).toThrow(RangeError)
    expect(() => parseJson(text, () => undefined)).not.toThrow()
  }
})

test('texts of megabytes with many escapes take no stack, and no time that grows with their square', () => {
  const long = '"\\\n'.repeat(2_000_000)
  const value = { long, 'a\n': [long] }
  assert.deepStrictEqual(parseJson(JSON.stringify(value)), value)
  assert.deepStrictEqual(parseJson(JSON.stringify([long, long])), [long, long])
}, 60_000)
