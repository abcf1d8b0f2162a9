/** Documents, migrations, typed scopes and the codec for objects. */

import assert from 'node:assert/strict'
import { migrate, objectCodec, type StandardSchema, type StorageError, ValidationError } from '../../index.js'
import { equalBytes, rejectionOf, rejectsWith } from '../assertions.js'
import type { Cases } from '../harness.js'

class UserProfile {
  name: string
  constructor(name: string) {
    this.name = name
  }
  greet(): string {
    return `I am ${this.name}`
  }
}

/** Takes objects with a number `port`, and makes it whole. */
function portSchema(isLate: boolean): StandardSchema<{ port: number }, { port: number }> {
  const check = (value: unknown) => {
    const { port } = (value ?? {}) as { port?: unknown }
    if (typeof port === 'number') return { value: { ...(value as object), port: Math.trunc(port) } }
    return { issues: [{ message: 'must be a number', path: ['port'] }] }
  }
  const validate = (value: unknown) => (isLate ? Promise.resolve().then(() => check(value)) : check(value))
  return { '~standard': { version: 1, vendor: 'test', validate } }
}

const DEFAULTS = { port: 80, tls: { on: false, names: ['a'] } }

/** Values with a meaning. */
export const documentCases: Cases = {
  'the codec for objects gives back what JSON does not know, and reads as JSON': async ({ scope }) => {
    const value = {
      map: new Map([['a', new Set([1])]]),
      date: new Date(0),
      big: 12n,
      expression: /a+/g,
      url: new URL('https://example.org/'),
      bytes: new Uint8Array([1, 2]),
      nothing: undefined,
    }
    await scope.set('key', value, { codec: 'object' })
    assert.deepEqual(await scope.get('key', 'object'), value)
    assert.ok('json' in ((await scope.get('key', 'json')) as object))
  },

  'objects of registered classes come back with their prototype, others are refused': async ({ scope }) => {
    const users = scope.as(objectCodec({ classes: { UserProfile } }))
    await users.set('ada', { user: new UserProfile('Ada') })
    const found = (await users.get('ada')) as { user: UserProfile }
    assert.ok(found.user instanceof UserProfile)
    assert.equal(found.user.greet(), 'I am Ada')
    const unregistered = { list: [new UserProfile('Ada')] }
    const error = await rejectsWith('INVALID_VALUE', () =>
      scope.set('key', unregistered, { codec: 'object' }),
    )
    assert.match(error.message, /\$\.list\[0\].*UserProfile/)
    await rejectsWith('INVALID_VALUE', () => scope.set('key', { run: () => 1 }, { codec: 'object' }))
    assert.deepEqual(await scope.keys(), ['ada'])
  },

  'a typed scope reads and writes with its codec alone': async ({ scope }) => {
    const counts = scope.as('json')
    const version = await counts.set('a', 1)
    assert.equal(await counts.update('a', (count) => Number(count) + 1), 2)
    assert.deepEqual(
      [await counts.get('a'), await counts.find('b'), await counts.has('a')],
      [2, undefined, true],
    )
    assert.equal((await counts.entry('a'))?.value, 2)
    for await (const { key, value } of counts.entries()) assert.deepEqual([key, value], ['a', 2])
    await rejectsWith('CONFLICT', () => counts.set('a', 3, { ifVersion: version }))
    assert.deepEqual(await counts.usage(), { keys: 1, bytes: 1 })
    assert.equal(await counts.delete('a'), true)
    assert.equal(await counts.clear(), 0)
    assert.deepEqual([counts.path, counts.store, counts.id], [scope.path, scope.store, scope.id])
  },

  'a schema keeps what is wrong from being written, and says so of what is there': async ({ scope }) => {
    for (const isLate of [false, true]) {
      const codec = { schema: portSchema(isLate) }
      await scope.set('key', { port: 80.5, name: 'x' }, { codec })
      equalBytes(await scope.get('key'), '{"port":80,"name":"x"}')
      const error = await rejectionOf(() => scope.set('key', { port: '1' }, { codec }))
      assert.ok(error instanceof ValidationError)
      assert.deepEqual([error.code, error.kind, error.outcome], ['VALIDATION_FAILED', 'value', 'none'])
      assert.deepEqual(error.issues, [{ message: 'must be a number', path: ['port'] }])
      await scope.set('key', '{"port":"eighty"}')
      const found = await rejectionOf(() => scope.get('key', codec))
      assert.ok(found instanceof ValidationError)
      assert.ok(found.path?.startsWith(scope.path))
      assert.ok(found.message.includes(String(found.path)))
      equalBytes(await scope.get('key'), '{"port":"eighty"}')
      await scope.set('key', 'no json')
      await rejectsWith('DECODE_FAILED', () => scope.get('key', codec))
    }
  },

  'a document gives its defaults and never writes them': async ({ scope }) => {
    const settings = scope.document('settings', { defaults: DEFAULTS })
    assert.deepEqual(await settings.get(), DEFAULTS)
    assert.deepEqual(await scope.keys(), [])
    assert.deepEqual(await settings.update({ tls: { on: true } }), {
      port: 80,
      tls: { on: true, names: ['a'] },
    })
    equalBytes(await scope.get('settings'), '{"tls":{"on":true}}')
    await settings.update({ tls: { names: [] }, port: 81 })
    assert.deepEqual(await settings.get(), { port: 81, tls: { on: true, names: [] } })
    await settings.update({ tls: undefined })
    assert.deepEqual(await settings.get(), { ...DEFAULTS, port: 81 })
    await settings.update((current) => ({ ...current, port: current.port + 1 }))
    assert.equal((await settings.get()).port, 82)
    await settings.set({ port: 1, tls: { on: false, names: [] } })
    assert.equal(await settings.delete(), true)
    assert.deepEqual(await settings.get(), DEFAULTS)
    const changed = await settings.get()
    changed.tls.names.push('b')
    assert.deepEqual((await settings.get()).tls.names, ['a'])
  },

  'a document is checked together with its defaults': async ({ scope }) => {
    const bare = scope.document('bare', { schema: portSchema(false) })
    await rejectsWith('VALIDATION_FAILED', () => bare.get())
    const settings = scope.document('settings', { schema: portSchema(true), defaults: { port: 80 } })
    assert.deepEqual(await settings.get(), { port: 80 })
    await rejectsWith('VALIDATION_FAILED', () => settings.update({ port: 'x' as unknown as number }))
    await rejectsWith('VALIDATION_FAILED', () => settings.set([] as never))
    assert.deepEqual(await scope.keys(), [])
    await scope.set('settings', '[]')
    await rejectsWith('DECODE_FAILED', () => settings.get())
    await scope.set('settings', '{"port":null}')
    await rejectsWith('VALIDATION_FAILED', () => settings.get())
  },

  'updates of a document at once are all made': async ({ scope, openAgain }) => {
    const other = (await openAgain()).workspace().plugin('acme/weather').storage
    const documents = [scope, other].map((each) => each.document('d', { defaults: { count: 0 } }))
    await Promise.all(
      Array.from({ length: 20 }, (_, index) => documents[index % 2]?.update((d) => ({ count: d.count + 1 }))),
    )
    assert.deepEqual(await documents[0]?.get(), { count: 20 })
  },

  'a watched document gives its object after each change, with its defaults': async ({
    scope,
    openAgain,
  }) => {
    const other = (await openAgain()).workspace().plugin('acme/weather').storage
    const invalid: unknown[] = []
    const watcher = scope.document('d', { defaults: { port: 80, on: false } }).watch({ initial: true })
    watcher.on('error', (error) => invalid.push((error as StorageError).code))
    const next = async (): Promise<unknown> => (await watcher.next()).value
    assert.deepEqual(await next(), { port: 80, on: false })
    await scope.set('other', '{}')
    await scope.set('d', '{"port":81}')
    assert.deepEqual(await next(), { port: 81, on: false })
    const waiting = next()
    await other.set('d', '{"port":')
    for (const limit = Date.now() + 10_000; invalid.length === 0 && Date.now() < limit; )
      await new Promise((resolve) => setTimeout(resolve, 10))
    assert.deepEqual(invalid, ['DECODE_FAILED'])
    await other.set('d', '{"on":true}')
    assert.deepEqual(await waiting, { port: 80, on: true })
    await scope.delete('d')
    assert.deepEqual(await next(), { port: 80, on: false })
    await watcher.close()
    assert.equal((await watcher.next()).done, true)
  },

  'a watched document that becomes invalid ends its loop with the error': async ({ scope }) => {
    const document = scope.document('d', { defaults: { port: 80 } })
    const watcher = document.watch()
    await watcher.ready
    const given: unknown[] = []
    const loop = (async () => {
      for await (const value of watcher) {
        given.push(value)
        await scope.set('d', '[]')
      }
    })()
    await document.set({ port: 81 })
    await rejectsWith('DECODE_FAILED', () => loop, { key: 'd' })
    assert.deepEqual(given, [{ port: 81 }])
    assert.equal((await watcher.next()).done, true)
  },

  'a name like __proto__ in a file reaches no prototype': async ({ scope }) => {
    await scope.set('settings', '{"__proto__":{"polluted":true},"tls":{"__proto__":{"polluted":true}}}')
    const settings = scope.document('settings', { defaults: DEFAULTS })
    const found = (await settings.get()) as { polluted?: boolean; tls: { polluted?: boolean } }
    assert.deepEqual([found.polluted, found.tls.polluted], [undefined, undefined])
    assert.equal(({} as { polluted?: boolean }).polluted, undefined)
  },

  'a migration runs the steps that are missing, each with its version in one commit': async ({ scope }) => {
    await scope.set('name', 'ada')
    const progress: number[] = []
    const steps = {
      2: async (own: { get(key: string, codec: 'text'): Promise<string>; set: typeof scope.set }) => {
        await own.set('user', { name: await own.get('name', 'text') })
      },
    }
    const options = {
      versionKey: 'version',
      onProgress: ({ version }: { version: number }) => progress.push(version),
    }
    assert.equal(await migrate(scope, { ...options, steps: steps as never }), 2)
    equalBytes(await scope.get('version'), '2')
    const fail = (): never => assert.fail('this step was done before')
    const later = { 2: fail, 3: async (own: typeof scope) => void (await own.delete('name')) }
    assert.equal(await migrate(scope, { ...options, steps: later as never }), 3)
    assert.deepEqual(await scope.keys(), ['user', 'version'])
    assert.deepEqual(progress, [1, 2, 2, 3])
  },

  'a step that throws leaves the version before it, whole': async ({ scope }) => {
    const steps = {
      2: (own: { set(key: string, value: string): Promise<void> }) => own.set('a', 'two'),
      3: async (own: { set(key: string, value: string): Promise<void> }) => {
        await own.set('a', 'three')
        throw new Error('no')
      },
    }
    const error = await rejectsWith('MIGRATION_FAILED', () => migrate(scope, { versionKey: 'v', steps }))
    assert.match(error.message, /version 3/)
    assert.deepEqual([await scope.get('a', 'text'), await scope.get('v', 'json')], ['two', 2])
  },

  'a migration that makes no sense is refused': async ({ scope }) => {
    const step = (): void => undefined
    const attempt = (steps: Record<number, () => void>) => migrate(scope, { versionKey: 'v', steps })
    await rejectsWith('MIGRATION_FAILED', () => attempt({ 3: step }))
    await rejectsWith('MIGRATION_FAILED', () => attempt({ 1: step, 2: step }))
    await scope.set('v', '9')
    await rejectsWith('MIGRATION_FAILED', () => attempt({ 2: step }))
    for (const version of ['', 'two', '-1', '1.5', '0']) {
      await scope.set('v', version)
      await rejectsWith('MIGRATION_FAILED', () => attempt({ 2: step }))
    }
  },

  'two that migrate at once run each step once': async ({ scope, openAgain }) => {
    const other = (await openAgain()).workspace().plugin('acme/weather').storage
    await scope.set('count', '0')
    const step = async (own: { update: typeof scope.update }): Promise<void> => {
      await own.update('count', (count) => Number(count) + 1, { codec: 'json' })
    }
    const steps = { 2: step, 3: step, 4: step } as never
    const versions = await Promise.all(
      [scope, other].map((each) => migrate(each, { versionKey: 'v', steps })),
    )
    assert.deepEqual(versions, [4, 4])
    assert.equal(await scope.get('count', 'json'), 3)
  },
}
