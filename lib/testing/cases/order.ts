/** The order of writes that are not awaited one by one, and what reads see beside them. */

import assert from 'node:assert/strict'
import { equalBytes } from '../assertions.js'
import type { Cases } from '../harness.js'

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index)
}

/** Many calls at once. */
export const orderCases: Cases = {
  '200 keys set at once are all there': async ({ scope }) => {
    await Promise.all(numbers(200).map((number) => scope.set(`key_${number}`, number)))
    assert.equal((await scope.keys()).length, 200)
    for (const number of numbers(200)) assert.equal(await scope.get(`key_${number}`, 'json'), number)
  },

  'of 100 sets of one key at once the last that was called wins': async ({ scope }) => {
    const versions = await Promise.all(numbers(100).map((number) => scope.set('key', number)))
    assert.equal(await scope.get('key', 'json'), 99)
    assert.equal((await scope.entry('key'))?.version, versions.at(-1))
  },

  'set, delete and set in one tick take effect in their order': async ({ scope }) => {
    const results = await Promise.all([
      scope.delete('key'),
      scope.set('key', 'first'),
      scope.delete('key'),
      scope.delete('key'),
      scope.set('key', 'second'),
    ])
    assert.deepEqual([results[0], results[2], results[3]], [false, true, false])
    equalBytes(await scope.get('key'), 'second')
    assert.equal((await scope.entry('key'))?.version, results[4])
  },

  'two deletes of one key in one tick delete it, and only the first finds it': async ({ scope }) => {
    await scope.set('key', 'earlier')
    assert.deepEqual(await Promise.all([scope.delete('key'), scope.delete('key')]), [true, false])
    assert.equal(await scope.has('key'), false)
  },

  'set and delete in one tick leave nothing': async ({ scope }) => {
    await scope.set('key', 'earlier')
    await Promise.all([scope.set('key', 'later'), scope.delete('key')])
    assert.equal(await scope.has('key'), false)
    assert.deepEqual(await scope.keys(), [])
  },

  'writes of many scopes at once all take effect': async ({ storage }) => {
    const scopes = numbers(20).map(
      (number) => storage.workspace(`w${number % 4}`).plugin(`p${number}`).storage,
    )
    await Promise.all(scopes.flatMap((scope) => numbers(5).map((key) => scope.set(`key_${key}`, scope.path))))
    for (const scope of scopes) {
      assert.deepEqual(await scope.usage(), { keys: 5, bytes: 5 * Buffer.byteLength(scope.path) })
    }
  },

  'a read sees every write that resolved before': async ({ scope }) => {
    for (const number of numbers(30)) {
      await scope.set('key', number)
      assert.equal(await scope.get('key', 'json'), number)
      assert.equal(await scope.has('key'), true)
      if (number % 3 > 0) continue
      await scope.delete('key')
      assert.equal(await scope.find('key'), undefined)
      assert.deepEqual(await scope.keys(), [])
    }
  },

  'a read beside writes sees an earlier or a later value, whole': async ({ scope }) => {
    const values = numbers(10).map((number) => new Uint8Array(100_000 + number).fill(number))
    await scope.set('key', values[0])
    let isWriting = true
    const writing = (async () => {
      for (const value of values) await scope.set('key', value)
    })().finally(() => {
      isWriting = false
    })
    let latest = 0
    while (isWriting) {
      const bytes = await scope.get('key')
      const seen = bytes[0] as number
      equalBytes(bytes, values[seen] as Uint8Array)
      assert.ok(seen >= latest, `Value ${seen} was read after ${latest}.`)
      latest = seen
      await new Promise(setImmediate)
    }
    await writing
  },

  'a failed write does not hold up those behind it': async ({ scope }) => {
    const outcomes = await Promise.allSettled([
      scope.set('a', 'value'),
      scope.set('b', undefined),
      scope.set('', 'value'),
      scope.set('c', 'value'),
    ])
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
    )
    assert.deepEqual(await scope.keys(), ['a', 'c'])
  },
}
