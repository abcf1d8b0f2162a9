/** Two handles of one store, as two processes have them, and a store that is opened again. */

import assert from 'node:assert/strict'
import type { Scope, Storage } from '../../index.js'
import { equalBytes } from '../assertions.js'
import { type Cases, PLUGIN_ID } from '../harness.js'
import { ODD_NAMES, sortNames } from '../odd-names.js'
import { setAll } from './set-all.js'

function scopeOf(storage: Storage): Scope {
  return storage.workspace().plugin(PLUGIN_ID).storage
}

/** More than one handle. */
export const handleCases: Cases = {
  'what one handle wrote, another reads': async ({ scope, openAgain }) => {
    const other = scopeOf(await openAgain())
    const version = await scope.set('key', 'value')
    equalBytes(await other.get('key'), 'value')
    assert.equal((await other.entry('key'))?.version, version)
    assert.deepEqual(await other.keys(), ['key'])
    await scope.delete('key')
    assert.equal(await other.has('key'), false)
    assert.deepEqual(await other.keys(), [])
  },

  'two handles write in turn, and each sees the other at once': async ({ scope, openAgain }) => {
    const scopes = [scope, scopeOf(await openAgain())] as const
    const versions = new Set<string>()
    for (let round = 0; round < 6; round += 1) {
      const writer = scopes[round % 2] as Scope
      const reader = scopes[(round + 1) % 2] as Scope
      versions.add(await writer.set('key', round))
      assert.equal(await reader.get('key', 'json'), round)
    }
    assert.equal(versions.size, 6)
  },

  'two handles that write at once both succeed': async ({ scope, openAgain }) => {
    const other = scopeOf(await openAgain())
    const keys = Array.from({ length: 50 }, (_, index) => `key_${index}`)
    await Promise.all([
      ...keys.map((key) => scope.set(`a_${key}`, key)),
      ...keys.map((key) => other.set(`b_${key}`, key)),
    ])
    for (const key of keys) {
      equalBytes(await scope.get(`b_${key}`), key)
      equalBytes(await other.get(`a_${key}`), key)
    }
    assert.equal((await other.keys()).length, 100)
  },

  'closing one handle leaves the other': async ({ storage, scope, openAgain }) => {
    const other = scopeOf(await openAgain())
    await scope.set('key', 'value')
    await storage.close()
    equalBytes(await other.get('key'), 'value')
    await other.set('key', 'newer')
    equalBytes(await other.get('key'), 'newer')
  },

  'a store that is opened again holds what it held, with its versions': async ({
    storage,
    scope,
    openAgain,
  }) => {
    await setAll(scope, ODD_NAMES)
    await scope.set('large', new Uint8Array(100_000).fill(7))
    await scope.delete('a/b')
    const keys = await scope.keys()
    const entries = await Promise.all(keys.map((key) => scope.entry(key)))
    await storage.close()
    const again = scopeOf(await openAgain())
    assert.deepEqual(keys, sortNames([...ODD_NAMES, 'large'].filter((key) => key !== 'a/b')))
    assert.deepEqual(await again.keys(), keys)
    assert.deepEqual(await Promise.all(keys.map((key) => again.entry(key))), entries)
  },

  'a version does not return after the store was opened again': async ({ storage, scope, openAgain }) => {
    const first = await scope.set('key', 'same')
    await scope.delete('key')
    await storage.close()
    assert.notEqual(await scopeOf(await openAgain()).set('key', 'same'), first)
  },
}
