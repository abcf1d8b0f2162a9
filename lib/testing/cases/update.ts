/** Changing a value in one step. */

import assert from 'node:assert/strict'
import { equalBytes, rejectionOf, rejectsWith } from '../assertions.js'
import type { Cases } from '../harness.js'

/** Atomic updates. */
export const updateCases: Cases = {
  'an update is given the value and gives the new one; undefined stands for no value': async ({ scope }) => {
    const add = (count: unknown): number => Number(count ?? 0) + 1
    assert.equal(await scope.update('count', add, { codec: 'json' }), 1)
    assert.equal(await scope.update('count', async (count) => add(count), { codec: 'json' }), 2)
    equalBytes(await scope.get('count'), '2')
    assert.equal(await scope.update('count', () => undefined, { codec: 'json' }), undefined)
    assert.equal(await scope.has('count'), false)
    assert.equal(await scope.update('count', () => undefined), undefined)
  },

  'an update without a codec is given bytes': async ({ scope }) => {
    await scope.set('key', 'one')
    await scope.update('key', (bytes) => new Uint8Array([...(bytes ?? []), 33]))
    equalBytes(await scope.get('key'), 'one!')
  },

  'updates at once are made one after another': async ({ scope, openAgain }) => {
    const other = (await openAgain()).workspace().plugin('acme/weather').storage
    const calls = Array.from({ length: 60 }, (_, index) =>
      (index % 2 === 0 ? scope : other).update('count', (count) => Number(count ?? 0) + 1, { codec: 'json' }),
    )
    const results = (await Promise.all(calls)).sort((left, right) => left - right)
    assert.deepEqual(
      results,
      Array.from({ length: 60 }, (_, index) => index + 1),
    )
    assert.equal(await scope.get('count', 'json'), 60)
  },

  'an update that throws changes nothing and passes its error on': async ({ scope }) => {
    await scope.set('key', 'value')
    const reason = new Error('not today')
    const failing = (): Promise<unknown> =>
      scope.update('key', () => {
        throw reason
      })
    assert.equal(await rejectionOf(failing), reason)
    await rejectsWith('INVALID_VALUE', () => scope.update('key', () => Number.NaN as never))
    await rejectsWith('DECODE_FAILED', () => scope.update('key', () => 1, { codec: 'json' }))
    equalBytes(await scope.get('key'), 'value')
  },
}
