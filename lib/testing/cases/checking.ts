/** Checking and repairing a store that is as it should be. */

import assert from 'node:assert/strict'
import type { Cases } from '../harness.js'

/** A check finds nothing where nothing is wrong, and a repair changes nothing there. */
export const checkingCases: Cases = {
  'a store that is used is sound, and a check counts what it holds': async ({ storage, context }) => {
    await context.setPluginStorage('Key with capitals', 'value')
    await context.setPluginStorage('large', new Uint8Array(100_000))
    await context.setWorkspaceStorage('empty', '')
    const { isSound, findings, counts, scopes, keys, bytes } = await storage.check()
    assert.deepEqual(
      { isSound, findings, counts, scopes, keys, bytes },
      { isSound: true, findings: [], counts: {}, scopes: 2, keys: 3, bytes: 100_005 },
    )
  },

  'a repair of a sound store leaves everything as it is': async ({ storage, scope }) => {
    const version = await scope.set('key', 'value')
    const { repaired, left, check } = await storage.repair()
    assert.deepEqual([repaired, left, check.isSound], [[], [], true])
    assert.equal((await scope.entry('key'))?.version, version)
  },

  'a check beside writes finds nothing': async ({ storage, scope }) => {
    const writing = Array.from({ length: 50 }, (_, index) => scope.set(`key-${index % 10}`, `${index}`))
    for (let round = 0; round < 5; round += 1) assert.deepEqual((await storage.check()).findings, [])
    await Promise.all(writing)
    assert.equal((await storage.check()).keys, 10)
  },

  'an aborted check rejects with the reason of its signal': async ({ storage }) => {
    const reason = new Error('enough')
    await assert.rejects(storage.check({ signal: AbortSignal.abort(reason) }), reason)
    await assert.rejects(storage.repair({ signal: AbortSignal.abort(reason) }), reason)
  },
}
