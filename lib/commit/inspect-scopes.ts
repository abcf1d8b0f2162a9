/** Looking over the folders of workspaces, plugins and scopes: what is a value there, what is not, and what is in the way. */

import type { Awaitable } from '../base/awaitable.js'
import { StorageError } from '../base/errors.js'
import { canonicalFilename } from '../base/filename.js'
import { describeScope, type ScopeId } from '../base/scope-id.js'
import type { FileKind, FileStat, FolderName } from '../disk/disk.js'
import { CONTROL_NAME, decodeName, PLUGINS_NAME, SHARED_NAME } from '../disk/layout.js'
import { describeKind, type FindingDetails, type Findings, quotePath } from './finding.js'
import { findWideMode } from './inspect-mode.js'
import type { CheckOptions, CheckProgress } from './report.js'
import { type Site, Yielder } from './site.js'

/** Names that editors, downloads and desktops give to files of their own. */
const FILES_OF_OTHERS =
  /^[.#]|[~#]$|\.(?:sw[a-p]|tmp|temp|bak|orig|part|crdownload)$|^(?:Thumbs\.db|desktop\.ini)$/i

/** What a filesystem keeps in its own root folder, which a store may be in. */
const LOST_AND_FOUND = 'lost+found'

/** A suffix for capitals, as the last part of a name. */
const SUFFIX = /~[0-9a-f]+$/

/** Looks over everything but `.plainkeep`. Memory stays the same, however much there is. */
export async function inspectScopes(
  site: Site,
  findings: Findings,
  options: CheckOptions,
): Promise<CheckProgress> {
  const walk = new Walk(site, findings, options)
  await walk.walkRoot()
  return walk.progress
}

/** A name that a walk has come to. */
interface Found extends FolderName {
  /** Relative to the store. */
  readonly path: string
}

class Walk {
  progress: CheckProgress = { scopes: 0, keys: 0, bytes: 0 }
  readonly #site: Site
  readonly #findings: Findings
  readonly #options: CheckOptions
  readonly #yielder: Yielder
  #control: FileStat | undefined
  #isControlWritable = false

  constructor(site: Site, findings: Findings, options: CheckOptions) {
    this.#site = site
    this.#findings = findings
    this.#options = options
    this.#yielder = new Yielder(site.host)
  }

  async walkRoot(): Promise<void> {
    const { disk, layout } = this.#site
    this.#control = await disk.stat(layout.control)
    this.#isControlWritable = this.#control?.kind === 'folder' && (await disk.isWritable(layout.control))
    await this.#forEachName('', async (found) => {
      if (found.name === CONTROL_NAME || found.name === LOST_AND_FOUND) return
      const workspace = found.isText ? decodeName(found.name) : undefined
      if (found.kind === 'folder' && workspace !== undefined) await this.#walkWorkspace(found.path, workspace)
      else if (found.kind === 'folder' && (await this.#isWorkspaceLike(found)))
        this.#tellForeign(found, 'workspace')
      else this.#tellStray(found, 'beside the workspaces')
    })
  }

  /** A folder of a foreign name is a workspace if it looks like one. */
  async #isWorkspaceLike({ path, isText }: Found): Promise<boolean> {
    if (!isText) return false
    for (const name of [SHARED_NAME, PLUGINS_NAME])
      if ((await this.#stat(`${path}/${name}`))?.kind === 'folder') return true
    return false
  }

  async #walkWorkspace(path: string, workspace: string): Promise<void> {
    await this.#inspectFolder(path)
    await this.#forEachName(path, async (found) => {
      if (found.name === SHARED_NAME) await this.#walkScope(found, { workspace })
      else if (found.name === PLUGINS_NAME) await this.#walkPlugins(found, workspace)
      else this.#tellStray(found, 'in a workspace')
    })
  }

  async #walkPlugins(plugins: Found, workspace: string): Promise<void> {
    if (!this.#expectFolder(plugins)) return
    await this.#inspectFolder(plugins.path)
    await this.#forEachName(plugins.path, async (found) => {
      const plugin = found.isText ? decodeName(found.name) : undefined
      if (plugin !== undefined) await this.#walkScope(found, { workspace, plugin })
      else if (found.kind === 'folder') this.#tellForeign(found, 'plugin')
      else this.#tellStray(found, 'beside the plugins')
    })
  }

  async #walkScope(folder: Found, scope: ScopeId): Promise<void> {
    if (!this.#expectFolder(folder, scope)) return
    this.progress = { ...this.progress, scopes: this.progress.scopes + 1 }
    await this.#inspectFolder(folder.path, scope)
    await this.#forEachName(folder.path, (found) => this.#inspectName(found, scope), scope)
  }

  async #inspectName(found: Found, scope: ScopeId): Promise<void> {
    const key = found.isText ? await this.#findKey(found, scope) : undefined
    if (key !== undefined && found.kind === 'file') return this.#inspectValue(found, scope, key)
    if (found.kind === 'file') return this.#tellForeign(found, 'key', scope)
    if (found.kind === 'folder' && key === undefined)
      return this.#tellStray(found, `in ${describeScope(scope)}`, scope)
    this.#tellNoValue(found, scope, key)
  }

  /** The key that a name stands for, if the file is found by that key. */
  async #findKey({ name, path }: Found, scope: ScopeId): Promise<string | undefined> {
    const key = decodeName(name)
    if (key === undefined || key === name || name.normalize('NFC') === name) return key
    const [own, canonical] = [
      await this.#stat(path),
      await this.#site.disk.stat(this.#site.layout.keyPath(scope, key)),
    ]
    return own !== undefined && own.inode === canonical?.inode ? key : undefined
  }

  async #inspectValue(found: Found, scope: ScopeId, key: string): Promise<void> {
    const { path } = found
    const stat = await this.#stat(path)
    if (stat === undefined) return // deleted meanwhile
    if (stat.kind !== 'file') return this.#tellNoValue({ ...found, kind: stat.kind }, scope, key)
    const { scopes, keys, bytes } = this.progress
    this.progress = { scopes, keys: keys + 1, bytes: bytes + stat.size }
    findWideMode(this.#site, this.#findings, { path, stat, scope })
    const reader = await this.#site.disk.openReader(`${this.#site.layout.root}/${path}`)
    reader?.close()
  }

  /** A folder that the store writes to: who may use it, whether it can be written to, and on which filesystem it is. */
  async #inspectFolder(path: string, scope?: ScopeId): Promise<void> {
    const stat = await this.#stat(path)
    if (stat === undefined) return
    findWideMode(this.#site, this.#findings, { path, stat, scope })
    if (scope === undefined || this.#control === undefined) return
    if (stat.device !== this.#control.device) {
      const message = `The folder ${quotePath(path)} is on another filesystem than ${CONTROL_NAME}, so nothing can be written there; move it.`
      this.#findings.add({ kind: 'other-filesystem', path, scope, message })
    } else if (
      this.#isControlWritable &&
      !(await this.#site.disk.isWritable(`${this.#site.layout.root}/${path}`))
    ) {
      const message = `The folder ${quotePath(path)} is not writable, so writes to ${describeScope(scope)} are refused; change its permissions.`
      this.#findings.add({ kind: 'unwritable', path, scope, message })
    }
  }

  async #forEachName(path: string, visit: (found: Found) => Promise<void>, scope?: ScopeId): Promise<void> {
    const { disk, layout } = this.#site
    const folder = await this.#reading('folder', path, scope, () => disk.openFolder(`${layout.root}/${path}`))
    try {
      for (;;) {
        const names = await this.#reading('folder', path, scope, () => folder?.read())
        if (names === undefined || names.length === 0) return
        for (const name of names) {
          const found = { ...name, path: path === '' ? name.name : `${path}/${name.name}` }
          await this.#reading(found.kind, found.path, scope, () => visit(found))
          if (this.#yielder.isDue()) await this.#pause()
        }
      }
    } finally {
      folder?.close()
    }
  }

  /** Looks at something; where a system call fails that is told, and the walk goes on. */
  async #reading<T>(
    kind: FileKind,
    path: string,
    scope: ScopeId | undefined,
    look: () => Awaitable<T>,
  ): Promise<T | undefined> {
    try {
      return await look()
    } catch (error) {
      const isSystemError = error instanceof Error && 'code' in error && !(error instanceof StorageError)
      if (!isSystemError || this.#options.signal?.aborted) throw error
      const message = `The ${describeKind(kind)} ${quotePath(path)} cannot be read: look at its permissions and at the disk (${error.message}).`
      this.#findings.add({ kind: 'unreadable', path, scope, message })
      return undefined
    }
  }

  async #pause(): Promise<void> {
    await this.#yielder.yield()
    this.#options.signal?.throwIfAborted()
    this.#options.onProgress?.(this.progress)
  }

  async #stat(path: string): Promise<FileStat | undefined> {
    return this.#site.disk.stat(`${this.#site.layout.root}/${path}`)
  }

  #expectFolder({ kind, path }: Found, scope?: ScopeId): boolean {
    if (kind === 'folder') return true
    const message = `There is a ${describeKind(kind)} at ${quotePath(path)}, where a folder of the store belongs, so nothing can be written there; move it away.`
    this.#findings.add({ kind: 'misplaced', path, scope, message })
    return false
  }

  #tellNoValue({ kind, path }: Found, scope: ScopeId, key: string | undefined): void {
    const what = `The ${describeKind(kind)} ${quotePath(path)}`
    if (kind === 'folder') {
      const message = `${what} is where the value of ${JSON.stringify(key)} belongs, so that cannot be set; move it away.`
      this.#findings.add({ kind: 'folder-in-scope', path, scope, key, message })
      return
    }
    const message = `${what} is no value and is not followed; a set of its key replaces it, or move it away.`
    const isLink = kind === 'link'
    this.#findings.add({ kind: isLink ? 'link-in-scope' : 'special-in-scope', path, scope, key, message })
  }

  /** A file or folder whose name stands for nothing as it is. */
  #tellForeign(found: Found, what: Meaning, scope?: ScopeId): void {
    const { kind, path, isText } = found
    if (isText) {
      this.#findings.add({ path, scope, ...describeForeign(found, what) })
      return
    }
    const message = `The ${kind} ${quotePath(path)} has a name that is no UTF-8, so it can be no ${what}; rename it.`
    this.#findings.add({ kind: 'undecodable-name', path, scope, message })
  }

  #tellStray({ kind, path }: Found, where: string, scope?: ScopeId): void {
    const message = `The ${describeKind(kind)} ${quotePath(path)} is ${where} and means nothing to the store; move it away if nobody needs it there.`
    this.#findings.add({ kind: 'stray', path, scope, message })
  }
}

