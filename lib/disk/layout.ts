/** Every name on disk and its inverse. */

import { join } from 'node:path'
import { locateError } from '../base/errors.js'
import { decodeFilename, encodeFilename } from '../base/filename.js'
import type { ScopeId } from '../base/scope-id.js'

/** The number of the disk format that this version makes and opens. */
export const FORMAT = 1

/** The folder of the store's own files, in its root folder. */
export const CONTROL_NAME = '.plainkeep'
/** In the store's own folder: the file that names the format. */
export const FORMAT_NAME = 'format.json'
/** In the store's own folder, where the store was unpacked from a backup: the backup's manifest. */
export const MANIFEST_NAME = 'manifest.jsonl'
/** In the store's own folder: the lockfile, a folder. */
export const LOCK_NAME = 'lock'
/** In a workspace: the folder of its shared storage. */
export const SHARED_NAME = 'shared'
/** In a workspace: the folder of its plugins. */
export const PLUGINS_NAME = 'plugins'

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
  | { readonly kind: 'snapshot' | 'reader' | 'foreign'; readonly name: string }

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
    this.control = join(root, CONTROL_NAME)
    this.format = join(this.control, FORMAT_NAME)
    this.lock = join(this.control, LOCK_NAME)
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
          ? [workspace, join(workspace, SHARED_NAME)]
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
    return join(this.workspacePath(workspace), PLUGINS_NAME)
  }

  /** A path in `.plainkeep`. */
  controlPath(name: string): string {
    return `${this.control}/${name}`
  }
}

/** The file that names the format, below the root. */
export const FORMAT_PATH: string = `${CONTROL_NAME}/${FORMAT_NAME}`
/** The manifest of a backup, in its archive and wherever that is unpacked. */
export const MANIFEST_PATH: string = `${CONTROL_NAME}/${MANIFEST_NAME}`

/** What the file that names the format holds. */
export function encodeFormat(): string {
  return `{"format":${FORMAT}}\n`
}

/** The format that such a file names; undefined if it names none. */
export function parseFormat(bytes: Uint8Array): number | undefined {
  try {
    const { format } = JSON.parse(Buffer.from(bytes).toString('utf8')) as { format?: unknown }
    return Number.isSafeInteger(format) ? (format as number) : undefined
  } catch {
    return undefined
  }
}

/** The folders of a scope below the root, from the topmost to its own, with `/` between names on every system. */
export function encodeFolderPaths({ workspace, plugin }: ScopeId): string[] {
  const top = encodeFilename(workspace, 'workspace name')
  if (plugin === undefined) return [top, `${top}/${SHARED_NAME}`]
  return [top, `${top}/${PLUGINS_NAME}`, `${top}/${PLUGINS_NAME}/${encodeFilename(plugin, 'plugin id')}`]
}

/** The file of a key below the root, with `/` between names on every system. */
export function encodeValuePath(scope: ScopeId, key: string): string {
  return `${encodeFolderPaths(scope).at(-1)}/${encodeFilename(key)}`
}

/** The scope and the key of a file below the root; undefined for a path that `encodeValuePath` does not give. */
export function decodeValuePath(path: string): { readonly scope: ScopeId; readonly key: string } | undefined {
  const [top = '', kind, ...names] = path.split('/')
  if (names.length !== (kind === SHARED_NAME ? 1 : 2) || (kind !== SHARED_NAME && kind !== PLUGINS_NAME))
    return undefined
  const [workspace, key] = [decodeName(top), decodeName(names.at(-1) as string)]
  const plugin = kind === SHARED_NAME ? undefined : decodeName(names[0] as string)
  if (workspace === undefined || key === undefined || (kind === PLUGINS_NAME && plugin === undefined))
    return undefined
  const scope = plugin === undefined ? { workspace } : { workspace, plugin }
  return encodeValuePath(scope, key) === path ? { scope, key } : undefined
}

/** Whether a path below the root is that of a scope, or of a folder on the way to one. */
export function isFolderPath(path: string): boolean {
  if (path === CONTROL_NAME) return true
  const [top = '', kind, plugin, ...rest] = path.split('/')
  if (rest.length > 0 || decodeName(top) === undefined) return false
  if (plugin !== undefined) return kind === PLUGINS_NAME && decodeName(plugin) !== undefined
  return kind === undefined || kind === SHARED_NAME || kind === PLUGINS_NAME
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
/** The folder of a snapshot, from 24 random hexadecimal digits. */
export const snapshotName = (random: string): string => `b${random}`
/** A value of a snapshot, in its folder. */
export const linkName = (number: number): string => `l${number}`
/** The record of a claim, in its work folder; in the folder of a snapshot it says who made it. */
export const RECORD_NAME = 'record'
/** The redo log, in its work folder. */
export const JOURNAL_NAME = 'journal'
/** A copy of a journal that is being made, in its work folder. */
export const journalCopyName = (number: number): string => `journal-copy-${number}`
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
  if (match === null) return { kind: parseRandomName(name), name }
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

function parseRandomName(name: string): 'snapshot' | 'reader' | 'foreign' {
  if (!/^[br][0-9a-f]{24}$/.test(name)) return 'foreign'
  return name.startsWith('b') ? 'snapshot' : 'reader'
}
