/** The files of the command line itself: which folder is the store, what is given as a file, and the copy that is edited. */

import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { CommandError } from './exit.js'

const CONTROL_NAME = '.plainkeep'

/** Where a store is looked for beside each folder on the way up: where `init` makes it. */
const USUAL_NAME = 'data'

/** Whether a folder is that of a store. */
export function isStore(folder: string): boolean {
  return existsSync(join(folder, CONTROL_NAME))
}

/** The nearest store from a folder up: the folder itself, or the one called `data` in it; undefined if there is none. */
export function findNearestStore(from: string): string | undefined {
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    const found = [folder, join(folder, USUAL_NAME)].find(isStore)
    if (found !== undefined) return found
    if (dirname(folder) === folder) return undefined
  }
}

/** Whether a folder holds anything; false if it does not exist. */
export async function holdsAnything(folder: string): Promise<boolean> {
  try {
    return (await readdir(folder)).length > 0
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw new CommandError('disk', `Cannot read the folder ${folder} (${codeOf(error)}).`)
  }
}

/** The bytes of a file. */
export async function readFileOf(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (error) {
    throw new CommandError('disk', `Cannot read the file ${path} (${codeOf(error)}).`)
  }
}

/** A copy that a person edits. */
export interface Draft {
  readonly path: string
  read(): Promise<Uint8Array>
  remove(): Promise<void>
}

/** Makes a copy in a folder that nobody else can look into. */
export async function makeDraft(name: string, bytes: Uint8Array): Promise<Draft> {
  const folder = await mkdtemp(join(await realpath(tmpdir()), 'plainkeep-'))
  const path = join(folder, basename(name).slice(0, 100))
  await writeFile(path, bytes, { mode: 0o600 })
  return { path, read: () => readFileOf(path), remove: () => rm(folder, { recursive: true, force: true }) }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}
