/** Schemas in front of a codec: what is not valid is neither written nor read, whichever library says so. */

/** Schemas in front of a codec: what is not valid is neither written nor read, whichever library says so. */

import fs, { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type } from 'arktype'
import * as v from 'valibot'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  objectCodec,
  openStorage,
  type Scope,
  type StandardSchema,
  type Storage,
  StorageError,
  ValidationError,
} from '../../lib/index.js'
import { checkStore } from '../setup/check-store.js'

let folder: string
let storage: Storage
let scope: Scope

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'plainkeep-schema-'))
  storage = await openStorage(folder)
  scope = storage.workspace().plugin('plugin').storage
})

afterEach(async () => {
  await storage.close()
  await checkStore(folder, fs)
  rmSync(folder, { recursive: true, force: true })
})

/** What a call rejects with. */
async function failure(call: () => Promise<unknown>): Promise<StorageError> {
  const error = await call().then(
    () => 'nothing',
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(StorageError)
  return error as StorageError
}

const fileOf = (key: string): string => join(scope.path, key)

/** A server with a port, by three libraries; the name is trimmed, the port has a default. */
const LIBRARIES: Readonly<Record<string, StandardSchema>> = {
  Zod: z.object({ name: z.string().trim(), port: z.number().max(65_535).default(80) }),
  Valibot: v.object({
    name: v.pipe(v.string(), v.trim()),
    port: v.optional(v.pipe(v.number(), v.maxValue(65_535)), 80),
  }),
  ArkType: type({ name: 'string.trim', port: 'number <= 65535 = 80' }),
}

/** Where the first issue is. */
const pathOf = (error: StorageError): unknown => (error as ValidationError).issues[0]?.path

describe.each(Object.entries(LIBRARIES))('a schema of %s', (_, schema) => {
  test('applies its transforms and defaults to what is stored', async () => {
    await scope.set('server', { name: ' a ' }, { codec: { schema } })
    expect(readFileSync(fileOf('server'), 'utf8')).toBe('{"name":"a","port":80}')
    expect(await scope.get('server', { schema })).toEqual({ name: 'a', port: 80 })
    expect((await scope.entry('server', { schema }))?.value).toEqual({ name: 'a', port: 80 })
  })

  test('refuses what is not valid, and nothing is written', async () => {
    await scope.set('server', { name: 'a' }, { codec: { schema } })
    const error = await failure(() => scope.set('server', { name: 'b', port: 1e9 }, { codec: { schema } }))
    expect(error).toMatchObject({ code: 'VALIDATION_FAILED', kind: 'value', outcome: 'none', key: 'server' })
    expect(error.scope).toEqual(scope.id)
    expect((error as ValidationError).issues).toHaveLength(1)
    expect(pathOf(error)).toEqual(['port'])
    expect(error.message).toContain(': port: ')
    expect(await scope.get('server', 'json')).toEqual({ name: 'a', port: 80 })
    expect(await failure(() => scope.set('other', 1, { codec: { schema } }))).toMatchObject({
      outcome: 'none',
    })
    expect(await scope.keys()).toEqual(['server'])
  })

  test('refuses what somebody edited, names the file and leaves it alone', async () => {
    await scope.set('server', { name: 'a' }, { codec: { schema } })
    writeFileSync(fileOf('server'), '{"name":"a","port":"eighty"}\n')
    for (const read of [
      () => scope.get('server', { schema }),
      () => scope.find('server', { schema }),
      () => scope.entry('server', { schema }),
      () => scope.entries({ codec: { schema } }).next(),
      () => scope.update('server', (server) => server as object, { codec: { schema } }),
      () => scope.transaction((tx) => tx.get('server', { schema })),
    ]) {
      const error = await failure(read)
      expect(error).toMatchObject({ code: 'VALIDATION_FAILED', key: 'server', scope: scope.id })
      expect(error.message).toContain(fileOf('server'))
      expect(error.message).toContain('port: ')
      expect(error).toMatchObject({ path: fileOf('server') })
      expect(pathOf(error)).toEqual(['port'])
    }
    expect(readFileSync(fileOf('server'), 'utf8')).toBe('{"name":"a","port":"eighty"}\n')
    expect(await scope.get('server', 'text')).toContain('eighty')
  })

  test('never sees bytes that do not decode', async () => {
    await scope.set('server', '{"name":')
    const error = await failure(() => scope.get('server', { schema }))
    expect(error).toMatchObject({ code: 'DECODE_FAILED', key: 'server' })
    expect(error.message).toContain(fileOf('server'))
    expect(await scope.get('server')).toEqual(new TextEncoder().encode('{"name":'))
  })
})

test('a schema stands before any codec', async () => {
  class User {
    name = 'Ann'
  }
  const schema = z.object({ users: z.map(z.string(), z.instanceof(User)), at: z.date() })
  const codec = { schema, codec: objectCodec({ classes: [User] }) }
  const value = { users: new Map([['ann', new User()]]), at: new Date(5) }
  await scope.set('users', value, { codec })
  expect(await scope.get('users', codec)).toEqual(value)
  expect((await scope.get('users', codec)).users.get('ann')).toBeInstanceOf(User)
  await scope.set('text', ' a ', { codec: { schema: z.string().trim(), codec: 'text' } })
  expect(await scope.get('text', 'text')).toBe('a')
})

test('what the codec cannot hold is refused though the schema takes it', async () => {
  const codec = { schema: z.any() }
  const error = await failure(() => scope.set('key', { a: 1n }, { codec }))
  expect(error).toMatchObject({ code: 'INVALID_VALUE', outcome: 'none', key: 'key' })
})

test('a schema whose output it does not take can be written, and its bytes read', async () => {
  const schema = z.string().transform((text) => text.length)
  await scope.set('length', 'abc', { codec: { schema } })
  expect(await scope.get('length', 'json')).toBe(3)
  expect(await failure(() => scope.get('length', { schema }))).toMatchObject({ code: 'VALIDATION_FAILED' })
})

test('the limit of a value counts the bytes after the schema', async () => {
  const small = storage.workspace().plugin('small', { limits: { valueBytes: 5 } }).storage
  const schema = z.string().transform(async (text) => text.repeat(2))
  await small.set('key', 'a', { codec: { schema, codec: 'text' } })
  const error = await failure(() => small.set('key', 'aaa', { codec: { schema, codec: 'text' } }))
  expect(error).toMatchObject({ code: 'VALUE_TOO_LARGE', outcome: 'none', key: 'key' })
  expect(await small.get('key', 'text')).toBe('aa')
})

describe('a schema that takes its time', () => {
  const waits = z.object({ list: z.array(z.number()), at: z.date().optional() }).refine(async () => {
    await new Promise((resolve) => setTimeout(resolve, 10))
    return true
  })
  const codec = { schema: waits, codec: 'object' } as const

  test('validates both ways', async () => {
    await scope.set('key', { list: [1] }, { codec })
    expect(await scope.get('key', codec)).toEqual({ list: [1] })
    expect((await scope.entry('key', codec))?.value).toEqual({ list: [1] })
    const refused = await failure(() => scope.set('key', { list: ['a'] }, { codec }))
    expect(refused).toMatchObject({ code: 'VALIDATION_FAILED', outcome: 'none', key: 'key' })
    await scope.set('key', { list: 'a' }, { codec: 'object' })
    expect((await failure(() => scope.get('key', codec))).message).toContain(fileOf('key'))
  })

  test('sees the value as it was when the call was made', async () => {
    const value = { list: [1], at: new Date(1) }
    const write = scope.set('key', value, { codec })
    value.list.push(2)
    value.at.setTime(2)
    await write
    expect(await scope.get('key', codec)).toEqual({ list: [1], at: new Date(1) })
  })

  test('works in transactions, awaited or not', async () => {
    await scope.transaction(async (tx) => {
      void tx.set('a', { list: [1] }, { codec })
      await tx.update('b', (found) => ({ list: [...(found?.list ?? []), 2] }), { codec })
      expect(await tx.get('b', codec)).toEqual({ list: [2] })
    })
    expect(await scope.get('a', codec)).toEqual({ list: [1] })
    const refused = scope.transaction(async (tx) => {
      await tx.delete('b')
      void tx.set('a', { list: ['no'] }, { codec }).catch(() => undefined)
    })
    expect(await failure(() => refused)).toMatchObject({ code: 'VALIDATION_FAILED' })
    expect(await scope.keys()).toEqual(['a', 'b'])
  })
})

describe('a schema that throws', () => {
  const cause = new RangeError('no')
  const sync: StandardSchema = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate() {
        throw cause
      },
    },
  }
  const async: StandardSchema = {
    '~standard': { version: 1, vendor: 'test', validate: () => Promise.reject(cause) },
  }

  test.each([
    ['at once', sync],
    ['later', async],
  ])('%s fails the call, with the cause', async (_, schema) => {
    const error = await failure(() => scope.set('key', 1, { codec: { schema } }))
    expect(error).toMatchObject({
      code: 'VALIDATION_FAILED',
      outcome: 'none',
      cause,
      issues: [{ message: 'The schema throws: no' }],
    })
    await scope.set('key', 1)
    expect(await failure(() => scope.get('key', { schema }))).toMatchObject({ code: 'VALIDATION_FAILED' })
  })
})

