/** What bytes mean: nothing that goes in comes back as something else, and what cannot come back is refused. */

import assert from 'node:assert/strict'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { StorageError } from '../../lib/base/errors.js'
import type { Codec, CodecLike } from '../../lib/store/codec.js'
import { valueLayer } from '../../lib/values/codec.js'

const { decode } = valueLayer

/** Without a schema it is done at once. */
function encode(value: unknown, codec?: CodecLike): Uint8Array {
  return valueLayer.encode(value, codec) as Uint8Array
}

const LONE_SURROGATE = '\ud800'

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
}

function jsonOf(value: unknown): string {
  return textOf(encode(value, 'json'))
}

function errorOf(call: () => unknown): StorageError {
  try {
    call()
  } catch (error) {
    expect(error).toBeInstanceOf(StorageError)
    return error as StorageError
  }
  throw new Error('The call did not throw.')
}

/** The message with which a value is refused. */
function refusal(value: unknown, codec?: CodecLike): string {
  const error = errorOf(() => encode(value, codec))
  expect(error).toMatchObject({ code: 'INVALID_VALUE', kind: 'usage', outcome: 'none' })
  expect(error.message).toMatch(/^[A-Z][^\n]*\.$/)
  return error.message
}

/** Bytes that were sent to another thread, and so are gone from here. */
function transferredBytes(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4)
  structuredClone(bytes, { transfer: [bytes.buffer] })
  return bytes
}

/** What JSON should give back, where it holds the value: undefined properties left out, and no minus before zero. */
function withoutUndefined(value: unknown): unknown {
  if (value === 0) return 0
  if (Array.isArray(value)) return value.map(withoutUndefined)
  if (typeof value !== 'object' || value === null) return value
  if (Object.prototype.toString.call(value) !== '[object Object]') return value
  const defined = Object.entries(value).filter(([, property]) => property !== undefined)
  return Object.fromEntries(defined.map(([key, property]) => [key, withoutUndefined(property)]))
}

/** Whether JSON gives a value back as it was. */
function survivesJson(value: unknown): boolean {
  try {
    assert.deepStrictEqual(JSON.parse(JSON.stringify(value)), withoutUndefined(value))
    return true
  } catch {
    return false
  }
}

function circle(): object {
  const parent = { children: [{}, {}] }
  parent.children.push({ parent })
  return { family: parent }
}

describe('without a codec', () => {
  test.each([
    ['a Uint8Array', Uint8Array.of(0, 255, 7)],
    ['a Buffer', Buffer.from([0, 255, 7])],
    ['a part of a larger buffer', Uint8Array.of(1, 0, 255, 7, 1).subarray(1, 4)],
    ['an ArrayBuffer', Uint8Array.of(0, 255, 7).buffer],
    ['bytes of another realm', runInNewContext('Uint8Array.of(0, 255, 7)')],
    ['an ArrayBuffer of another realm', runInNewContext('Uint8Array.of(0, 255, 7).buffer')],
  ])('%s is stored as its bytes', (_, value) => {
    const bytes = encode(value, undefined)
    expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype)
    expect([...bytes]).toEqual([0, 255, 7])
  })

  test('a SharedArrayBuffer is stored as its bytes, in memory that is not shared', () => {
    const shared = new SharedArrayBuffer(2)
    new Uint8Array(shared).set([1, 2])
    const bytes = encode(shared, undefined)
    expect([...bytes]).toEqual([1, 2])
    expect(bytes.buffer).toBeInstanceOf(ArrayBuffer)
  })

  test('no bytes, and an empty string, are an empty value', () => {
    for (const value of [new Uint8Array(), new ArrayBuffer(0), Buffer.alloc(0), '']) {
      expect(encode(value, undefined)).toEqual(new Uint8Array())
    }
  })

  test('a string is stored as UTF-8, with its byte order mark', () => {
    expect(encode('\ufeffé漢😀', undefined)).toEqual(utf8('\ufeffé漢😀'))
  })

  test('anything else is stored as JSON', () => {
    for (const value of [42, true, null, [1, 'a'], { a: { b: [] } }, new Date(0)]) {
      expect(textOf(encode(value, undefined))).toBe(JSON.stringify(value))
    }
  })

  test('half of a surrogate pair is refused, since it would not come back', () => {
    expect(refusal(`ab${LONE_SURROGATE}c`)).toContain('index 2')
  })

  test('bytes whose buffer was transferred are refused, not stored as none', () => {
    expect(refusal(transferredBytes())).toContain('transferred')
    expect(refusal(transferredBytes().buffer)).toContain('transferred')
  })

  test.each([
    ['DataView', new DataView(new ArrayBuffer(2))],
    ['Float64Array', Float64Array.of(1)],
    ['Uint8ClampedArray', new Uint8ClampedArray(1)],
  ])('a %s is refused, since it does not say which bytes it means', (name, value) => {
    expect(refusal(value)).toContain(`is a ${name}`)
  })
})

