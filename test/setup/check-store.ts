/** The consistency check of a store's folder after a clean close: everything in it has its place, and nothing is left. */

import { deepStrictEqual } from 'node:assert'
import { decodeFilename } from '../../lib/base/filename.js'

/** What the check calls of node:fs or a look-alike. */
export type ReadableFs = Pick<typeof import('node:fs'), 'lstatSync' | 'readFileSync' | 'readdirSync'>

type Found = 'file' | 'folder' | 'link or device'

const CONTROL = '.plainkeep'

/** Rejects with all that is wrong in a store that was closed cleanly, or was never opened. */
export async function checkStore(root: string, fs: ReadableFs): Promise<void> {
  deepStrictEqual(findFlaws(root, fs), [], `The store in ${root} is not as a clean close leaves it.`)
}

/** What is wrong, each in words that begin with a path. */
export function findFlaws(root: string, fs: ReadableFs): string[] {
  const look = new Look(root, fs)
  for (const name of look.list('')) {
    if (name === CONTROL) look.checkControl()
    else look.checkWorkspace(name)
  }
  return look.flaws
}

/** One look over a store; every path is relative to the store's root. */
class Look {
  readonly flaws: string[] = []
  readonly #root: string
  readonly #fs: ReadableFs

  constructor(root: string, fs: ReadableFs) {
    this.#root = root
    this.#fs = fs
  }

  list(path: string): string[] {
    const folder = path === '' ? this.#root : `${this.#root}/${path}`
    try {
      return this.#fs.readdirSync(folder, 'utf8').sort()
    } catch (error) {
      this.flaws.push(`${path} cannot be listed: ${String(error)}`)
      return []
    }
  }

  checkWorkspace(workspace: string): void {
    this.#checkName(workspace, workspace)
    if (!this.#expect(workspace, 'folder')) return
    for (const name of this.list(workspace)) {
      const path = `${workspace}/${name}`
      if (name === 'shared') this.#checkScope(path)
      else if (name === 'plugins') this.#checkPlugins(path)
      else this.flaws.push(`${path} has no place in a workspace`)
    }
  }

  #checkPlugins(plugins: string): void {
    if (!this.#expect(plugins, 'folder')) return
    for (const name of this.list(plugins)) {
      this.#checkName(`${plugins}/${name}`, name)
      this.#checkScope(`${plugins}/${name}`)
    }
  }

  #checkScope(scope: string): void {
    if (!this.#expect(scope, 'folder')) return
    for (const name of this.list(scope)) {
      this.#checkName(`${scope}/${name}`, name)
      this.#expect(`${scope}/${name}`, 'file')
    }
  }

  checkControl(): void {
    if (!this.#expect(CONTROL, 'folder')) return
    const claims: string[] = []
    const released: string[] = []
    for (const name of this.list(CONTROL)) {
      const path = `${CONTROL}/${name}`
      if (this.#expect(path, 'file')) this.#checkControlFile(path, name)
      if (/^c[1-9]\d*$/.test(name)) claims.push(name.slice(1))
      if (/^f[1-9]\d*$/.test(name)) released.push(name.slice(1))
    }
    if (claims.length > 1) this.flaws.push(`${CONTROL} holds claims ${claims}, and one is enough`)
    // An owner that was fenced while it let go leaves the mark of a lower number: it means nothing any more.
    if (`${claims}` !== `${released.filter((number) => Number(number) >= Number(claims[0] ?? 0))}`) {
      this.flaws.push(`${CONTROL} holds claims [${claims}], of which [${released}] are released`)
    }
  }

  #checkControlFile(path: string, name: string): void {
    if (name === 'format.json') this.#checkFormat(path)
    else if (!/^(?:[cf][1-9]\d*|kept-(?:0|[1-9]\d*))$/.test(name)) this.flaws.push(`${path} was left behind`)
  }

  #checkFormat(path: string): void {
    const text = this.#fs.readFileSync(`${this.#root}/${path}`, 'utf8')
    if (text.trim() !== '{"format":1}') this.flaws.push(`${path} holds ${text}`)
  }

  #checkName(path: string, name: string): void {
    if (decodeFilename(name) === undefined) this.flaws.push(`${path} has a name that stands for no key`)
  }

  /** Whether a path is of a kind, without following links. */
  #expect(path: string, kind: Found): boolean {
    const found = this.#kindOf(path)
    if (found !== kind) this.flaws.push(`${path} is a ${found}, where a ${kind} should be`)
    return found === kind
  }

  #kindOf(path: string): Found {
    const stats = this.#fs.lstatSync(`${this.#root}/${path}`)
    if (stats.isFile()) return 'file'
    return stats.isDirectory() ? 'folder' : 'link or device'
  }
}
