/** A workspace: a named group of plugins, with storage that they share. */

import { checkKey } from '../base/key.js'
import { PluginContext } from './context.js'
import { narrowLimits, type StorageLimits, type StoreParts } from './parts.js'
import { sortByCodePoint } from './read.js'
import { Scope } from './scope.js'

/** How to give a plugin its storage. */
export interface PluginOptions {
  /** Limits for the plugin's own storage; those of the store hold too. */
  readonly limits?: StorageLimits | undefined
}

/** A named group of plugins inside a store. */
export class Workspace {
  /** The workspace's name. */
  readonly name: string
  /** The storage that all plugins of the workspace share, written on behalf of the host. */
  readonly shared: Scope
  readonly #parts: StoreParts

  /** For `Storage`; not to be called by others. */
  constructor(name: string, parts: StoreParts) {
    this.name = name
    this.shared = new Scope({ ...parts, id: { workspace: name } })
    this.#parts = parts
  }

  /**
   * What the plugin with this id is given. Throws `INVALID_KEY` or `KEY_TOO_LONG` for an id that cannot be one, and
   * `INVALID_OPTION`.
   */
  plugin(id: string, options: PluginOptions = {}): PluginContext {
    checkKey(id, 'plugin id') // an id that is missing must not name the shared storage
    const limits = narrowLimits(this.#parts.limits, options.limits)
    const own = { ...this.#parts, limits, id: { workspace: this.name, plugin: id }, writer: id }
    const shared = { ...this.#parts, id: { workspace: this.name }, writer: id }
    return new PluginContext(id, own, shared)
  }

  /** The ids of the plugins that have a folder here, sorted by code point. */
  async plugins(): Promise<string[]> {
    return sortByCodePoint(await this.#parts.engine.listPlugins(this.name))
  }
}
