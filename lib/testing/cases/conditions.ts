/** Writes that depend on what is there. */

import assert from 'node:assert/strict'
import { ConflictError, type Scope } from '../../index.js'
import { equalBytes, rejectsWith } from '../assertions.js'
import type { Cases } from '../harness.js'

async function versionOf(scope: Scope, key: string): Promise<string | undefined> {
  return (await scope.entry(key))?.version
}

async function conflictOf(call: Promise<unknown>): Promise<ConflictError> {
  const error = await call.then(
    () => undefined,
    (failure: unknown) => failure,
  )
  assert.ok(error instanceof ConflictError, `rejects with ConflictError, not with ${String(error)}`)
  assert.deepEqual([error.code, error.kind, error.outcome], ['CONFLICT', 'contention', 'none'])
  return error
}

/** Compare-and-set. */
export const conditionCases: Cases = {
  'ifVersion sets and deletes only what has that version': async ({ scope }) => {
    const first = await scope.set('key', 'one')
    const second = await scope.set('key', 'two', { ifVersion: first })
    assert.equal(second, await versionOf(scope, 'key'))
    const conflict = await conflictOf(scope.set('key', 'three', { ifVersion: first }))
    assert.equal(conflict.version, second)
    assert.equal((await conflictOf(scope.delete('key', { ifVersion: first }))).version, second)
    equalBytes(await scope.get('key'), 'two')
    assert.equal(await scope.delete('key', { ifVersion: second }), true)
    assert.equal((await conflictOf(scope.set('key', 'four', { ifVersion: second }))).version, undefined)
    assert.equal(await scope.has('key'), false)
  },

  'ifAbsent sets only a key that holds no value': async ({ scope }) => {
    const version = await scope.set('key', 'one', { ifAbsent: true })
    assert.equal((await conflictOf(scope.set('key', 'two', { ifAbsent: true }))).version, version)
    await scope.delete('key')
    await scope.set('key', 'three', { ifAbsent: true })
    equalBytes(await scope.get('key'), 'three')
  },

  'of many who set an absent key at once one wins': async ({ scope, openAgain }) => {
    const other = (await openAgain()).workspace().plugin('acme/weather').storage
    const calls = Array.from({ length: 20 }, (_, index) =>
      (index % 2 === 0 ? scope : other).set('key', `value ${index}`, { ifAbsent: true }),
    )
    const outcomes = await Promise.allSettled(calls)
    const winners = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
    assert.deepEqual(winners, [await versionOf(scope, 'key')])
  },

  'a condition that does not hold leaves the writes beside it alone': async ({ scope }) => {
    const version = await scope.set('key', 'old')
    await scope.set('key', 'older', { ifVersion: version })
    const [before, refused, after] = await Promise.allSettled([
      scope.set('key', 'before'),
      scope.set('key', 'refused', { ifVersion: version }),
      scope.set('other', 'after'),
    ])
    assert.deepEqual([before.status, refused.status, after.status], ['fulfilled', 'rejected', 'fulfilled'])
    equalBytes(await scope.get('key'), 'before')
    assert.deepEqual(await scope.keys(), ['key', 'other'])
  },

  'conditions that make no sense are refused': async ({ scope }) => {
    await rejectsWith('INVALID_OPTION', () => scope.set('key', 'value', { ifVersion: 'x', ifAbsent: true }))
    await rejectsWith('INVALID_OPTION', () =>
      scope.set('key', 'value', { ifVersion: 7 as unknown as string }),
    )
  },
}
