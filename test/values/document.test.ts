/** Documents: what a patch, a default and a hand in the file do to each other. */

import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type Document, objectCodec, type Scope } from '../../lib/index.js'
import { openMemoryScope } from '../setup/memory-scope.js'

let scope: Scope

beforeEach(async () => {
  scope = await openMemoryScope()
})

class Range {
  low = 1
  high = 9
}

/** Zod would be quick; a check that waits leaves time to change things. */
const patient = z.object({ list: z.array(z.number()) }).refine(async () => {
  await new Promise((resolve) => setTimeout(resolve, 5))
  return true
})

const textOf = async (key = 'doc'): Promise<string | undefined> => scope.find(key, 'text')

describe('what the caller changes after a call changes nothing', () => {
  type Lists = Document<{ list: number[] }>
  test.each<[string, (defaults: { list: number[] }) => Lists]>([
    ['with a schema that takes its time', (defaults) => scope.document('doc', { schema: patient, defaults })],
    ['without a schema', (defaults) => scope.document('doc', { defaults })],
  ])('in what is set, patched or given as a default, %s', async (_, open) => {
    const defaults = { list: [0] }
    const document = open(defaults)
    defaults.list.push(1)
    expect(await document.get()).toEqual({ list: [0] })
    const value = { list: [2] }
    const set = document.set(value)
    value.list.push(3)
    await set
    expect(await textOf()).toBe('{"list":[2]}')
    const patch = { list: [4] }
    const update = document.update(patch)
    patch.list.push(5)
    const found = await update
    expect(found).toEqual({ list: [4] })
    found.list.push(6)
    expect(await document.get()).toEqual({ list: [4] })
  })
})

test('an update gives what get gives afterwards', async () => {
  const document = scope.document('doc', { defaults: { at: '' as unknown } })
  const updated = await document.update({ at: new Date(0) })
  expect(updated).toEqual({ at: '1970-01-01T00:00:00.000Z' })
  expect(await document.get()).toEqual(updated)
  expect(await document.update(() => undefined)).toEqual({ at: '' })
  expect(await scope.has('doc')).toBe(false)
})

test('defaults keep their classes, and are taken whole', async () => {
  const defaults = { range: new Range(), tags: new Set(['a']), since: new Date(1) }
  const document = scope.document('doc', { defaults, codec: objectCodec({ classes: [Range] }) })
  const found = await document.get()
  expect(found).toEqual(defaults)
  expect(found.range).toBeInstanceOf(Range)
  found.tags.add('b')
  found.since.setTime(2)
  expect((await document.get()).tags).toEqual(new Set(['a']))
  expect((await document.get()).since).toEqual(new Date(1))
  const range = Object.assign(new Range(), { low: 5 })
  expect((await document.update({ range })).range).toEqual(range)
  expect((await document.get()).range).toBeInstanceOf(Range)
})

describe('a file that holds no object', () => {
  const document = () => scope.document('doc', { defaults: { port: 80 } })

  test.each(['[1]', 'null', '"text"', '8', '{"port":'])('is refused and left alone: %s', async (text) => {
    await scope.set('doc', text)
    for (const call of [
      () => document().get(),
      () => document().update({ port: 81 }),
      () => document().update((current) => current),
    ])
      await expect(call()).rejects.toMatchObject({ code: 'DECODE_FAILED', key: 'doc', scope: scope.id })
    await expect(document().get()).rejects.toThrow(`${scope.path}/doc`)
    expect(await textOf()).toBe(text)
    await document().set({ port: 1 })
    expect(await document().get()).toEqual({ port: 1 })
  })
})

test('a file that somebody made invalid is refused and left alone, and a patch can repair it', async () => {
  const schema = z.object({ port: z.number(), host: z.string() })
  const document = scope.document('doc', { schema, defaults: { port: 80, host: 'a' } })
  await scope.set('doc', '{"port":"eighty"}')
  for (const call of [
    () => document.get(),
    () => document.update({ host: 'b' }),
    () => document.update((current) => current),
  ])
    await expect(call()).rejects.toMatchObject({ code: 'VALIDATION_FAILED', issues: [{ path: ['port'] }] })
  expect(await textOf()).toBe('{"port":"eighty"}')
  expect(await document.update({ port: 81 })).toEqual({ port: 81, host: 'a' })
})

test('without defaults that the schema takes, the error says so instead of naming a file', async () => {
  const document = scope.document('doc', { schema: z.object({ port: z.number() }) })
  const error = await document.get().catch((failure: unknown) => failure)
  expect(error).toMatchObject({ code: 'VALIDATION_FAILED', key: 'doc', path: undefined })
  expect((error as Error).message).toContain('give defaults')
  expect(await document.update({ port: 1 })).toEqual({ port: 1 })
})

test('a patch reaches deep, replaces arrays, and takes out what is undefined in it', async () => {
  const defaults = { a: { b: { c: 1, d: 2 } }, list: [1, 2], extra: undefined as unknown }
  const document = scope.document('doc', { defaults })
  await document.update({ a: { b: { c: 3 } }, list: [9], extra: { x: { y: 1, z: 2 } } })
  await document.update({ a: { b: { c: undefined, d: 4 } }, extra: { x: { y: undefined } } })
  expect(await textOf()).toBe('{"a":{"b":{"d":4}},"list":[9],"extra":{"x":{"z":2}}}')
  expect(await document.get()).toEqual({ a: { b: { c: 1, d: 4 } }, list: [9], extra: { x: { z: 2 } } })
})

test.each<[string, unknown]>([
  ['undefined', undefined],
  ['null', null],
  ['an array', [1]],
  ['a text', 'text'],
  ['an object of a class', new Range()],
])('a patch that is %s is refused, and nothing is deleted', async (_, patch) => {
  const document = scope.document('doc', { defaults: { port: 80 } })
  await document.set({ port: 81 })
  await expect(document.update(patch as never)).rejects.toMatchObject({
    code: 'INVALID_VALUE',
    outcome: 'none',
  })
  await expect(document.set(patch as never)).rejects.toMatchObject({
    code: 'VALIDATION_FAILED',
    outcome: 'none',
  })
  expect(await document.get()).toEqual({ port: 81 })
})

test('what a function throws passes through, and nothing is changed', async () => {
  const document = scope.document('doc', { defaults: { port: 80 } })
  const reason = new Error('no')
  const thrower = (): never => {
    throw reason
  }
  await expect(document.update(thrower)).rejects.toBe(reason)
  expect(await scope.keys()).toEqual([])
})

test.each<[string, object]>([
  ['a schema that is none', { schema: {} }],
  ['defaults that are no object', { defaults: [1] }],
])('%s is refused at once', (_, options) => {
  expect(() => scope.document('doc', options as never)).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTION' }),
  )
})

test.each(['__proto__', 'constructor'])(
  'a property %s in a file, a patch or a default reaches no prototype',
  async (name) => {
    const evil = JSON.parse(
      `{"${name}":{"prototype":{"polluted":1},"polluted":1},"a":{"${name}":{"polluted":1}}}`,
    )
    const defaults: { a: object } = { a: { b: 1 }, ...evil }
    const document = scope.document('doc', { defaults })
    await document.update(evil)
    await document.update((current) => ({ ...current, ...evil }))
    const found = await document.get()
    expect(Object.getPrototypeOf(found)).toBe(Object.prototype)
    expect(Object.getPrototypeOf(found.a)).toBe(Object.prototype)
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  },
)