/** What the name of a file or folder must stand for. */
type Meaning = 'key' | 'plugin' | 'workspace'

function describeForeign({ name, kind, path }: Found, what: Meaning): Omit<FindingDetails, 'path'> {
  const canonicalName = canonicalFilename(name)
  const problem = `The ${kind} ${quotePath(path)} has a name that stands for no ${what}, so it is not seen`
  if (canonicalName === undefined)
    return { kind: 'stray', message: `${problem}; give it a shorter name, or move it away.` }
  const key = decodeName(canonicalName)
  const [meaning, rightName] = [`the ${what} ${JSON.stringify(key)}`, quotePath(canonicalName)]
  return isEvident(name, canonicalName)
    ? {
        kind: 'foreign-name',
        key,
        canonicalName,
        message: `${problem}; as ${meaning} it needs the name ${rightName}.`,
      }
    : {
        kind: 'stray',
        key,
        canonicalName,
        message: `${problem}; move it away, or name it ${rightName} if it is ${meaning}.`,
      }
}

/** Whether a foreign name leaves no doubt about its key: it is none that others give, and loses no capitals. */
function isEvident(name: string, canonicalName: string): boolean {
  return !FILES_OF_OTHERS.test(name) && !(SUFFIX.test(name) && !SUFFIX.test(canonicalName))
}
