/** The codec 'object': what JSON cannot hold comes back as it went, and no file can reach a prototype. */

import assert from 'node:assert/strict'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { SuperJSON } from 'superjson'
import { describe, expect, test } from 'vitest'
import { StorageError } from '../../lib/base/errors.js'
import type { Codec } from '../../lib/store/codec.js'
import { valueLayer } from '../../lib/values/codec.js'
import { objectCodec } from '../../lib/values/object.js'

class UserProfile {
  readonly name: string
  readonly joined: Date
  friends = new Set<string>()
  constructor(name: string, joined = new Date(0)) {
    this.name = name
    this.joined = joined
  }
  greeting(): string {
    return `Hello, ${this.name}!`
  }
}

const profiles = objectCodec<unknown>({ classes: [UserProfile] })
const encode = (value: unknown, codec: Codec<unknown> | 'object' = 'object'): Uint8Array =>
  valueLayer.encode(value, codec) as Uint8Array
const decode = (bytes: Uint8Array, codec: Codec<unknown> | 'object' = 'object'): unknown =>
  valueLayer.decode(bytes, codec)
const textOf = (value: unknown, codec?: Codec<unknown>): string =>
  new TextDecoder().decode(encode(value, codec))
const read = (text: string, codec?: Codec<unknown>): unknown => decode(new TextEncoder().encode(text), codec)
const roundTrip = (value: unknown, codec?: Codec<unknown>): unknown => decode(encode(value, codec), codec)

/** The message with which a value is refused. */
function refusal(value: unknown, codec?: Codec<unknown>): string {
  try {
    encode(value, codec)
  } catch (error) {
    expect(error).toMatchObject({ code: 'INVALID_VALUE', outcome: 'none' })
    return (error as StorageError).message
  }
  throw new Error('The value was not refused.')
}

describe('what goes in comes back', () => {
  test.each<[string, unknown]>([
    [
      'a Map',
      new Map<unknown, unknown>([
        ['a', new Map([[1, new Date(1)]])],
        [{ k: 1n }, undefined],
      ]),
    ],
    ['a Set', new Set([1n, new Set([undefined, null]), new Date(5), 'a'])],
    ['a Date', { at: [new Date(-1), new Date(8.64e15)] }],
    ['a bigint', [0n, -(2n ** 100n)]],
    ['a regular expression', [/a\/b/giu, /(?:)/]],
    ['a URL', new URL('https://example.org/?q=1#a')],
    ['a Uint8Array', { icon: Uint8Array.of(0, 255) }],
    ['other typed arrays', [new Float64Array([1.5, -1e300]), Int16Array.of(-1), new Uint8ClampedArray(2)]],
    ['undefined', { a: undefined, b: [undefined] }],
    ['odd numbers', [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0]],
    ['text that JSON escapes', ['\ud800', '\u2028"\\', '']],
    [
      'odd names',
      { '': { '': new Date(1) }, 'a.b': { 'c\\.d': 1n, '\\': 2n, 'e\\\\': 3n }, '0': [4n], toString: 5n },
    ],
    ['null, true, a number, a text', [null, true, 1.5, 'a']],
    ['an empty object', {}],
  ])('%s', (_, value) => {
    assert.deepStrictEqual(roundTrip(value), value)
    assert.deepStrictEqual(roundTrip([value, { value }]), [value, { value }])
  })

  test('anything made of these', () => {
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withObjectString: true,
      maxDepth: 5,
    })
    const told = { taken: 0, refused: 0 }
    fc.assert(
      fc.property(anything, (value) => {
        let bytes: Uint8Array
        try {
          bytes = encode(value)
        } catch (error) {
          assert.ok(error instanceof StorageError && error.code === 'INVALID_VALUE')
          told.refused += 1
          return
        }
        assert.deepStrictEqual(decode(bytes), value)
        told.taken += 1
      }),
      { numRuns: 3_000 },
    )
    expect(told.taken).toBeGreaterThan(told.refused)
  })

  test('an error, with name, message and cause', () => {
    const error = Object.assign(new Error('no', { cause: new Error('why') }))
    const found = roundTrip({ error }) as { error: Error }
    expect(found.error).toBeInstanceOf(Error)
    expect(found.error).toMatchObject({ name: 'Error', message: 'no', cause: { message: 'why' } })
  })

  test('values of another realm, and a Buffer, as such of this realm', () => {
    const foreign = runInNewContext(
      '({ m: new Map([[1, new Set([2n])]]), d: new Date(3), r: /a/g, u: Uint8Array.of(4) })',
    )
    const here = { m: new Map([[1, new Set([2n])]]), d: new Date(3), r: /a/g, u: Uint8Array.of(4) }
    assert.deepStrictEqual(roundTrip(foreign), here)
    assert.deepStrictEqual(roundTrip([Buffer.from([1, 2])]), [Uint8Array.of(1, 2)])
  })
})

