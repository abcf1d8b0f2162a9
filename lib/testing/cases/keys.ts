/** Listing keys, counting them, and deleting all of them. */

import assert from 'node:assert/strict'
import { equalBytes } from '../assertions.js'
import type { Cases } from '../harness.js'
import { ODD_NAMES, sortNames } from '../odd-names.js'
import { setAll } from './set-all.js'

/** `Scope.keys`, `Scope.usage` and `Scope.clear`. */
export const keysCases: Cases = {
  'keys are sorted by code point, whatever the order in which they were set': async ({ scope }) => {
    // U+1F600 is written with surrogates, which sort before U+FF5E as UTF-16 does and behind it as code points do.
    const sorted = [
      '10',
      '9',
      'B',
      '_',
      'a',
      'aa',
      'b',
      'é',
      '\uff5e',
      '\uff5ea',
      '\u{1f600}',
      '\u{1f600}\uff5e',
    ]
    await setAll(scope, sorted.toReversed())
    assert.deepEqual(await scope.keys(), sorted)
    await scope.delete('a')
    await scope.set('a', 'again')
    assert.deepEqual(await scope.keys(), sorted)
  },

  'a prefix keeps the keys that begin with it': async ({ scope }) => {
    await setAll(scope, ['pref_a', 'pref_b', 'pref', 'Pref_c', 'a_pref_', 'pre%5F'])
    assert.deepEqual(await scope.keys({ prefix: 'pref_' }), ['pref_a', 'pref_b'])
    assert.deepEqual(await scope.keys({ prefix: 'pref' }), ['pref', 'pref_a', 'pref_b'])
    assert.deepEqual(await scope.keys({ prefix: 'pre%' }), ['pre%5F'])
    assert.deepEqual(await scope.keys({ prefix: 'absent' }), [])
    assert.equal((await scope.keys({ prefix: '' })).length, 6)
  },

  'after keeps the keys that sort behind it, present or not': async ({ scope }) => {
    await setAll(scope, ['a', 'b', 'c', '\uff5e', '😀'])
    assert.deepEqual(await scope.keys({ after: 'b' }), ['c', '\uff5e', '😀'])
    assert.deepEqual(await scope.keys({ after: 'bb' }), ['c', '\uff5e', '😀'])
    assert.deepEqual(await scope.keys({ after: '\uff5e' }), ['😀'])
    assert.deepEqual(await scope.keys({ after: '😀' }), [])
    assert.deepEqual(await scope.keys({ after: '' }), ['a', 'b', 'c', '\uff5e', '😀'])
  },

  'a limit keeps the first so many': async ({ scope }) => {
    await setAll(scope, ['a', 'b', 'c'])
    assert.deepEqual(await scope.keys({ limit: 0 }), [])
    assert.deepEqual(await scope.keys({ limit: 2 }), ['a', 'b'])
    assert.deepEqual(await scope.keys({ limit: 3 }), ['a', 'b', 'c'])
    assert.deepEqual(await scope.keys({ limit: 100 }), ['a', 'b', 'c'])
  },

  'prefix, after and limit hold together': async ({ scope }) => {
    await setAll(scope, ['a1', 'a2', 'a3', 'a4', 'b1', 'b2'])
    assert.deepEqual(await scope.keys({ prefix: 'a', after: 'a1', limit: 2 }), ['a2', 'a3'])
    assert.deepEqual(await scope.keys({ prefix: 'a', after: 'a4', limit: 2 }), [])
    assert.deepEqual(await scope.keys({ prefix: 'b', after: 'a1', limit: 1 }), ['b1'])
  },

  'pages give together all keys, each once': async ({ scope }) => {
    await setAll(scope, ODD_NAMES)
    const paged: string[] = []
    for (let page = await scope.keys({ limit: 7 }); page.length > 0; ) {
      assert.ok(paged.length < ODD_NAMES.length, 'There are more pages than keys.')
      paged.push(...page)
      page = await scope.keys({ limit: 7, after: page.at(-1) })
    }
    assert.deepEqual(paged, sortNames(ODD_NAMES))
  },

  'usage counts keys and the bytes of their values': async ({ scope }) => {
    await scope.set('empty', '')
    await scope.set('two', 'é')
    await scope.set('three', 'abc')
    assert.deepEqual(await scope.usage(), { keys: 3, bytes: 5 })
    await scope.set('three', 'a')
    await scope.delete('two')
    assert.deepEqual(await scope.usage(), { keys: 2, bytes: 1 })
  },

  'clear deletes all keys and says how many': async ({ scope }) => {
    await setAll(scope, ODD_NAMES)
    assert.equal(await scope.clear(), ODD_NAMES.length)
    assert.deepEqual(await scope.keys(), [])
    assert.equal(await scope.clear(), 0)
  },

  'clear with a prefix deletes the keys that begin with it': async ({ scope }) => {
    await setAll(scope, ['pref_a', 'pref_b', 'Pref_c', 'other'])
    assert.equal(await scope.clear({ prefix: 'pref_' }), 2)
    assert.deepEqual(await scope.keys(), ['Pref_c', 'other'])
    assert.equal(await scope.clear({ prefix: 'pref_' }), 0)
  },

  'a key that is neither set nor deleted is in every listing': async ({ scope }) => {
    const steady = Array.from({ length: 50 }, (_, index) => `steady_${index}`)
    await setAll(scope, steady)
    const writing = Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        await scope.set(`moving_${index}`, 'value')
        await scope.delete(`moving_${index}`)
      }),
    )
    for (let round = 0; round < 20; round += 1) {
      assert.equal((await scope.keys({ prefix: 'steady_' })).length, steady.length)
    }
    await writing
    equalBytes(await scope.get('steady_0'), 'steady_0')
  },
}
