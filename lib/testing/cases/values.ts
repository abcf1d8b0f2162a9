/** What can be a value, and that it comes back byte for byte. */

import assert from 'node:assert/strict'
import { equalBytes, rejectsWith } from '../assertions.js'
import type { Cases } from '../harness.js'

/** Bytes without a pattern that a wrong offset would keep. */
function mixedBytes(length: number, seed = 1): Uint8Array {
  let state = seed
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return state >>> 24
  })
}

function circle(): object {
  const circular: Record<string, unknown> = {}
  circular.self = circular
  return circular
}

/** Written without a codec. */
const ACCEPTED: readonly (readonly [value: unknown, bytes: Uint8Array | string])[] = [
  [Uint8Array.of(0, 127, 128, 255), Uint8Array.of(0, 127, 128, 255)],
  [Buffer.from('buffer'), 'buffer'],
  [mixedBytes(100).subarray(10, 20), mixedBytes(100).slice(10, 20)],
  [Uint8Array.of(1, 2).buffer, Uint8Array.of(1, 2)],
  ['text, é, 漢, 😀, \ufeff, \0', 'text, é, 漢, 😀, \ufeff, \0'],
  [42, '42'],
  [true, 'true'],
  [null, 'null'],
  [['a', 1], '["a",1]'],
  [{ a: { b: null }, left: undefined }, '{"a":{"b":null}}'],
  [new Date(0), '"1970-01-01T00:00:00.000Z"'],
]

/** Refused without a codec. */
const REFUSED: readonly unknown[] = [
  ...[undefined, () => 1, Symbol('a'), 1n, Number.NaN, Number.POSITIVE_INFINITY, '\ud800'],
  ...[{ a: 1n }, { a: Number.NaN }, { a: () => 1 }, [undefined], circle()],
  ...[new Map(), new Set(), { a: new Map([[1, 2]]) }, [new Set([1])], { a: new Uint8Array(1) }],
  ...[new DataView(new ArrayBuffer(1)), Float64Array.of(1), Promise.resolve('unawaited')],
]

/** What values may be. */
export const valueCases: Cases = {
  'bytes are kept as they are, strings as UTF-8, anything else as JSON': async ({ scope }) => {
    for (const [value, bytes] of ACCEPTED) {
      await scope.set('key', value)
      equalBytes(await scope.get('key'), bytes)
    }
  },

  'what cannot come back is refused, and the earlier value stays': async ({ scope }) => {
    await scope.set('key', 'earlier')
    for (const value of REFUSED) {
      const error = await rejectsWith('INVALID_VALUE', () => scope.set('key', value))
      assert.equal(error.outcome, 'none')
    }
    equalBytes(await scope.get('key'), 'earlier')
  },

  'bytes that the caller changes after the call change nothing': async ({ scope }) => {
    const bytes = Buffer.from('before')
    const shared = new Uint8Array(new SharedArrayBuffer(3)).fill(7)
    const writes = [scope.set('bytes', bytes), scope.set('buffer', shared.buffer)]
    bytes.fill('x')
    shared.fill(0)
    await Promise.all(writes)
    equalBytes(await scope.get('bytes'), 'before')
    equalBytes(await scope.get('buffer'), Uint8Array.of(7, 7, 7))
  },

  'bytes that were read belong to the reader': async ({ scope }) => {
    await scope.set('key', 'value')
    for (const read of [() => scope.get('key'), async () => (await scope.entry('key'))?.value]) {
      const bytes = (await read()) as Uint8Array
      bytes.fill(0)
      equalBytes(await read(), 'value')
    }
  },

  'no bytes are a value too': async ({ scope }) => {
    for (const value of [new Uint8Array(), '']) {
      await scope.set('key', value)
      equalBytes(await scope.get('key'), '')
      equalBytes(await scope.find('key'), '')
      assert.equal(await scope.has('key'), true)
      assert.equal((await scope.entry('key'))?.size, 0)
      assert.deepEqual(await scope.keys(), ['key'])
      assert.equal(await scope.delete('key'), true)
      assert.equal(await scope.delete('key'), false)
    }
  },

  'large values come back whole, whichever size they replace': async ({ scope }) => {
    const sizes = [1_048_576, 1, 71_680, 65_535, 65_536, 65_537, 0, 1_048_577, 100]
    for (const [seed, size] of sizes.entries()) {
      const bytes = mixedBytes(size, seed)
      await scope.set('key', bytes)
      equalBytes(await scope.get('key'), bytes)
      assert.equal((await scope.entry('key'))?.size, size)
    }
  },

  'a large value belongs to the store once the call has returned': async ({ scope }) => {
    const bytes = mixedBytes(300_000)
    const write = scope.set('key', bytes)
    bytes.fill(0)
    await write
    equalBytes(await scope.get('key'), mixedBytes(300_000))
  },

  'a codec says what may be written and what is read': async ({ scope }) => {
    await scope.set('text', 'é', { codec: 'text' })
    await scope.set('json', 'é', { codec: 'json' })
    await scope.set('bytes', Uint8Array.of(195, 169), { codec: 'bytes' })
    equalBytes(await scope.get('json'), '"é"')
    assert.equal(await scope.get('text', 'text'), 'é')
    assert.equal(await scope.find('bytes', 'text'), 'é')
    assert.equal((await scope.entry('json', 'json'))?.value, 'é')
    await rejectsWith('INVALID_VALUE', () => scope.set('text', 1, { codec: 'text' }))
    await rejectsWith('INVALID_VALUE', () => scope.set('bytes', 'é', { codec: 'bytes' }))
    assert.deepEqual(await scope.keys(), ['bytes', 'json', 'text'])
  },

  "a codec of the caller's is used": async ({ scope }) => {
    const reversed = {
      encode: (text: string) => Buffer.from([...text].reverse().join('')),
      decode: (bytes: Uint8Array) => [...Buffer.from(bytes).toString()].reverse().join(''),
    }
    await scope.set('key', 'abc', { codec: reversed })
    equalBytes(await scope.get('key'), 'cba')
    assert.equal(await scope.get('key', reversed), 'abc')
  },

  'a codec that does not exist is refused, both ways': async ({ scope }) => {
    await scope.set('key', 'value')
    const codec = 'jsno' as 'json'
    await rejectsWith('INVALID_OPTION', () => scope.set('key', 'other', { codec }))
    await rejectsWith('INVALID_OPTION', () => scope.get('key', codec))
    equalBytes(await scope.get('key'), 'value')
  },

  'a value that does not decode rejects, with the cause, and stays': async ({ scope }) => {
    await scope.set('key', '{"a":')
    for (const call of [
      () => scope.get('key', 'json'),
      () => scope.find('key', 'json'),
      () => scope.entry('key', 'json'),
      () => scope.entries({ codec: 'json' }).next(),
    ]) {
      const error = await rejectsWith('DECODE_FAILED', call, { key: 'key', scope: scope.id })
      assert.equal(error.kind, 'value')
      assert.ok(error.cause instanceof SyntaxError)
    }
    equalBytes(await scope.get('key'), '{"a":')
  },
}