describe('a value is copied', () => {
  const buffer = Buffer.from('abc')
  const shared = new Uint8Array(new SharedArrayBuffer(3))

  test.each([
    ['a Uint8Array', utf8('abc'), undefined],
    ['a Buffer', buffer, 'bytes' as const],
    ['an ArrayBuffer', utf8('abc').buffer, undefined],
    ['a view of shared memory', shared, 'bytes' as const],
    ['what a codec returns', buffer, { encode: () => buffer, decode: () => buffer }],
  ])('%s that changes later changes nothing', (_, value: Uint8Array | ArrayBufferLike, codec) => {
    const view = ArrayBuffer.isView(value) ? value : new Uint8Array(value)
    view.set(utf8('abc'))
    const bytes = encode(value, codec)
    view.fill(0)
    expect(textOf(bytes)).toBe('abc')
    expect(bytes.buffer.byteLength).toBe(3)
  })
})

describe("the codec 'bytes'", () => {
  test('takes bytes and gives them back', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(decode(encode(bytes, 'bytes'), 'bytes')).toEqual(bytes)
      }),
    )
  })

  test.each([
    ['a string', 'abc', 'got a value of type string'],
    ['a number', 1, 'got a value of type number'],
    ['an array of numbers', [1, 2], 'got an object of type Array'],
    ['a DataView', new DataView(new ArrayBuffer(1)), 'got an object of type DataView'],
    ['a wider array', new Uint16Array(1), 'got an object of type Uint16Array'],
    ['null', null, 'got null'],
    ['undefined', undefined, 'got undefined'],
  ])('refuses %s', (_, value, words) => {
    expect(refusal(value, 'bytes')).toContain(words)
  })
})

describe("the codec 'text'", () => {
  test('takes every well-formed string and gives it back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(decode(encode(text, 'text'), 'text')).toBe(text)
      }),
    )
  })

  test('keeps a byte order mark', () => {
    expect(decode(encode('\ufeffa', 'text'), 'text')).toBe('\ufeffa')
  })

  test('refuses what is no string, and half of a surrogate pair', () => {
    expect(refusal(utf8('a'), 'text')).toContain('Uint8Array')
    expect(refusal(1, 'text')).toContain('number')
    expect(refusal(`${LONE_SURROGATE}a`, 'text')).toContain('index 0')
  })

  test('throws on bytes that are not UTF-8, and works on afterwards', () => {
    for (const bytes of [Uint8Array.of(0xff), Uint8Array.of(0xe6, 0xbc), utf8('a😀').subarray(0, 3)]) {
      expect(() => decode(bytes, 'text')).toThrow(TypeError)
    }
    expect(decode(utf8('漢'), 'text')).toBe('漢')
  })
})

describe("the codec 'json'", () => {
  test('writes what JSON.stringify writes, and reads it back', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false, maxDepth: 5 }), (value) => {
        const bytes = encode(value, 'json')
        assert.equal(textOf(bytes), JSON.stringify(value))
        assert.deepStrictEqual(decode(bytes, 'json'), JSON.parse(JSON.stringify(value)))
      }),
    )
  })

  test('refuses exactly the values that would not come back', () => {
    const anything = fc.anything({
      withBigInt: true,
      withMap: true,
      withSet: true,
      withSparseArray: true,
      withTypedArray: true,
      withObjectString: true,
    })
    fc.assert(
      fc.property(anything, (value) => {
        if (survivesJson(value)) assert.equal(jsonOf(value), JSON.stringify(value))
        else refusal(value, 'json')
      }),
      { numRuns: 1_000 },
    )
  })

  test('puts a string in quotes', () => {
    expect(jsonOf('a"b')).toBe('"a\\"b"')
    expect(decode(encode('', 'json'), 'json')).toBe('')
  })

  test('escapes half of a surrogate pair, which comes back', () => {
    const value = { [LONE_SURROGATE]: [`a${LONE_SURROGATE}`] }
    expect(decode(encode(value, 'json'), 'json')).toEqual(value)
    expect(decode(encode(LONE_SURROGATE, 'json'), 'json')).toBe(LONE_SURROGATE)
  })

  test('leaves undefined properties out, and asks toJSON, as JSON.stringify does', () => {
    const url = new URL('https://example.org/')
    const price = { currency: 'EUR', toJSON: (key: string) => `price of ${key}` }
    expect(jsonOf({ a: undefined, b: 1 })).toBe('{"b":1}')
    expect(jsonOf({ at: new Date(0), url, tea: price })).toBe(
      '{"at":"1970-01-01T00:00:00.000Z","url":"https://example.org/","tea":"price of tea"}',
    )
    expect(jsonOf({ gone: { toJSON: () => undefined } })).toBe('{}')
  })

  test('takes what a getter gives', () => {
    expect(
      jsonOf({
        get now() {
          return { time: 1 }
        },
      }),
    ).toBe('{"now":{"time":1}}')
  })

  test('takes objects of a class, of another realm, without a prototype, and one object twice', () => {
    class Point {
      x = 1
      readonly [Symbol.toStringTag] = 'Point'
    }
    const point = new Point()
    expect(jsonOf([point, point])).toBe('[{"x":1},{"x":1}]')
    expect(jsonOf(runInNewContext('({ a: [1, {}] })'))).toBe('{"a":[1,{}]}')
    expect(jsonOf(Object.assign(Object.create(null), { ['__proto__']: 1 }))).toBe('{"__proto__":1}')
    expect(jsonOf([Object(true), Object(1), Object('a'), Object('')])).toBe('[true,1,"a",""]')
  })

  test('reads JSON behind a byte order mark that an editor wrote', () => {
    expect(decode(utf8('\ufeff{"a":1}\n'), 'json')).toEqual({ a: 1 })
  })

  test('throws on bytes that are not UTF-8, and on text that is not JSON', () => {
    expect(() => decode(Uint8Array.of(0x22, 0xff, 0x22), 'json')).toThrow(TypeError)
    expect(() => decode(utf8('{"a":'), 'json')).toThrow(SyntaxError)
    expect(() => decode(new Uint8Array(), 'json')).toThrow(SyntaxError)
  })
})

