/** What plugins and workspaces share, and what they do not. */

import assert from 'node:assert/strict'
import { equalBytes, rejectsWith } from '../assertions.js'
import type { Cases } from '../harness.js'

/** Scopes beside each other. */
export const isolationCases: Cases = {
  'two plugins hold different values under one key': async ({ storage }) => {
    const one = storage.workspace().plugin('one')
    const two = storage.workspace().plugin('two')
    await one.setPluginStorage('key', '1')
    await rejectsWith('KEY_NOT_FOUND', () => two.getPluginStorage('key'))
    await two.setPluginStorage('key', '2')
    equalBytes(await one.getPluginStorage('key'), '1')
    await two.deletePluginStorage('key')
    assert.deepEqual(await one.getPluginStorageKeys(), ['key'])
    assert.deepEqual(await two.getPluginStorageKeys(), [])
  },

  'all plugins of a workspace, and the host, share its storage': async ({ storage }) => {
    const workspace = storage.workspace()
    await workspace.plugin('one').setWorkspaceStorage('key', 'from one')
    equalBytes(await workspace.plugin('two').getWorkspaceStorage('key'), 'from one')
    await workspace.shared.set('key', 'from the host')
    equalBytes(await workspace.plugin('one').getWorkspaceStorage('key'), 'from the host')
    await workspace.plugin('two').deleteWorkspaceStorage('key')
    assert.equal(await workspace.shared.has('key'), false)
  },

  'plugin storage and workspace storage do not meet': async ({ context }) => {
    await context.setPluginStorage('key', 'own')
    await context.setWorkspaceStorage('key', 'ours')
    equalBytes(await context.getPluginStorage('key'), 'own')
    await context.deleteWorkspaceStorage('key')
    equalBytes(await context.getPluginStorage('key'), 'own')
  },

  'two workspaces share nothing, though their plugins have the same ids': async ({ storage }) => {
    const home = storage.workspace('home').plugin('plugin')
    const work = storage.workspace('work').plugin('plugin')
    await home.setPluginStorage('key', 'home')
    await home.setWorkspaceStorage('key', 'shared at home')
    assert.deepEqual(await work.getPluginStorageKeys(), [])
    assert.deepEqual(await work.getWorkspaceStorageKeys(), [])
    await work.setPluginStorage('key', 'work')
    await work.setWorkspaceStorage('key', 'shared at work')
    equalBytes(await home.getPluginStorage('key'), 'home')
    equalBytes(await home.getWorkspaceStorage('key'), 'shared at home')
  },

  'two contexts of one plugin are one storage': async ({ storage, context }) => {
    await context.setPluginStorage('key', 'value')
    const again = storage.workspace('default').plugin(context.pluginId)
    equalBytes(await again.getPluginStorage('key'), 'value')
  },

  'clearing a scope leaves the others': async ({ storage, context }) => {
    const neighbour = storage.workspace().plugin(`${context.pluginId}/more`)
    for (const scope of [context.storage, context.workspace, neighbour.storage])
      await scope.set('key', 'value')
    assert.equal(await context.storage.clear(), 1)
    assert.deepEqual(await context.workspace.keys(), ['key'])
    assert.deepEqual(await neighbour.storage.keys(), ['key'])
  },

  'plugins and workspaces are listed once they have written, in order of code point': async ({ storage }) => {
    assert.deepEqual(await storage.workspaces(), [])
    assert.deepEqual(await storage.workspace('b').plugins(), [])
    for (const id of ['😀', '\uff5e', 'Zoo', 'apple']) {
      await storage.workspace('b').plugin(id).setPluginStorage('key', 'value')
    }
    await storage.workspace('a').shared.set('key', 'value')
    assert.deepEqual(await storage.workspaces(), ['a', 'b'])
    assert.deepEqual(await storage.workspace('a').plugins(), [])
    assert.deepEqual(await storage.workspace('b').plugins(), ['Zoo', 'apple', '\uff5e', '😀'])
  },

  'a scope stays what it is, whatever a plugin does to its name': async ({ storage, context }) => {
    const victim = storage.workspace().plugin('victim')
    await victim.setPluginStorage('key', 'private')
    Reflect.set(context.workspace.id, 'plugin', 'victim')
    await rejectsWith('KEY_NOT_FOUND', () => context.getWorkspaceStorage('key'))
    await context.setWorkspaceStorage('key', 'shared')
    equalBytes(await victim.getPluginStorage('key'), 'private')
    equalBytes(await storage.workspace().shared.get('key'), 'shared')
  },
}
