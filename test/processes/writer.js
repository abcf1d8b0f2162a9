/**
 * A process that writes: node writer.js FOLDER NAME COUNT MODE
 *
 * Says a JSON line before each set, `{ begun, value }`, and one when it is acknowledged, `{ key, value, revision }`,
 * each with one write, so that a kill loses none. A line `{ key, value, error, outcome }` for one that failed. MODE is `sequence`, `burst`, or one of those with `,any-lock`: then
 * the process finds every lock stale. Keys are `NAME-<n>` and, of all writers, `common-<n>`.
 */

import fs from 'node:fs'
import { openTestEngine } from './engine.js'

const [folder, name, count, mode] = process.argv.slice(2)
const say = (line) => fs.writeSync(1, `${JSON.stringify(line)}\n`)

/** Everybody gets the lock at any time: it always looks as if its holder had died. */
function makeFileSystem() {
  if (!mode.endsWith('any-lock')) return fs
  const isLock = (path) => String(path).endsWith('/.plainkeep/lock')
  const statSync = (path, options) => {
    const stat = fs.statSync(path, options)
    if (stat !== undefined && isLock(path)) stat.mtime = new Date(0)
    return stat
  }
  return { ...fs, statSync }
}

const engine = await openTestEngine(folder, makeFileSystem())
const scope = { workspace: 'default', plugin: 'writer' }

async function write(key, number) {
  const value = `${name} ${number} ${'x'.repeat((number * 37) % 400)}`
  say({ begun: key, value })
  try {
    const { revision } = await engine.commit({ changes: [{ scope, key, value: Buffer.from(value) }] })
    say({ key, value, revision })
  } catch (error) {
    say({ key, value, error: error.code ?? String(error), outcome: error.outcome })
  }
}

const keyOf = (number) => (number % 4 === 0 ? `common-${number % 12}` : `${name}-${number % 50}`)
for (let number = 0; number < Number(count); ) {
  const size = mode.startsWith('burst') ? 10 : 1
  const numbers = Array.from({ length: size }, (_, index) => number + index)
  await Promise.all(numbers.map((each) => write(keyOf(each), each)))
  number += size
}
await engine.close()
