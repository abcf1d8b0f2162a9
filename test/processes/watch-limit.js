/**
 * A process that watches where the system gives no handles: node watch-limit.js FOLDER
 *
 * Prints what is told, a line each, of an edit by hand, of a commit of another process, and of a removal by hand.
 */

import { execFile } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { openStorage } from '../../dist/index.js'

const storage = await openStorage(process.argv[2] ?? '', { watch: { intervalMs: 100 } })
const scope = storage.workspace().shared
const watcher = scope.watch()
/** @type {string[]} */
const lines = []
watcher.on('change', ({ type, key, source }) => lines.push(`${type} ${key} ${source}`))
// On a busy machine it may be late, and is right to say so.
watcher.on('resync', ({ reason }) => reason === 'late' || lines.push(`resync ${reason}`))

/** @param {number} count */
async function told(count) {
  while (lines.length < count) await new Promise((resolve) => setTimeout(resolve, 10))
}

await watcher.ready
fs.mkdirSync(scope.path, { recursive: true })
await told(1)
fs.writeFileSync(join(scope.path, 'hand'), '1')
await told(2)
const other = `import { openStorage } from ${JSON.stringify(new URL('../../dist/index.js', import.meta.url))}
const storage = await openStorage(${JSON.stringify(storage.path)})
await storage.workspace().shared.set('commit', '1')
await storage.close()`
await promisify(execFile)(process.execPath, ['--input-type=module', '-e', other])
await told(3)
fs.rmSync(join(scope.path, 'hand'))
await told(4)
await storage.close()
console.log(lines.join('\n'))
