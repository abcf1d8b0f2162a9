/** What the types say of values, told by equality. */

import { expectTypeOf, test } from 'vitest'
import type { Codec, Entry, PluginContext, Scope, Storage, TransactionScope } from '../../lib/index.js'

declare const scope: Scope
declare const context: PluginContext
declare const storage: Storage
declare const dates: Codec<Date>

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
})

test('documents', () => {
  const settings = scope.document('key', { defaults: { port: 80, tls: { on: false } } })
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
