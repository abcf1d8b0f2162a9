/** A store whose scopes may hold three keys and 20 bytes. */

import assert from 'node:assert/strict'
import { equalBytes, rejectsWith } from '../assertions.js'
import type { Cases } from '../harness.js'
import { setAll } from './set-all.js'

/** The limits of a scope, where it may hold three keys and 20 bytes. */
export const quotaCases: Cases = {
  'a key too many is refused, and says usage, limit and need': async ({ scope, storage }) => {
    await setAll(scope, ['a', 'b', 'c'])
    const place = { store: storage.path, scope: scope.id }
    const error = await rejectsWith('QUOTA_EXCEEDED', () => scope.set('d', ''), place)
    assert.deepEqual([error.kind, error.outcome], ['limit', 'none'])
    assert.match(error.message, /\b3 keys of at most 3\b.*\b1 more/)
    await scope.set('a', 'another value')
    await scope.delete('b')
    await scope.set('d', '')
    assert.deepEqual(await scope.keys(), ['a', 'c', 'd'])
  },

  'bytes too many are refused, and less is taken again': async ({ scope }) => {
    await scope.set('a', 'x'.repeat(15))
    const error = await rejectsWith('QUOTA_EXCEEDED', () => scope.set('b', 'x'.repeat(6)))
    assert.match(error.message, /\b15 bytes of at most 20\b.*\b6 more/)
    await scope.set('b', 'x'.repeat(5))
    await rejectsWith('QUOTA_EXCEEDED', () => scope.set('a', 'x'.repeat(16)))
    await scope.set('a', 'x'.repeat(10))
    await scope.set('b', 'x'.repeat(10))
    assert.deepEqual(await scope.usage(), { keys: 2, bytes: 20 })
  },

  'of writes at once as many are made as fit': async ({ scope, openAgain }) => {
    const other = (await openAgain()).workspace().plugin('acme/weather').storage
    const outcomes = await Promise.allSettled(['a', 'b', 'c', 'd', 'e'].map((key) => scope.set(key, 'x')))
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 3)
    assert.deepEqual(await other.usage(), { keys: 3, bytes: 3 })
  },

  'a write that is refused does not take the place of one that fits': async ({ scope }) => {
    const [fits, refused] = await Promise.allSettled([scope.set('a', 'fits'), scope.set('a', 'x'.repeat(21))])
    assert.deepEqual([fits.status, refused.status], ['fulfilled', 'rejected'])
    equalBytes(await scope.get('a'), 'fits')
  },

  'a transaction counts as a whole, and each scope for itself': async ({ context }) => {
    await setAll(context.storage, ['a', 'b', 'c'])
    await context.transaction(async ({ storage, workspace }) => {
      for (const key of ['d', 'e', 'f']) storage.set(key, '')
      for (const key of ['a', 'b', 'c']) storage.delete(key)
      for (const key of ['a', 'b', 'c']) workspace.set(key, '')
    })
    assert.deepEqual(await context.getPluginStorageKeys(), ['d', 'e', 'f'])
    const tooMuch = context.transaction(async ({ storage, workspace }) => {
      storage.clear()
      workspace.set('d', '')
    })
    await rejectsWith('QUOTA_EXCEEDED', () => tooMuch)
    assert.deepEqual(await context.getPluginStorageKeys(), ['d', 'e', 'f'])
  },

  'a plugin may have narrower limits, and none that are wider': async ({ storage }) => {
    const plugin = (keysPerScope: number) =>
      storage.workspace().plugin('narrow', { limits: { keysPerScope } })
    await plugin(1).storage.set('a', '')
    await rejectsWith('QUOTA_EXCEEDED', () => plugin(1).storage.set('b', ''))
    const byHost = storage.transaction(async (transaction) => {
      await transaction.scope(plugin(1).storage).set('b', '')
    })
    await rejectsWith('QUOTA_EXCEEDED', () => byHost)
    await rejectsWith('QUOTA_EXCEEDED', () => plugin(1).storage.update('b', () => ''))
    await plugin(2).storage.set('b', '')
    await plugin(9).storage.set('c', '')
    await rejectsWith('QUOTA_EXCEEDED', () => plugin(9).storage.set('d', ''))
  },
}
