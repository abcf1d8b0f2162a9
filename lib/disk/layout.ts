/** Every name on disk and its inverse. */

import { join } from 'node:path'
import { locateError } from '../base/errors.js'
import { decodeFilename, encodeFilename } from '../base/filename.js'
import type { ScopeId } from '../base/scope-id.js'

const CONTROL = '.plainkeep'
const SHARED = 'shared'
const PLUGINS = 'plugins'

/** A name in `.plainkeep`, understood. */
export type ControlName =
  | { readonly kind: 'claim' | 'released'; readonly name: string; readonly number: number }
  | { readonly kind: 'kept' | 'past'; readonly name: string; readonly revision: number }
  | {
      readonly kind: 'work'
      readonly name: string
      readonly folder: string
      readonly fencedBy: number | undefined
    }
  | { readonly kind: 'reader' | 'foreign'; readonly name: string }

/** The names of one store. */
export class Layout {
  /** The store's root folder, absolute. */
  readonly root: string
  /** The folder of the store's own files. */
  readonly control: string
  /** The file that names the format. */
  readonly format: string
  /** The lockfile, a folder. */
  readonly lock: string
  readonly #scopeFolders = new WeakMap<ScopeId, readonly string[]>()

  /** The names under an absolute root folder. */
  constructor(root: string) {
    this.root = root
    this.control = join(root, CONTROL)
    this.format = join(this.control, 'format.json')
    this.lock = join(this.control, 'lock')
  }

  /** The folder of a scope. Throws `INVALID_KEY`, `KEY_TOO_LONG`. */
  scopePath(scope: ScopeId): string {
    return this.scopeFolders(scope).at(-1) as string
  }

  /** The folders from just below the root down to a scope's own, in this order. Throws as `scopePath`. */
  scopeFolders(scope: ScopeId): readonly string[] {
    let folders = this.#scopeFolders.get(scope)
    if (folders === undefined) {
      const workspace = this.workspacePath(scope.workspace)
      const plugins = this.pluginsPath(scope.workspace)
      folders =
        scope.plugin === undefined
          ? [workspace, join(workspace, SHARED)]
          : [workspace, plugins, join(plugins, encodeFilename(scope.plugin, 'plugin id'))]
      this.#scopeFolders.set(scope, folders)
    }
    return folders
  }

  /** The file of a key. Throws `INVALID_KEY`, `KEY_TOO_LONG`. */
  keyPath(scope: ScopeId, key: string): string {
    try {
      return `${this.scopePath(scope)}/${encodeFilename(key)}`
    } catch (error) {
      throw locateError(error, { store: this.root, scope })
    }
  }

  /** The folder of a workspace. */
  workspacePath(workspace: string): string {
    return join(this.root, encodeFilename(workspace, 'workspace name'))
  }

  /** The folder of a workspace's plugins. */
  pluginsPath(workspace: string): string {
    return join(this.workspacePath(workspace), PLUGINS)
  }

  /** A path in `.plainkeep`. */
  controlPath(name: string): string {
    return `${this.control}/${name}`
  }
}

/** The key, plugin id or workspace name of a filename; undefined for a foreign one. */
export const decodeName: (name: string) => string | undefined = decodeFilename

/** Claim number N. */
export const claimName = (number: number): string => `c${number}`
/** Claim number N was released. */
export const releasedName = (number: number): string => `f${number}`
/** The journal of a released claim, with commits up to a revision. */
export const keptName = (revision: number): string => `kept-${revision}`
/** A journal that is needed no more, left to those who follow. */
export const pastName = (revision: number): string => `past-${revision}`
/** A process that follows, from 24 random hexadecimal digits. */
export const readerName = (random: string): string => `r${random}`
/** A work folder, from 24 random hexadecimal digits. */
export const workName = (random: string): string => `w${random}`
/** A work folder that claim N fenced. */
export const fencedName = (folder: string, number: number): string => `${folder}.s${number}`
/** The record of a claim, in its work folder. */
export const RECORD_NAME = 'record'
/** The redo log, in its work folder. */
export const JOURNAL_NAME = 'journal'
/** A copy of a journal that is being made, in its work folder. */
export const JOURNAL_COPY_NAME = 'journal-copy'
/** A staged value, in its work folder. */
export const stagedName = (number: number): string => `s${number}`
/** A deleted value on its way out, in its work folder. */
export const deletedName = (number: number): string => `d${number}`

/** What a name in `.plainkeep` is. */
export function parseControlName(name: string): ControlName {
  const match =
    /^(?:([cf])([1-9]\d{0,14})|(kept|past)-(0|[1-9]\d{0,14})|(w[0-9a-f]{24})(?:\.s([1-9]\d{0,14}))?)$/.exec(
      name,
    )
  if (match === null) return { kind: /^r[0-9a-f]{24}$/.test(name) ? 'reader' : 'foreign', name }
  const [, letter, number, kind, revision, folder, fencer] = match
  if (letter !== undefined)
    return { kind: letter === 'c' ? 'claim' : 'released', name, number: Number(number) }
  if (revision !== undefined) return { kind: kind as 'kept' | 'past', name, revision: Number(revision) }
  return {
    kind: 'work',
    name,
    folder: folder as string,
    fencedBy: fencer === undefined ? undefined : Number(fencer),
  }
}
