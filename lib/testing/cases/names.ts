/** What may be a key, a plugin id or a workspace name; and that no two of them meet, however odd they are. */

import assert from 'node:assert/strict'
import { equalBytes, rejectsWith, throwsWith } from '../assertions.js'
import { callsWithKey } from '../calls.js'
import type { Cases, Subject } from '../harness.js'
import { INVALID_NAMES, LONG_NAMES, NOT_NAMES, ODD_NAMES, sortNames } from '../odd-names.js'
import { setAll } from './set-all.js'

/** A path as the least exact of filesystems compares it. */
function foldPath(path: string): string {
  return path.normalize('NFC').toLowerCase()
}

/** The names of the folders that lead from the store to a scope. */
function foldersBelow({ storage }: Subject, path: string): string[] {
  assert.ok(path.startsWith(storage.path), `${path} should be inside ${storage.path}.`)
  return path.slice(storage.path.length + 1).split(/[\\/]/)
}

/** Names of every kind. */
export const nameCases: Cases = {
  'odd keys are kept apart, listed as they were set, and deleted one by one': async ({ scope }) => {
    await setAll(scope, ODD_NAMES)
    assert.deepEqual(await scope.keys(), sortNames(ODD_NAMES))
    for (const key of ODD_NAMES) equalBytes(await scope.get(key), key)
    for (const key of ODD_NAMES) assert.equal(await scope.has(key), true)
    const [first, ...rest] = ODD_NAMES as [string, ...string[]]
    assert.equal(await scope.delete(first), true)
    assert.deepEqual(await scope.keys(), sortNames(rest))
  },

  'an odd key that is not there is missing, whichever of its like are': async ({ scope }) => {
    for (const [index, key] of ODD_NAMES.entries()) {
      assert.equal(await scope.has(key), false, `${JSON.stringify(key)} should be missing.`)
      if (index % 2 === 0) await scope.set(key, key)
    }
    assert.equal((await scope.keys()).length, Math.ceil(ODD_NAMES.length / 2))
  },

  'the path of a key leads back to it, and no other path does': async ({ storage, scope, context }) => {
    for (const key of ODD_NAMES) {
      assert.deepEqual(storage.locate(scope.pathOf(key)), { scope: scope.id, key })
      const other = storage.workspace(key).shared
      assert.deepEqual(storage.locate(other.pathOf(key)), { scope: { workspace: key }, key })
    }
    const { path } = context.workspace
    const others = [
      path,
      `${path}/.hidden`,
      `${path}/NAME`,
      `${path}/a/b`,
      storage.path,
      `${storage.path}/..`,
    ]
    for (const other of others) assert.equal(storage.locate(other), undefined, other)
  },

  'plugins with odd ids are kept apart, and listed': async ({ storage }) => {
    const workspace = storage.workspace()
    await Promise.all(ODD_NAMES.map((id) => workspace.plugin(id).setPluginStorage('key', id)))
    await workspace.shared.set('key', 'shared')
    assert.deepEqual(await workspace.plugins(), sortNames(ODD_NAMES))
    for (const id of ODD_NAMES) equalBytes(await workspace.plugin(id).getPluginStorage('key'), id)
    equalBytes(await workspace.shared.get('key'), 'shared')
  },

  'workspaces with odd names are kept apart, and listed': async ({ storage }) => {
    await Promise.all(ODD_NAMES.map((name) => storage.workspace(name).shared.set('key', name)))
    assert.deepEqual(await storage.workspaces(), sortNames(ODD_NAMES))
    for (const name of ODD_NAMES) equalBytes(await storage.workspace(name).shared.get('key'), name)
  },

  'the folder of a scope is inside the store, at its own place': async (subject) => {
    const { storage } = subject
    const paths = ODD_NAMES.flatMap((name) => [
      storage.workspace(name).shared.path,
      storage.workspace(name).plugin('plugin').storage.path,
      storage.workspace().plugin(name).storage.path,
    ])
    for (const path of paths) {
      const folders = foldersBelow(subject, path)
      assert.ok(folders.length === 2 || folders.length === 3, `${path} should be two or three folders deep.`)
      assert.ok(folders.every((folder) => !/^\.{0,2}$/.test(folder)))
      assert.notEqual(folders[0], '.plainkeep')
    }
    assert.equal(new Set(paths.map(foldPath)).size, paths.length)
  },

  'the longest key is kept, and a longer one is refused': async ({ scope }) => {
    const keys = ['k'.repeat(255), '/'.repeat(85), `${'é'.repeat(127)}a`, '😀'.repeat(21)]
    await setAll(scope, keys)
    assert.deepEqual(await scope.keys(), sortNames(keys))
    for (const key of keys) await rejectsWith('KEY_TOO_LONG', () => scope.set(`${key}kkkk`, 'value'))
    assert.deepEqual(await scope.keys(), sortNames(keys))
  },

  'no call takes a key that is too long': async ({ context }) => {
    for (const call of Object.values(callsWithKey(context))) {
      for (const key of LONG_NAMES) await rejectsWith('KEY_TOO_LONG', () => call(key))
    }
    assert.deepEqual(await context.getPluginStorageKeys(), [])
  },

  'no call takes an empty key, half of a surrogate pair, or what is no string': async ({ context }) => {
    for (const call of Object.values(callsWithKey(context))) {
      for (const key of [...INVALID_NAMES, ...NOT_NAMES, undefined]) {
        const error = await rejectsWith('INVALID_KEY', () => call(key as string))
        assert.equal(error.kind, 'usage')
      }
    }
    assert.deepEqual(await context.getPluginStorageKeys(), [])
    assert.deepEqual(await context.getWorkspaceStorageKeys(), [])
  },

  'plugin ids and workspace names obey the rules of keys, at once': async ({ storage }) => {
    const workspace = storage.workspace()
    for (const name of [...INVALID_NAMES, ...NOT_NAMES]) {
      throwsWith('INVALID_KEY', () => storage.workspace(name as string))
      throwsWith('INVALID_KEY', () => workspace.plugin(name as string))
    }
    for (const name of LONG_NAMES) {
      throwsWith('KEY_TOO_LONG', () => storage.workspace(name))
      throwsWith('KEY_TOO_LONG', () => workspace.plugin(name))
    }
  },

  'a plugin without an id is refused, not given the shared storage for its own': async ({ storage }) => {
    throwsWith('INVALID_KEY', () => storage.workspace().plugin(undefined as unknown as string))
  },

  'a refused key says how long it may be in one short sentence': async ({ scope }) => {
    const error = await rejectsWith('KEY_TOO_LONG', () => scope.set('k'.repeat(10_000), 'value'))
    assert.ok(error.message.includes('255') && error.message.length < 300, error.message)
  },
}
