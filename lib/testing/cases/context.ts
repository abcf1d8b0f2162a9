/** What plugins know: bytes under a key, in a storage of their own and in one that they share. */

import assert from 'node:assert/strict'
import { KeyNotFoundError } from '../../index.js'
import { equalBytes, rejectsWith } from '../assertions.js'
import type { Cases } from '../harness.js'

/** The methods of `PluginContext`. */
export const contextCases: Cases = {
  'plugin storage is set, got, listed and deleted': async ({ context }) => {
    await context.setPluginStorage('user_count', Uint8Array.of(0, 255, 10))
    await context.setPluginStorage('greeting', 'grüß dich')
    equalBytes(await context.getPluginStorage('user_count'), Uint8Array.of(0, 255, 10))
    equalBytes(await context.getPluginStorage('greeting'), 'grüß dich')
    assert.deepEqual(await context.getPluginStorageKeys(), ['greeting', 'user_count'])
    await context.deletePluginStorage('greeting')
    assert.deepEqual(await context.getPluginStorageKeys(), ['user_count'])
  },

  'workspace storage is set, got, listed and deleted': async ({ context }) => {
    await context.setWorkspaceStorage('global_theme', Uint8Array.of(0, 255, 10))
    await context.setWorkspaceStorage('greeting', 'grüß dich')
    equalBytes(await context.getWorkspaceStorage('global_theme'), Uint8Array.of(0, 255, 10))
    equalBytes(await context.getWorkspaceStorage('greeting'), 'grüß dich')
    assert.deepEqual(await context.getWorkspaceStorageKeys(), ['global_theme', 'greeting'])
    await context.deleteWorkspaceStorage('greeting')
    assert.deepEqual(await context.getWorkspaceStorageKeys(), ['global_theme'])
  },

  'a codec decodes what is got': async ({ context }) => {
    await context.setPluginStorage('config', { theme: 'dark' })
    await context.setWorkspaceStorage('config', ['a'])
    assert.deepEqual(await context.getPluginStorage('config', 'json'), { theme: 'dark' })
    assert.equal(await context.getPluginStorage('config', 'text'), '{"theme":"dark"}')
    assert.deepEqual(await context.getWorkspaceStorage('config', 'json'), ['a'])
    equalBytes(await context.getWorkspaceStorage('config', 'bytes'), '["a"]')
  },

  'setStorage and getStorage keep JSON in plugin storage, a string in quotes': async ({ context }) => {
    for (const value of [42, 'text', '', null, false, [1, { a: 'b' }], { nested: { list: [] } }]) {
      await context.setStorage('value', value)
      assert.deepEqual(await context.getStorage('value'), value)
      equalBytes(await context.getPluginStorage('value'), JSON.stringify(value))
    }
    assert.deepEqual(await context.getPluginStorageKeys(), ['value'])
    assert.deepEqual(await context.getWorkspaceStorageKeys(), [])
  },

  'a missing key rejects with KeyNotFoundError when it is got or deleted': async ({ context }) => {
    for (const call of [
      () => context.getPluginStorage('absent'),
      () => context.getPluginStorage('absent', 'json'),
      () => context.deletePluginStorage('absent'),
      () => context.getWorkspaceStorage('absent'),
      () => context.deleteWorkspaceStorage('absent'),
      () => context.getStorage('absent'),
    ]) {
      const error = await rejectsWith('KEY_NOT_FOUND', call, { key: 'absent' })
      assert.ok(error instanceof KeyNotFoundError)
      assert.equal(error.kind, 'missing')
      assert.equal(error.name, 'KeyNotFoundError')
    }
  },

  'a deleted key is missing, and can be set again': async ({ context }) => {
    await context.setPluginStorage('key', 'first')
    await context.deletePluginStorage('key')
    await rejectsWith('KEY_NOT_FOUND', () => context.getPluginStorage('key'))
    await rejectsWith('KEY_NOT_FOUND', () => context.deletePluginStorage('key'))
    await context.setPluginStorage('key', 'second')
    equalBytes(await context.getPluginStorage('key'), 'second')
  },

  'setting and deleting resolve to nothing': async ({ context }) => {
    assert.equal(await context.setPluginStorage('key', 'value'), undefined)
    assert.equal(await context.setWorkspaceStorage('key', 'value'), undefined)
    assert.equal(await context.deletePluginStorage('key'), undefined)
    assert.equal(await context.deleteWorkspaceStorage('key'), undefined)
    assert.equal(await context.setStorage('key', 1), undefined)
  },

  'a storage that was never written is empty, and is missing every key': async ({ context }) => {
    for (const scope of [context.storage, context.workspace]) {
      assert.deepEqual(await scope.keys(), [])
      assert.deepEqual(await scope.usage(), { keys: 0, bytes: 0 })
      assert.equal(await scope.clear(), 0)
      assert.equal(await scope.find('key'), undefined)
      assert.equal(await scope.find('key', 'json'), undefined)
      assert.equal(await scope.entry('key'), undefined)
      assert.equal(await scope.has('key'), false)
      assert.equal(await scope.delete('key'), false)
      await rejectsWith('KEY_NOT_FOUND', () => scope.get('key'))
    }
  },

  'the context and its scopes are one storage': async ({ context }) => {
    await context.setPluginStorage('own', '1')
    await context.workspace.set('ours', '2')
    equalBytes(await context.storage.get('own'), '1')
    equalBytes(await context.getWorkspaceStorage('ours'), '2')
    assert.equal(await context.storage.delete('own'), true)
    await rejectsWith('KEY_NOT_FOUND', () => context.getPluginStorage('own'))
  },
}
