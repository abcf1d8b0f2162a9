/** The consistency check of a store's folder after a clean close: everything in it has its place, and nothing is left. */

import { deepStrictEqual } from 'node:assert'
import { checkStorage, type FileSystem } from '../../lib/index.js'

/** Rejects with all that is wrong in a store that was closed cleanly, or was never opened. */
export async function checkStore(root: string, fs: FileSystem): Promise<void> {
  deepStrictEqual(await findFlaws(root, fs), [], `The store in ${root} is not as a clean close leaves it.`)
}

/**
 * What is wrong, each in words that begin with a path: whatever a check finds, harmless or not, but for permissions, and
 * what only an open store may have.
 */
export async function findFlaws(root: string, fs: FileSystem): Promise<string[]> {
  const names = fs.readdirSync(root)
  if (names.length === 0) return []
  const { findings, journals } = await checkStorage(root, { fs })
  const found = findings.filter(({ kind }) => kind !== 'wide-permissions')
  return [
    ...found.map(({ path, kind, message }) => `${path} is ${kind}: ${message}`),
    ...journals.filter(({ state }) => state !== 'kept').map(({ path, state }) => `${path} is ${state}`),
    ...(names.includes('.plainkeep') ? findUse(fs.readdirSync(`${root}/.plainkeep`)) : []),
  ]
}

/** Names in `.plainkeep` that are there only while somebody uses the store. */
function findUse(names: readonly string[]): string[] {
  const flaws = names.filter((name) => name === 'lock' || name.startsWith('w'))
  const claims = names.filter((name) => /^c\d+$/.test(name)).map((name) => name.slice(1))
  const unreleased = claims.filter((number) => !names.includes(`f${number}`))
  return [
    ...flaws.map((name) => `.plainkeep/${name} was left behind`),
    ...unreleased.map((number) => `.plainkeep/c${number} was not released`),
  ]
}