describe('JSON refuses what it would lose, says where and what to do', () => {
  test.each<[string, unknown, string]>([
    ['undefined', undefined, 'is undefined'],
    ['a function', () => 1, 'is a function'],
    ['a symbol', Symbol('a'), 'is a symbol'],
    ['a bigint', 1n, 'store it as a string'],
    ['NaN', Number.NaN, 'is NaN'],
    ['Infinity', Number.NEGATIVE_INFINITY, 'is -Infinity'],
    ['a boxed NaN', Object(Number.NaN), 'is NaN'],
    ['a boxed bigint', Object(1n), 'store it as a string'],
    ['a Map', new Map([[1, 2]]), 'store an array of its entries'],
    ['a Map with a property', Object.assign(new Map(), { a: 1 }), 'store an array of its entries'],
    ['a Set', new Set(), 'store an array of its items'],
    ['a Map of another realm', runInNewContext('new Map()'), 'store an array of its entries'],
    ['a promise', Promise.resolve(), 'await it'],
    ['a regular expression', /a/, 'store its source'],
    ['an error', new Error('a'), 'store its name'],
    ['an error with a code', Object.assign(new Error('a'), { code: 'A' }), 'store its name'],
    ['a WeakMap', new WeakMap(), 'is of type WeakMap'],
    ['search parameters', new URLSearchParams('a=1'), 'is of type URLSearchParams'],
  ])('%s', (_, value, words) => {
    for (const codec of [undefined, 'json'] as const) {
      expect(refusal(value, codec)).toMatch(/^The value is /)
      expect(refusal(value, codec)).toContain(words)
      expect(refusal({ a: [value] }, codec)).toMatch(/^The value at \$\.a\[0\] is /)
    }
  })

  test.each<[string, unknown]>([
    ['a Uint8Array', new Uint8Array(1)],
    ['a Buffer', Buffer.from('a')],
    ['a Float32Array', new Float32Array(1)],
    ['a DataView', new DataView(new ArrayBuffer(1))],
    ['an ArrayBuffer', new ArrayBuffer(1)],
    ['a SharedArrayBuffer', new SharedArrayBuffer(1)],
  ])('%s, bare or nested', (_, value) => {
    expect(refusal(value, 'json')).toContain('under a key of its own')
    expect(refusal({ icon: value })).toMatch(/^The value at \$\.icon is .* under a key of its own/)
  })

  test.each<[string, unknown, string]>([
    ['in an object in an array', { users: [{}, {}, { age: Number.NaN }] }, '$.users[2].age is NaN'],
    [
      'undefined in an array',
      { list: [1, undefined] },
      '$.list[1] is undefined, which JSON would turn into null',
    ],
    // biome-ignore lint/suspicious/noSparseArray: a hole is what is tested
    ['a hole in an array', [1, , 2], '$[1] is undefined'],
    ['under an odd name', { 'a b': { '': { "it's": 1n } } }, '$["a b"][""]["it\'s"] is a bigint'],
    ['under a name that is no ASCII', { größe: { $1: Symbol.iterator } }, '$.größe.$1 is a symbol'],
    ['what toJSON gives', [{ toJSON: () => ({ left: [1n] }) }], '$[0].left[0] is a bigint'],
    ['the first of two', { a: { ok: 1 }, b: () => 1, c: 1n }, '$.b is a function'],
    ['in an object that stands twice', ((one) => [one, one])({ a: 1n }), '$[0].a is a bigint'],
    ['a circle', circle(), '$.family.children[2].parent is an object that holds itself'],
  ])('%s', (_, value, words) => {
    expect(refusal(value)).toContain(`The value at ${words}`)
  })

  test('a toJSON or getter that throws, with what it threw as the cause', () => {
    const cause = new RangeError('no')
    const thrower = {
      toJSON() {
        throw cause
      },
    }
    const getter = {
      get name() {
        throw cause
      },
    }
    for (const [value, subject] of [
      [thrower, 'The value has'],
      [{ a: { x: 1 }, b: [0, thrower] }, 'The value at $.b[1] has'],
      [{ a: { x: 1 }, b: getter }, 'The value at $.b.name has'],
    ] as const) {
      expect(refusal(value)).toContain(subject)
      expect(errorOf(() => encode(value, 'json')).cause).toBe(cause)
    }
  })

  test('a toJSON that gives undefined where it is the whole value', () => {
    expect(refusal({ toJSON: () => undefined })).toContain('toJSON')
  })

  test('a toJSON that refuses only once: the message does without the place', () => {
    let calls = 0
    const value = {
      toJSON() {
        calls += 1
        if (calls === 1) throw new Error('not yet')
        return 1
      },
    }
    expect(refusal({ value })).toContain('see the cause')
  })

  test('nesting that is deeper than the stack', () => {
    let value: unknown = []
    for (let depth = 0; depth < 200_000; depth += 1) value = [value]
    expect(refusal(value)).toContain('too deep')
  })

  test('a proxy that throws', () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    expect(refusal({ proxy }, 'json')).toContain('see the cause')
  })

  test('the cause of a plain loss is not told, since there is none', () => {
    expect(errorOf(() => encode(Number.NaN, 'json')).cause).toBeUndefined()
  })
})

