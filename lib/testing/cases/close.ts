/** Closing a store. */

import assert from 'node:assert/strict'
import { equalBytes, rejectsWith } from '../assertions.js'
import { callsWithKey, callsWithoutKey } from '../calls.js'
import { type Cases, PLUGIN_ID } from '../harness.js'
import { setAll } from './set-all.js'

/** `Storage.close`. */
export const closeCases: Cases = {
  'every call after close rejects with STORE_CLOSED': async ({ storage, context }) => {
    await context.setPluginStorage('key', 'value')
    await storage.close()
    const withKey = Object.values(callsWithKey(context)).map((call) => () => call('key'))
    for (const call of [...withKey, ...Object.values(callsWithoutKey(storage, context))]) {
      const error = await rejectsWith('STORE_CLOSED', call, { store: storage.path })
      assert.equal(error.kind, 'state')
    }
  },

  'calls made while the store is closing reject as well': async ({ storage, context, openAgain }) => {
    const written = context.setPluginStorage('before', 'value')
    const closing = storage.close()
    await rejectsWith('STORE_CLOSED', () => context.setPluginStorage('after', 'value'))
    await rejectsWith('STORE_CLOSED', () => context.getPluginStorage('before'))
    await Promise.all([written, closing])
    const again = (await openAgain()).workspace().plugin(PLUGIN_ID)
    assert.deepEqual(await again.getPluginStorageKeys(), ['before'])
  },

  'closing again gives the same promise': async ({ storage, scope }) => {
    await scope.set('key', 'value')
    const closing = storage.close()
    assert.equal(storage.close(), closing)
    await closing
    await storage.close()
  },

  'closing waits for pending writes': async ({ storage, scope, openAgain }) => {
    let written = 0
    const keys = Array.from({ length: 30 }, (_, index) => `key_${index}`)
    const writes = keys.map(async (key) => {
      await scope.set(key, key)
      written += 1
    })
    await storage.close()
    // What continues after a write may run a moment later than what continues after close.
    await new Promise(setImmediate)
    assert.equal(written, keys.length)
    await Promise.all(writes)
    const again = (await openAgain()).workspace().plugin(PLUGIN_ID).storage
    for (const key of keys) equalBytes(await again.get(key), key)
  },

  'a store that nobody wrote to closes, and opens again': async ({ storage, openAgain }) => {
    await storage.close()
    assert.deepEqual(await (await openAgain()).workspaces(), [])
  },

  'a store is closed at the end of its `await using` block': async ({ storage, scope }) => {
    await scope.set('key', 'value')
    await storage[Symbol.asyncDispose]()
    await rejectsWith('STORE_CLOSED', () => scope.get('key'))
  },

  'entries that are being read end with STORE_CLOSED': async ({ storage, scope }) => {
    await setAll(scope, ['a', 'b', 'c'])
    const entries = scope.entries()
    await entries.next()
    await storage.close()
    await rejectsWith('STORE_CLOSED', () => entries.next())
  },
}
