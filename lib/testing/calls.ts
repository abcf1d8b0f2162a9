/** Every call of the public interface that reaches the store, for what holds of all of them. */

import type { PluginContext, Storage } from '../index.js'

/** Calls by their names. */
export type Calls<Arguments extends unknown[]> = Readonly<
  Record<string, (...values: Arguments) => Promise<unknown>>
>

/** The calls that take a key. */
export function callsWithKey(context: PluginContext): Calls<[key: string]> {
  const { storage } = context
  return {
    'Scope.get': (key) => storage.get(key),
    'Scope.find': (key) => storage.find(key),
    'Scope.entry': (key) => storage.entry(key),
    'Scope.stat': (key) => storage.stat(key),
    'Scope.has': (key) => storage.has(key),
    'Scope.set': (key) => storage.set(key, 'value'),
    'Scope.delete': (key) => storage.delete(key),
    setPluginStorage: (key) => context.setPluginStorage(key, 'value'),
    getPluginStorage: (key) => context.getPluginStorage(key),
    deletePluginStorage: (key) => context.deletePluginStorage(key),
    setWorkspaceStorage: (key) => context.setWorkspaceStorage(key, 'value'),
    getWorkspaceStorage: (key) => context.getWorkspaceStorage(key),
    deleteWorkspaceStorage: (key) => context.deleteWorkspaceStorage(key),
    setStorage: (key) => context.setStorage(key, 'value'),
    getStorage: (key) => context.getStorage(key),
  }
}

/** The calls that take none. */
export function callsWithoutKey(storage: Storage, context: PluginContext): Calls<[]> {
  const scope = context.storage
  return {
    'Scope.keys': () => scope.keys(),
    'Scope.entries': () => scope.entries().next(),
    'Scope.clear': () => scope.clear(),
    'Scope.usage': () => scope.usage(),
    getPluginStorageKeys: () => context.getPluginStorageKeys(),
    getWorkspaceStorageKeys: () => context.getWorkspaceStorageKeys(),
    'Workspace.plugins': () => storage.workspace().plugins(),
    'Storage.workspaces': () => storage.workspaces(),
    'Storage.check': () => storage.check(),
    'Storage.repair': () => storage.repair(),
  }
}