describe('a codec of the caller', () => {
  const hex: Codec<string> = {
    encode: (text) => Buffer.from(text, 'hex'),
    decode: (bytes) => Buffer.from(bytes).toString('hex'),
  }

  test('encodes and decodes, as a method of its object', () => {
    const codec = {
      key: 7,
      encode(value: number) {
        return Uint8Array.of(value ^ this.key)
      },
      decode([byte = 0]: Uint8Array) {
        return byte ^ this.key
      },
    }
    expect(decode(encode('00ff', hex), hex)).toBe('00ff')
    expect(decode(encode(1, codec as Codec<unknown>), codec as Codec<unknown>)).toBe(1)
  })

  test('that throws is refused, with what it threw as the cause', () => {
    const cause = new Error('not mine')
    const codec: Codec<unknown> = {
      encode() {
        throw cause
      },
      decode: (bytes) => bytes,
    }
    expect(refusal(1, codec)).toContain('codec')
    expect(errorOf(() => encode(1, codec)).cause).toBe(cause)
  })

  test('may throw an error of this library, which is passed on', () => {
    const error = new StorageError('VALIDATION_FAILED', 'No.')
    const codec: Codec<unknown> = {
      encode() {
        throw error
      },
      decode: (bytes) => bytes,
    }
    expect(errorOf(() => encode(1, codec))).toBe(error)
  })

  test.each([
    ['a string', 'a', 'string'],
    ['nothing', undefined, 'undefined'],
    ['an ArrayBuffer', new ArrayBuffer(1), 'ArrayBuffer'],
    ['a promise of bytes', Promise.resolve(new Uint8Array()), 'Promise'],
  ])('that returns %s is refused', (_, result, words) => {
    const codec = { encode: () => result as never, decode: (bytes: Uint8Array) => bytes }
    expect(refusal(1, codec)).toContain(words)
  })

  test('that throws on decoding throws as it is, for the scope to wrap', () => {
    const cause = new Error('not mine')
    const codec: Codec<unknown> = {
      encode: () => new Uint8Array(),
      decode() {
        throw cause
      },
    }
    expect(() => decode(new Uint8Array(), codec)).toThrow(cause)
  })
})

describe('a codec that is none', () => {
  test.each([
    ['an unknown name', 'jsno', '"jsno"'],
    ['the name of an object property', 'toString', '"toString"'],
    ['null', null, 'null'],
    ['a number', 1, 'number'],
    ['an object without encode', { decode: () => 1 }, 'Object'],
    ['an object without decode', { encode: () => new Uint8Array() }, 'Object'],
  ])('is refused both ways: %s', (_, codec, words) => {
    for (const call of [() => encode(1, codec as never), () => decode(new Uint8Array(), codec as never)]) {
      const error = errorOf(call)
      expect(error).toMatchObject({ code: 'INVALID_OPTION', kind: 'usage' })
      expect(error.message).toContain(words)
    }
  })
})
