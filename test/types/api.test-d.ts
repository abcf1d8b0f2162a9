/** What the types say of values, told by equality. */

import { expectTypeOf, test } from 'vitest'
import {
  type Change,
  type Codec,
  type Document,
  type DocumentWatcher,
  type Entry,
  objectCodec,
  type PluginContext,
  type Scope,
  type StandardSchema,
  type Storage,
  type TransactionScope,
  type TypedScope,
  type Watcher,
} from '../../lib/index.js'

declare const scope: Scope
declare const context: PluginContext
declare const storage: Storage
declare const dates: Codec<Date>
declare const ports: StandardSchema<{ port?: number }, { port: number }>

class User {
  name = ''
}

test('get and find', () => {
  expectTypeOf(scope.get('key')).resolves.toEqualTypeOf<Uint8Array>()
  expectTypeOf(scope.get('key', 'text')).resolves.toEqualTypeOf<string>()
  expectTypeOf(scope.get('key', 'json')).resolves.toEqualTypeOf<unknown>()
  expectTypeOf(scope.get('key', dates)).resolves.toEqualTypeOf<Date>()
  expectTypeOf(scope.find('key')).resolves.toEqualTypeOf<Uint8Array | undefined>()
  expectTypeOf(scope.find('key', dates)).resolves.toEqualTypeOf<Date | undefined>()
  expectTypeOf(scope.entry('key', 'text')).resolves.toEqualTypeOf<Entry<string> | undefined>()
  expectTypeOf(context.getStorage<number>('key')).resolves.toEqualTypeOf<number>()
  expectTypeOf(context.getPluginStorage('key', 'text')).resolves.toEqualTypeOf<string>()
})

test('typed scopes', () => {
  expectTypeOf(scope.as(dates).get('key')).resolves.toEqualTypeOf<Date>()
  expectTypeOf(scope.as(dates).find('key')).resolves.toEqualTypeOf<Date | undefined>()
  expectTypeOf(scope.as('text').set).parameter(1).toEqualTypeOf<string>()
  expectTypeOf(scope.as(dates).set).parameter(1).toEqualTypeOf<Date>()
  expectTypeOf(scope.as('json')).toEqualTypeOf<TypedScope<unknown>>()
  expectTypeOf(scope.as<number>('json')).toEqualTypeOf<TypedScope<number>>()
  expectTypeOf(scope.as<Map<string, Date>>('object').find('key')).resolves.toEqualTypeOf<
    Map<string, Date> | undefined
  >()
  expectTypeOf(scope.as('bytes').get('key')).resolves.toEqualTypeOf<Uint8Array>()
  const users = scope.as(objectCodec<User>({ classes: [User] }))
  expectTypeOf(users).toEqualTypeOf<TypedScope<User>>()
  expectTypeOf(users.entries()).toEqualTypeOf<AsyncIterableIterator<Entry<User>>>()
  expectTypeOf(objectCodec()).toEqualTypeOf<Codec<unknown>>()
})

test('schemas', () => {
  const typed = scope.as({ schema: ports })
  expectTypeOf(typed).toEqualTypeOf<TypedScope<{ port: number }, { port?: number }>>()
  expectTypeOf(typed.entry('key')).resolves.toEqualTypeOf<Entry<{ port: number }> | undefined>()
  expectTypeOf(scope.as({ schema: ports, codec: 'object' }).get('key')).resolves.toEqualTypeOf<{
    port: number
  }>()
  expectTypeOf(scope.get('key', { schema: ports })).resolves.toEqualTypeOf<{ port: number }>()
  expectTypeOf(scope.find('key', { schema: ports })).resolves.toEqualTypeOf<{ port: number } | undefined>()
  expectTypeOf(context.getPluginStorage('key', { schema: ports })).resolves.toEqualTypeOf<{ port: number }>()
  const document = scope.document('key', { schema: ports, defaults: { port: 1 } })
  expectTypeOf(document).toEqualTypeOf<Document<{ port: number }>>()
  // @ts-expect-error A schema by itself is no codec.
  scope.as(ports)
  // @ts-expect-error The defaults have the types of the schema.
  scope.document('key', { schema: ports, defaults: { port: 'eighty' } })
  // @ts-expect-error What is written has the type that the schema takes.
  void typed.set('key', { port: 'eighty' })
})

test('documents', () => {
  const settings = scope.document('key', { defaults: { port: 80, tls: { on: false } } })
  expectTypeOf(settings.watch()).toEqualTypeOf<DocumentWatcher<{ port: number; tls: { on: boolean } }>>()
  expectTypeOf(settings.get()).resolves.toEqualTypeOf<{ port: number; tls: { on: boolean } }>()
  expectTypeOf(settings.update({ tls: {} })).resolves.toEqualTypeOf<{ port: number; tls: { on: boolean } }>()
})

test('update and transactions', () => {
  expectTypeOf(scope.update('key', () => 1, { codec: 'json' })).resolves.toEqualTypeOf<number>()
  const change = (date: Date | undefined): Date => date ?? new Date()
  expectTypeOf(scope.update('key', change, { codec: dates })).resolves.toEqualTypeOf<Date>()
  expectTypeOf(scope.transaction(async () => 'x' as const)).resolves.toEqualTypeOf<'x'>()
  expectTypeOf(
    context.transaction(async ({ storage: own }) => own),
  ).resolves.toEqualTypeOf<TransactionScope>()
  expectTypeOf(
    storage.transaction(async (tx) => tx.scope(scope).get('key', 'text')),
  ).resolves.toEqualTypeOf<string>()
})

test('watchers', () => {
  expectTypeOf(scope.watch()).toEqualTypeOf<Watcher>()
  expectTypeOf(storage.watch({ prefix: 'a', keys: ['b'], initial: true })).toEqualTypeOf<Watcher>()
  expectTypeOf(scope.as(dates).watch()).toEqualTypeOf<Watcher>()
  expectTypeOf(scope.watch().next()).resolves.toEqualTypeOf<IteratorResult<Change, undefined>>()
  expectTypeOf<Change['source']>().toEqualTypeOf<'initial' | 'local' | 'process' | 'external'>()
  const document = scope.document('key', { defaults: { port: 80 } })
  expectTypeOf(document.watch()).toEqualTypeOf<DocumentWatcher<Awaited<ReturnType<typeof document.get>>>>()
  expectTypeOf(scope.document('key', { schema: ports }).watch()).toEqualTypeOf<
    DocumentWatcher<{ port: number }>
  >()
  document.watch().on('change', (value) => expectTypeOf(value.port).toEqualTypeOf<number>())
})