test('on disk it is one line of JSON, which any superjson reads', () => {
  expect(textOf({ n: 1, at: new Date(0), tags: new Set(['a']) })).toBe(
    '{"json":{"n":1,"at":"1970-01-01T00:00:00.000Z","tags":["a"]},"meta":{"values":{"at":["Date"],"tags":["set"]},"v":1}}',
  )
  expect(textOf({ n: 1 })).toBe('{"json":{"n":1}}')
  const value = new Map([[1n, new Date(2)]])
  expect(new SuperJSON().parse(textOf(value))).toEqual(value)
  expect(read(`\ufeff${new SuperJSON().stringify(value)}\n`)).toEqual(value)
})

test('numbers that are equal to themselves or not, and stand twice, are not confused', () => {
  const value = [Number.NaN, new Map([[Number.NaN, 1]]), new Set([Number.NaN, 1]), 2n, new Map([[2n, 2n]])]
  const found = roundTrip(value) as unknown[]
  assert.deepStrictEqual(found, value)
  expect([...(found[2] as Set<number>)]).toEqual([Number.NaN, 1])
})

describe('what stands twice', () => {
  /** Whether two values have the same form, each object standing in the same places in both. */
  function isAlike(left: unknown, right: unknown, pairs = new Map<unknown, unknown>()): boolean {
    if (typeof left !== 'object' || left === null) return Object.is(left, right)
    if (pairs.has(left)) return pairs.get(left) === right
    if ([...pairs.values()].includes(right)) return false
    pairs.set(left, right)
    const [ones, others] = [left, right].map((value) =>
      value instanceof Map ? [...value] : Object.entries(value as object),
    ) as [[string, unknown][], [string, unknown][]]
    return (
      Object.getPrototypeOf(left) === Object.getPrototypeOf(right) &&
      ones.length === others.length &&
      ones.every(
        ([name, value], index) => name === others[index]?.[0] && isAlike(value, others[index]?.[1], pairs),
      )
    )
  }

  test('comes back as one in plain objects, arrays and values of a Map, with any names, in circles too', () => {
    const edge = fc.record({
      from: fc.nat(7),
      to: fc.nat(9),
      name: fc.constantFrom('', 'a', '.', 'a.b', '\\', '\\\\.', '0', '1', 'toString'),
    })
    const kinds = fc.array(fc.constantFrom('object', 'array', 'map'), { minLength: 8, maxLength: 8 })
    fc.assert(
      fc.property(kinds, fc.array(edge, { maxLength: 30 }), (kindsOfNodes, edges) => {
        const makers = { object: () => ({}), array: () => [], map: () => new Map() }
        const nodes: unknown[] = kindsOfNodes.map((kind) => makers[kind as 'map']())
        nodes.push(new Date(1), new UserProfile('Ann'))
        for (const { from, to, name } of edges) {
          const node = nodes[from] as Record<string, unknown> | unknown[] | Map<string, unknown>
          if (node instanceof Map) node.set(name, nodes[to])
          else if (Array.isArray(node)) node.push(nodes[to])
          else node[name] = nodes[to]
        }
        assert.ok(isAlike(nodes[0], roundTrip(nodes[0], profiles)))
        assert.ok(isAlike(nodes, roundTrip(nodes, profiles)))
      }),
      { numRuns: 1_000 },
    )
  })

  test('is read by any superjson', () => {
    const node: Record<string, unknown> = { list: [{ n: 1 }] }
    node.again = (node.list as unknown[])[0]
    node.self = node
    expect(textOf(node)).toBe(
      '{"json":{"list":[{"n":1}],"again":null,"self":null},"meta":{"referentialEqualities":[["self"],{"list.0":["again"]}],"v":1}}',
    )
    expect(new SuperJSON().parse(textOf(node))).toEqual(node)
    expect(read(new SuperJSON().stringify(node))).toEqual(node)
  })

  test('elsewhere comes back as two', () => {
    const shared = { at: new Date(1) }
    const value = [shared, new Set([shared]), new Map([[shared, 1]])]
    const found = roundTrip(value) as [object, Set<object>, Map<object, number>]
    assert.deepStrictEqual(found, value)
    expect([...found[1]][0]).not.toBe(found[0])
  })
})

