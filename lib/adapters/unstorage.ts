/**
 * plainkeep/unstorage: a scope as a driver of unstorage, versions 1 and 2.
 *
 * ```ts
 * const storage = createStorage({ driver: plainkeepDriver({ scope: context.storage }) })
 * const other = createStorage({ driver: plainkeepDriver({ path: './data', plugin: 'acme/weather' }) })
 * ```
 *
 * A key of unstorage is the key of the scope, colons and all, so a value has one file, and every two keys have two. A key
 * that cannot be one rejects, as do values that cannot be kept.
 */

import { openStorage, type Scope, type Storage, type StorageOptions, type Watcher } from '../index.js'

/** What every driver may be given. */
export interface DriverOptions {
  /** Is told what fails while keys are watched. It is tried again in any case, and no change is left out. */
  readonly onWatchError?: ((error: unknown) => void) | undefined
}

/** A scope that the host has opened. */
export interface ScopeDriverOptions extends DriverOptions {
  readonly scope: Scope
}

/** A scope of a store that the driver opens itself, at its first use, and closes when it is disposed of. */
export interface StoreDriverOptions extends DriverOptions, StorageOptions {
  /** The root folder of the store. */
  readonly path: string
  /** Default: `default`. */
  readonly workspace?: string | undefined
  /** Default: the storage that the plugins of the workspace share. */
  readonly plugin?: string | undefined
}

/** What is known of a key besides its value. */
export interface DriverMeta {
  readonly mtime: Date
  /** Bytes. */
  readonly size: number
  /** The version of the entry; see `Scope.entry`. */
  readonly version: string
  readonly [name: string]: Date | number | string
}

/** The driver as unstorage calls it. What fails rejects with a `StorageError`. */
export interface PlainkeepDriver {
  readonly name: 'plainkeep'
  readonly options: ScopeDriverOptions | StoreDriverOptions
  /** The scope under the driver. */
  getInstance(): Promise<Scope>
  hasItem(key: string): Promise<boolean>
  /** The value as text, null for a missing key; bytes that are no UTF-8 reject with `DECODE_FAILED`. */
  getItem(key: string): Promise<string | null>
  /** The value's bytes, null for a missing key. */
  getItemRaw(key: string): Promise<Uint8Array | null>
  setItem(key: string, value: string): Promise<void>
  /** Sets several keys in one commit. */
  setItems(items: readonly { readonly key: string; readonly value: string }[]): Promise<void>
  /** Sets a key to bytes, or to the UTF-8 form of a string. */
  setItemRaw(key: string, value: unknown): Promise<void>
  removeItem(key: string): Promise<void>
  getMeta(key: string): Promise<DriverMeta | null>
  /** The keys that begin with the base and that unstorage has names for, sorted by code point. */
  getKeys(base?: string): Promise<string[]>
  /** Deletes all keys, or those that begin with the base, in one commit. */
  clear(base?: string): Promise<void>
  /**
   * Tells of changes of keys that unstorage has names for, whoever makes them, this driver included. Resolves when none is
   * missed any more, to a function that ends it.
   */
  watch(callback: (event: 'update' | 'remove', key: string) => unknown): Promise<() => Promise<void>>
  /** Ends watching, and closes the store if the driver opened it. Later calls open it again. */
  dispose(): Promise<void>
}

/** A driver over a scope, or over one of a store that it opens itself. */
export function plainkeepDriver(options: ScopeDriverOptions | StoreDriverOptions): PlainkeepDriver {
  const source = 'scope' in options ? giveScope(options.scope) : new OpenedScope(options)
  const watchers = new Set<Watcher>()
  return {
    name: 'plainkeep',
    options,
    getInstance: () => source.get(),
    hasItem: async (key) => (await source.get()).has(key),
    getItem: async (key) => (await (await source.get()).find(key, 'text')) ?? null,
    getItemRaw: async (key) => (await (await source.get()).find(key)) ?? null,
    setItem: async (key, value) => void (await (await source.get()).set(key, value)),
    setItems: async (items) => setItems(await source.get(), items),
    setItemRaw: async (key, value) => void (await (await source.get()).set(key, value)),
    removeItem: async (key) => void (await (await source.get()).delete(key)),
    getMeta: async (key) => readMeta(await source.get(), key),
    getKeys: async (base = '') => (await (await source.get()).keys({ prefix: base })).filter(hasName),
    clear: async (base = '') => void (await (await source.get()).clear({ prefix: base })),
    watch: async (callback) => watchScope(await source.get(), watchers, callback, options.onWatchError),
    dispose: async () => {
      await Promise.all([...watchers].map((watcher) => watcher.close()))
      watchers.clear()
      await source.release()
    },
  }
}

interface ScopeSource {
  get(): Promise<Scope>
  release(): Promise<void>
}

const giveScope = (scope: Scope): ScopeSource => ({ get: async () => scope, release: async () => undefined })

class OpenedScope implements ScopeSource {
  readonly #options: StoreDriverOptions
  #storage: Promise<Storage> | undefined

  constructor(options: StoreDriverOptions) {
    this.#options = options
  }

  async get(): Promise<Scope> {
    const { path, workspace, plugin, onWatchError: _, ...options } = this.#options
    const opening = this.#storage ?? openStorage(path, options)
    this.#storage = opening
    const storage = await opening.catch((error: unknown) => {
      if (this.#storage === opening) this.#storage = undefined
      throw error
    })
    const found = storage.workspace(workspace)
    return plugin === undefined ? found.shared : found.plugin(plugin).storage
  }

  async release(): Promise<void> {
    const storage = this.#storage
    this.#storage = undefined
    await (await storage)?.close()
  }
}

async function setItems(
  scope: Scope,
  items: readonly { readonly key: string; readonly value: string }[],
): Promise<void> {
  await scope.transaction(async (inside) => {
    await Promise.all(items.map(({ key, value }) => inside.set(key, value)))
  })
}

async function readMeta(scope: Scope, key: string): Promise<DriverMeta | null> {
  const entry = await scope.entry(key)
  return entry === undefined ? null : { mtime: entry.modifiedAt, size: entry.size, version: entry.version }
}

async function watchScope(
  scope: Scope,
  watchers: Set<Watcher>,
  callback: Parameters<PlainkeepDriver['watch']>[0],
  onError: DriverOptions['onWatchError'],
): Promise<() => Promise<void>> {
  const watcher = scope.watch()
  watchers.add(watcher)
  watcher.on('error', (error) => onError?.(error))
  watcher.on('change', ({ type, key }) => {
    if (hasName(key)) callback(type === 'set' ? 'update' : 'remove', key)
  })
  await watcher.ready
  return async () => {
    watchers.delete(watcher)
    await watcher.close()
  }
}

/** Whether unstorage can name a key: it takes slashes for colons, and no part of a key is empty or holds a `?`. */
function hasName(key: string): boolean {
  return !/[/\\?]|^:|::|:$/.test(key)
}
