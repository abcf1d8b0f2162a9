/**
 * plainkeep/keyv: a scope as the storage of Keyv, versions 5 and 6.
 *
 * ```ts
 * const cache = new Keyv({ store: new KeyvScope(context.storage), namespace: 'cache' })
 * ```
 *
 * Each value of Keyv is a key of the scope, named `<namespace>:<key>`; a `:` or `%` of the namespace is percent-encoded,
 * so that no two namespaces meet, and without a namespace the name begins with `:`. The file holds what Keyv makes of
 * the value, by default the JSON `{"value":…,"expires":…}`.
 */

import { EventEmitter } from 'node:events'
import { ConflictError, type Entry, type Scope, StorageError, type TransactionScope } from '../index.js'

/** A value to set, as Keyv hands it over: serialized already, and with its expiry inside. */
export interface KeyvScopeEntry {
  readonly key: string
  readonly value: unknown
}

/**
 * A storage adapter for Keyv over a scope. Many may stand over one scope; give each Keyv its own. What fails rejects
 * with a `StorageError`, which Keyv turns into its event `error`. Closing the store is left to the host.
 */
export class KeyvScope extends EventEmitter {
  /** Where Keyv 5 looks whether there is an iterator: only dialects that it knows have one. */
  readonly opts: Record<string, unknown> = { dialect: 'sqlite', url: '' }
  readonly #scope: Scope
  /** The present namespace, then earlier ones: with Keyv 5 several may share an adapter. */
  readonly #namespaces: (string | undefined)[] = [undefined]
  #isVersion6 = false

  /** `scope` is where the values are kept. */
  constructor(scope: Scope) {
    super()
    this.#scope = scope
  }

  /** The namespace of the keys; Keyv sets it to its own. */
  get namespace(): string | undefined {
    return this.#namespaces[0]
  }

  set namespace(namespace: string | undefined) {
    this.#namespaces.splice(0, this.#namespaces.length, ...new Set([namespace, ...this.#namespaces]))
  }

  /**
   * What Keyv 6 asks first, and Keyv 5 never: whether the adapter minds the expiry of values. From then on keys come
   * without their namespace, and `deleteMany` answers for each key.
   */
  get capabilities(): { readonly expires: true } {
    this.#isVersion6 = true
    return { expires: true }
  }

  /** What was set; undefined if there is nothing. What has expired is deleted. */
  async get(key: string): Promise<string | undefined> {
    try {
      return await this.#find(this.#nameOf(key))
    } catch (error) {
      // Keyv 5 takes a failing get for a missing key, and says nothing.
      if (!this.#isVersion6 && this.listenerCount('error') > 0) this.emit('error', error)
      throw error
    }
  }

  /** The same for several keys. */
  getMany(keys: readonly string[]): Promise<(string | undefined)[]> {
    return Promise.all(keys.map((key) => this.#find(this.#nameOf(key))))
  }

  /** Sets a key, as `Scope.set` does. Takes the string that Keyv serialized; rejects with `INVALID_VALUE` for others. */
  async set(key: string, value: unknown): Promise<true> {
    await this.#scope.set(this.#nameOf(key), this.#checkText(key, value))
    return true
  }

  /** Sets several keys in one commit. */
  setMany(entries: readonly KeyvScopeEntry[]): Promise<true[]> {
    return this.#scope.transaction((scope) => Promise.all(entries.map((entry) => this.#setIn(scope, entry))))
  }

  /** Deletes a key. Gives whether it held a value, expired or not. */
  delete(key: string): Promise<boolean> {
    return this.#scope.delete(this.#nameOf(key))
  }

  /** Deletes several keys in one commit. Gives which of them held a value; to Keyv 5 whether all did. */
  async deleteMany(keys: readonly string[]): Promise<boolean | boolean[]> {
    const existed = await this.#scope.transaction((scope) =>
      Promise.all(keys.map((key) => scope.delete(this.#nameOf(key)))),
    )
    return this.#isVersion6 ? existed : existed.every(Boolean)
  }

  /** Deletes every key of the namespace in one commit; without a namespace those that were set without one. */
  async clear(): Promise<void> {
    await this.#scope.clear({ prefix: encodePrefix(this.namespace) })
  }

  /** Whether the key holds a value that has not expired. */
  async has(key: string): Promise<boolean> {
    const text = await this.#scope.find(this.#nameOf(key), 'text')
    return text !== undefined && !isExpired(text)
  }

  /** The same for several keys. */
  hasMany(keys: readonly string[]): Promise<boolean[]> {
    return Promise.all(keys.map((key) => this.has(key)))
  }

  /** Keys and values of the namespace, sorted by key. What has expired is deleted. */
  async *iterator(): AsyncGenerator<[key: string, value: string], void> {
    const { namespace } = this
    const prefix = encodePrefix(namespace)
    for await (const entry of this.#scope.entries({ prefix, codec: 'text' })) {
      const own = entry.key.slice(prefix.length)
      const value = await this.#keep(entry)
      if (value !== undefined) yield [this.#isVersion6 ? own : `${namespace ?? ''}:${own}`, value]
    }
  }

  /** The key's name in the scope. Keyv 5 puts its namespace before the key; Keyv 6 does not. */
  #nameOf(key: string): string {
    if (this.#isVersion6) return encodePrefix(this.namespace) + key
    const namespace = this.#namespaces.find((one) => one !== undefined && key.startsWith(`${one}:`))
    if (namespace === undefined) return encodePrefix(this.namespace) + key
    return encodePrefix(namespace) + key.slice(namespace.length + 1)
  }

  async #find(name: string): Promise<string | undefined> {
    const entry = await this.#scope.entry(name, 'text')
    return entry && this.#keep(entry)
  }

  /** The text of an entry; if it has expired undefined, and then it is deleted, unless it was set anew meanwhile. */
  async #keep({ key, value, version }: Entry<string>): Promise<string | undefined> {
    if (!isExpired(value)) return value
    try {
      await this.#scope.delete(key, { ifVersion: version })
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error
    }
    return undefined
  }

  async #setIn(scope: TransactionScope, { key, value }: KeyvScopeEntry): Promise<true> {
    await scope.set(this.#nameOf(key), this.#checkText(key, value))
    return true
  }

  #checkText(key: string, value: unknown): string {
    if (typeof value === 'string') return value
    const message = `The value of ${JSON.stringify(key)} was not serialized; leave the serialization of Keyv on.`
    throw new StorageError('INVALID_VALUE', message, { scope: this.#scope.id, key, outcome: 'none' })
  }
}

function encodePrefix(namespace = ''): string {
  return `${namespace.replaceAll('%', '%25').replaceAll(':', '%3A')}:`
}

/** Whether what Keyv stored says that its time is over. A serializer of one's own may hide that; Keyv looks again. */
function isExpired(text: string): boolean {
  if (!text.includes('"expires":')) return false
  try {
    const { expires } = JSON.parse(text) as { expires?: unknown }
    return typeof expires === 'number' && expires <= Date.now()
  } catch {
    return false
  }
}
