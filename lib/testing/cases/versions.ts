/** Versions: a value that was not changed has one, and no two changes share one. */

import assert from 'node:assert/strict'
import type { Scope } from '../../index.js'
import type { Cases } from '../harness.js'

async function versionOf(scope: Scope, key: string): Promise<string> {
  const entry = await scope.entry(key)
  assert.ok(entry !== undefined, `${key} should be there.`)
  return entry.version
}

/** What versions promise. */
export const versionCases: Cases = {
  'a set gives the version that the entry then has': async ({ scope }) => {
    const version = await scope.set('key', 'value')
    assert.equal(typeof version, 'string')
    assert.notEqual(version, '')
    assert.equal(await versionOf(scope, 'key'), version)
  },

  'each set gives a new version, also of the same bytes': async ({ scope }) => {
    const versions = new Set<string>()
    for (let round = 0; round < 20; round += 1) versions.add(await scope.set('key', 'same'))
    assert.equal(versions.size, 20)
    assert.equal(await versionOf(scope, 'key'), [...versions].at(-1))
  },

  'a version never returns after a delete': async ({ scope }) => {
    const versions = new Set<string>()
    for (let round = 0; round < 20; round += 1) {
      versions.add(await scope.set('key', 'same'))
      await scope.delete('key')
    }
    assert.equal(versions.size, 20)
  },

  'a version stays while its entry is only read and others change': async ({ scope }) => {
    const version = await scope.set('key', 'value')
    await scope.get('key')
    await scope.set('other', 'value')
    await scope.delete('other')
    await scope.keys()
    assert.equal(await versionOf(scope, 'key'), version)
  },

  'an entry has its key, value, size and time': async ({ scope }) => {
    await scope.set('first', 'é')
    await scope.set('second', 'value')
    const first = await scope.entry('first')
    const second = await scope.entry('second', 'text')
    assert.deepEqual(Object.keys(second ?? {}).sort(), ['key', 'modifiedAt', 'size', 'value', 'version'])
    assert.equal(second?.key, 'second')
    assert.equal(second?.value, 'value')
    assert.equal(first?.size, 2)
    assert.ok(first.modifiedAt instanceof Date)
    assert.ok(second !== undefined && first.modifiedAt <= second.modifiedAt)
  },
}
