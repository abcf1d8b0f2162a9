/** Which store, which scope: what all commands have in common. */

import { resolve } from 'node:path'
import { openStorage, type Scope, type ScopeId, type Storage } from '../index.js'
import { CommandError } from './exit.js'
import { findNearestStore, isStore } from './files.js'
import type { Terminal } from './terminal.js'

/** The options that every command has. */
export interface StoreOptions {
  readonly store?: string
  readonly workspace?: string
  readonly json?: boolean
  /** Seconds. */
  readonly wait?: number
}

/** More than any value may have: what a command is given is stored, whatever the limits of others are. */
const VALUE_BYTES = 0xffffffff

/** The folder of the store: `--store`, `PLAINKEEP_STORE`, or the nearest one. Throws if none is there. */
export function findStore({ env }: Terminal, options: StoreOptions): string {
  const named = options.store ?? (env.PLAINKEEP_STORE || undefined)
  const folder = named === undefined ? findNearestStore('.') : resolve(named)
  if (folder !== undefined && isStore(folder)) return folder
  const what =
    folder === undefined ? 'There is no store here or in a folder above' : `There is no store in ${folder}`
  throw new CommandError('missing', `${what}; name one with --store, or make one with plainkeep init.`)
}

/** Opens the store, does something with it, and closes it. */
export async function withStore<T>(
  terminal: Terminal,
  options: StoreOptions,
  body: (storage: Storage) => Promise<T>,
): Promise<T> {
  return withStoreAt(findStore(terminal, options), options, body)
}

/** The same with the store in a folder, which is made if it is missing. */
export async function withStoreAt<T>(
  folder: string,
  { wait }: StoreOptions,
  body: (storage: Storage) => Promise<T>,
): Promise<T> {
  const lockTimeout = wait === undefined ? undefined : wait * 1000
  const storage = await openStorage(folder, { lockTimeout, limits: { valueBytes: VALUE_BYTES } })
  try {
    return await body(storage)
  } finally {
    await storage.close()
  }
}

const SHARED = 'shared'
const PLUGIN = 'plugin:'

/** What stands in the help for a scope. */
export const SCOPE_HELP = 'shared, or the id of a plugin (plugin:ID for one that is called shared)'

/** The name of the scope that a word stands for in a workspace. */
export function parseScope(word: string, workspace = 'default'): ScopeId {
  if (word === SHARED) return { workspace }
  return { workspace, plugin: word.startsWith(PLUGIN) ? word.slice(PLUGIN.length) : word }
}

/** A scope of a store by its name. */
export function openScope(storage: Storage, { workspace, plugin }: ScopeId): Scope {
  const { shared } = storage.workspace(workspace)
  return plugin === undefined ? shared : storage.workspace(workspace).plugin(plugin).storage
}

/** The scope that a word stands for. */
export function scopeOf(storage: Storage, word: string, { workspace }: StoreOptions): Scope {
  return openScope(storage, parseScope(word, workspace))
}

/** The word that names a scope in its workspace. */
export function wordOf({ plugin }: ScopeId): string {
  if (plugin === undefined) return SHARED
  return plugin === SHARED || plugin.startsWith(PLUGIN) ? PLUGIN + plugin : plugin
}

/** How a scope is told to programs. */
export function describeScope(id: ScopeId): { workspace: string; scope: string; plugin?: string } {
  const { workspace, plugin } = id
  return plugin === undefined ? { workspace, scope: SHARED } : { workspace, scope: wordOf(id), plugin }
}

/** The scopes of a store that hold something or have a folder: all, or those of one workspace. */
export async function listScopes(storage: Storage, options: StoreOptions): Promise<Scope[]> {
  const scopes: Scope[] = []
  const { workspace: only } = options
  for (const name of only === undefined ? await storage.workspaces() : [only]) {
    const workspace = storage.workspace(name)
    if ((await workspace.shared.keys({ limit: 1 })).length > 0) scopes.push(workspace.shared)
    for (const id of await workspace.plugins()) scopes.push(workspace.plugin(id).storage)
  }
  return scopes
}