describe('classes', () => {
  test('an instance comes back with its prototype and what it holds', () => {
    const ann = new UserProfile('Ann', new Date(7))
    ann.friends.add('Bob')
    const found = roundTrip({ users: new Map([['ann', ann]]) }, profiles) as {
      users: Map<string, UserProfile>
    }
    const back = found.users.get('ann')
    assert.deepStrictEqual(back, ann)
    expect(back?.greeting()).toBe('Hello, Ann!')
    expect(roundTrip(ann, profiles)).toBeInstanceOf(UserProfile)
  })

  test('an instance of an unknown class is refused, not flattened', () => {
    class Admin extends UserProfile {}
    expect(refusal({ user: new UserProfile('Ann') })).toContain('The value at $.user is of type UserProfile')
    expect(refusal([new Admin('Ann')], profiles)).toContain('The value at $[0] is of type Admin')
    expect(refusal(new (class extends Map {})())).toContain('does not know')
  })

  test('a codec does not know the classes of another, nor those of the global superjson', () => {
    class Global {
      x = 1
    }
    SuperJSON.registerClass(Global)
    expect(refusal(new Global())).toContain('Global')
    const text = textOf(new UserProfile('Ann'), profiles)
    expect(() => read(text)).toThrow('unknown class')
    expect(() => SuperJSON.parse(text)).toThrow('unknown class')
  })

  test('names may be given, so that a class can be renamed', () => {
    class Profile2 extends UserProfile {}
    const renamed = objectCodec<unknown>({ classes: { UserProfile: Profile2 } })
    const found = decode(encode(new UserProfile('Ann'), profiles), renamed)
    expect(found).toBeInstanceOf(Profile2)
    expect(found).toMatchObject({ name: 'Ann' })
  })

  test.each<[string, unknown, string]>([
    ['what is no class', [{}], 'is no class'],
    ['an arrow function', [() => 1], 'is no class'],
    ['what is built in', [Map], 'is no class of plain properties'],
    ['Object', [Object], 'is no class of plain properties'],
    ['a kind of error', [class Failed extends Error {}], 'extend nothing built in'],
    ['a kind of bytes', [class Bytes extends Uint8Array {}], 'extend nothing built in'],
    ['a class without a name', [class {}], 'give each its name'],
    [
      'two of one name',
      [UserProfile, { UserProfile: class UserProfile {} }.UserProfile],
      'give each its name',
    ],
  ])('%s is refused', (_, classes, words) => {
    const call = (): unknown => objectCodec({ classes: classes as never })
    expect(call).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
    expect(call).toThrow(words)
  })
})