test.each([
  ['nothing', { schema: undefined as never }, 'INVALID_OPTION'],
  ['no schema', { schema: {} as never }, 'INVALID_OPTION'],
  ['a schema that is not wrapped', z.string() as never, 'INVALID_OPTION'],
  ['a schema that is a function', type('string') as never, 'INVALID_OPTION'],
  ['a codec that is none behind a schema', { schema: z.any(), codec: 'jsno' as never }, 'INVALID_OPTION'],
])('%s in the place of a schema', async (_, codec, code) => {
  expect(await failure(() => scope.set('key', 'a', { codec }))).toMatchObject({ code })
  await scope.set('key', '"a"')
  expect(await failure(() => scope.get('key', codec))).toMatchObject({ code, key: 'key' })
})

test('a codec of the caller may refuse a value as a schema does', async () => {
  const issues = [{ message: 'odd', path: ['a'] }]
  const refuse = (): never => {
    throw new ValidationError('No.', { issues })
  }
  const codec = { encode: refuse, decode: refuse }
  await scope.set('key', 'text')
  for (const call of [() => scope.set('key', 1, { codec }), () => scope.get('key', codec)]) {
    const error = await failure(call)
    expect(error).toBeInstanceOf(ValidationError)
    expect(error).toMatchObject({ message: 'No.', issues, key: 'key', scope: scope.id })
  }
})
