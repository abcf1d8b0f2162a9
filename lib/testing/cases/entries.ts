/** Entries, one by one. */

import assert from 'node:assert/strict'
import type { Entry } from '../../index.js'
import { equalBytes } from '../assertions.js'
import type { Cases } from '../harness.js'
import { setAll } from './set-all.js'

async function keysOf(entries: AsyncIterable<Entry<unknown>>): Promise<string[]> {
  const keys: string[] = []
  for await (const entry of entries) keys.push(entry.key)
  return keys
}

/** `Scope.entries`. */
export const entriesCases: Cases = {
  'entries are those of the keys, in their order': async ({ scope }) => {
    await setAll(scope, ['b', '😀', 'a', '\uff5e'])
    const expected = await scope.keys()
    for await (const entry of scope.entries()) {
      assert.equal(entry.key, expected.shift())
      equalBytes(entry.value, entry.key)
      assert.deepEqual(entry, await scope.entry(entry.key))
    }
    assert.deepEqual(expected, [])
  },

  'prefix, after and limit choose entries as they choose keys': async ({ scope }) => {
    await setAll(scope, ['a1', 'a2', 'a3', 'b1'])
    assert.deepEqual(await keysOf(scope.entries({ prefix: 'a' })), ['a1', 'a2', 'a3'])
    assert.deepEqual(await keysOf(scope.entries({ prefix: 'a', after: 'a1', limit: 1 })), ['a2'])
    assert.deepEqual(await keysOf(scope.entries({ limit: 0 })), [])
    assert.deepEqual(await keysOf(scope.entries({ after: 'b1' })), [])
  },

  'a stat is an entry without its value': async ({ scope }) => {
    await setAll(scope, ['a'])
    const { value: _, ...stat } = (await scope.entry('a')) ?? {}
    assert.deepEqual(await scope.stat('a'), stat)
    assert.equal(await scope.stat('missing'), undefined)
  },

  'a codec decodes the values': async ({ scope }) => {
    await scope.set('a', { n: 1 })
    await scope.set('b', [2])
    const values: unknown[] = []
    for await (const { value } of scope.entries({ codec: 'json' })) values.push(value)
    assert.deepEqual(values, [{ n: 1 }, [2]])
  },

  'an entry is read when it is asked for': async ({ scope }) => {
    await setAll(scope, ['a', 'b', 'c'])
    const entries = scope.entries({ codec: 'text' })
    assert.equal((await entries.next()).value?.value, 'a')
    await scope.set('b', 'newer')
    assert.equal((await entries.next()).value?.value, 'newer')
  },

  'a key that is deleted meanwhile is passed over, and does not count': async ({ scope }) => {
    await setAll(scope, ['a', 'b', 'c', 'd', 'e'])
    const entries = scope.entries({ limit: 3 })
    const first = await entries.next()
    await scope.delete('b')
    await scope.delete('d')
    assert.deepEqual([first.value?.key, ...(await keysOf(entries))], ['a', 'c', 'e'])
  },

  'one may stop before the end, and list again': async ({ scope }) => {
    await setAll(scope, ['a', 'b', 'c'])
    const seen: string[] = []
    for await (const entry of scope.entries()) {
      seen.push(entry.key)
      if (entry.key === 'b') break
    }
    assert.deepEqual(seen, ['a', 'b'])
    assert.deepEqual(await keysOf(scope.entries()), ['a', 'b', 'c'])
    await scope.set('d', 'still writable')
  },

  'keys may be set and deleted in the loop over them': async ({ scope }) => {
    await setAll(scope, ['a', 'b', 'c'])
    for await (const entry of scope.entries()) {
      await scope.set(`${entry.key}_copy`, entry.value)
      await scope.delete(entry.key)
    }
    assert.deepEqual(await scope.keys(), ['a_copy', 'b_copy', 'c_copy'])
    equalBytes(await scope.get('b_copy'), 'b')
  },
}
