/** A store whose values may have ten bytes. */

import assert from 'node:assert/strict'
import { equalBytes, rejectsWith } from '../assertions.js'
import type { Cases } from '../harness.js'

/** The limit of a value's size, where it is ten bytes. */
export const limitCases: Cases = {
  'a value of the greatest size is kept, and a larger one refused': async ({ storage, context, scope }) => {
    await scope.set('key', 'x'.repeat(10))
    const place = { store: storage.path, scope: scope.id, key: 'key' }
    const error = await rejectsWith('VALUE_TOO_LARGE', () => scope.set('key', 'x'.repeat(11)), place)
    assert.equal(error.kind, 'usage')
    assert.equal(error.outcome, 'none')
    assert.match(error.message, /\b11\b.*\b10\b/)
    await rejectsWith('VALUE_TOO_LARGE', () => context.setPluginStorage('key', new Uint8Array(11)))
    await rejectsWith('VALUE_TOO_LARGE', () => context.setWorkspaceStorage('key', new Uint8Array(11)))
    equalBytes(await scope.get('key'), 'x'.repeat(10))
    assert.deepEqual(await context.getWorkspaceStorageKeys(), [])
  },

  'the limit counts bytes as they are stored, not characters': async ({ scope }) => {
    await scope.set('key', 'é'.repeat(5))
    await rejectsWith('VALUE_TOO_LARGE', () => scope.set('key', 'é'.repeat(6)))
    await rejectsWith('VALUE_TOO_LARGE', () => scope.set('key', 'x'.repeat(9), { codec: 'json' }))
    assert.equal(await scope.get('key', 'text'), 'é'.repeat(5))
  },
}