describe('what would be lost is refused, with its place', () => {
  test.each<[string, unknown, string]>([
    ['undefined itself', undefined, 'delete the key'],
    ['a function', { run: () => 1 }, 'The value at $.run is a function'],
    ['a symbol', [Symbol('a')], 'The value at $[0] is a symbol'],
    ['a promise', { a: Promise.resolve() }, 'The value at $.a is of type Promise'],
    ['a WeakMap', new WeakMap(), 'The value is of type WeakMap'],
    ['a date that is none', { at: new Date(Number.NaN) }, 'The value at $.at is of type Date'],
    ['a DataView', [new DataView(new ArrayBuffer(1))], 'is of type DataView'],
    ['an ArrayBuffer', [new ArrayBuffer(1)], 'is of type ArrayBuffer'],
    ['a boxed number', [Object(1)], 'is of type Number'],
    ['a typed array with NaN', [Float32Array.of(Number.NaN)], 'store an array of its numbers'],
    ['a typed array with -0', Float64Array.of(-0), 'store an array of its numbers'],
    ['a kind of error', [new TypeError('a')], 'store its name and message'],
    ['an error with a code', [Object.assign(new Error('a'), { code: 'A' })], 'store its name and message'],
    ['something in a Map', new Map([['a', [() => 1]]]), 'The value at $[0][1][0] is a function'],
    ['something in a Set', { s: new Set([Symbol()]) }, 'The value at $.s[0] is a symbol'],
  ])('%s', (_, value, words) => {
    expect(refusal(value)).toContain(words)
  })

  test.each<[string, (node: Record<string, unknown>) => unknown, string]>([
    ['in a Set', (node) => new Set([[node]]), '$.down[0][0]'],
    ['in a key of a Map', (node) => new Map([[node, 1]]), '$.down[0][0]'],
    ['in an instance', (node) => Object.assign(new UserProfile('Ann'), { node }), '$.down.node'],
    ['in an error', (node) => new Error('a', { cause: node }), '$.down.cause'],
  ])('a circle that is closed %s', (_, close, place) => {
    const node: Record<string, unknown> = {}
    node.down = close(node)
    expect(refusal(node, profiles)).toContain(`The value at ${place} is an object that holds itself`)
    const self = new UserProfile('Ann') as unknown as Record<string, unknown>
    self.self = self
    expect(refusal([self], profiles)).toContain('The value at $[0].self is an object that holds itself')
  })

  test('nesting that is deeper than the stack', () => {
    let value: unknown = []
    for (let depth = 0; depth < 200_000; depth += 1) value = [value]
    expect(refusal(value)).toContain('too deep')
  })

  test('a value that a getter throws for, with the cause', () => {
    const value = {
      get name() {
        throw new RangeError('no')
      },
    }
    expect(refusal(value)).toContain('see the cause')
  })
})

describe('no prototype can be changed', () => {
  const NAMES = ['__proto__', 'constructor', 'prototype']

  test.each(NAMES)('a property %s is refused when it is written', (name) => {
    const evil = Object.fromEntries([[name, { polluted: true }]])
    expect(refusal({ a: [evil] })).toContain(`The value at $.a[0] has a property named ${name}`)
  })

  test.each(NAMES)('a property %s is refused when it is read, however it is spelled', (name) => {
    const hidden = `\\u${name.charCodeAt(0).toString(16).padStart(4, '0')}${name.slice(1)}`
    for (const spelling of [name, hidden]) {
      expect(() => read(`{"json":{"a":{"${spelling}":{"polluted":true}}}}`)).toThrow(SyntaxError)
      const inClass = `{"json":{"${spelling}":{"polluted":true}},"meta":{"values":[["class","UserProfile"]],"v":1}}`
      expect(() => read(inClass, profiles)).toThrow(SyntaxError)
    }
    expect(read(`{"json":"${name}"}`)).toBe(name)
  })

  test.each([
    '{"json":{"a":1},"meta":{"values":{"__proto__.polluted":["Date"]},"v":1}}',
    '{"json":{"a":1},"meta":{"values":{"constructor.prototype.polluted":["undefined"]},"v":1}}',
    '{"json":{"a":{"b":1}},"meta":{"referentialEqualities":{"a":["__proto__.polluted"]},"v":1}}',
    '{"json":{"a":{"b":1}},"meta":{"referentialEqualities":{"a":["constructor.prototype.polluted"]}}}',
    '{"json":{"a":1},"meta":{"values":{"a":["__proto__"]},"v":1}}',
    '{"json":{"a":1},"meta":{"values":{"a":["toString"]},"v":1}}',
    '{"json":[1],"meta":{"values":[["class","__proto__"]],"v":1}}',
    '{"json":[1],"meta":{"values":[["typed-array","__proto__"]],"v":1}}',
    '{"json":[1],"meta":{"values":[["custom","__proto__"]],"v":1}}',
  ])('a note that reaches for one changes nothing: %s', (text) => {
    expect(() => read(text)).toThrow()
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
    expect(Object.keys(Object.prototype)).toEqual([])
  })
})

test.each([
  ['half a text', '{"json":'],
  ['JSON of another kind', '{"a":1}'],
  ['no object', '[1]'],
  ['a note that does not fit', '{"json":1,"meta":{"values":["map"],"v":1}}'],
  ['nothing', ''],
])('%s throws', (_, text) => {
  expect(() => read(text)).toThrow()
})
