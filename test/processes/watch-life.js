/**
 * A process that watches, and does nothing else: node watch-life.js FOLDER scope|all plain|persistent
 *
 * Says a JSON line when it is ready. A persistent one closes its watcher when it is told of a change.
 */

import fs from 'node:fs'
import { openStorage } from '../../dist/index.js'

const [folder = '', what, life] = process.argv.slice(2)
const storage = await openStorage(folder)
const options = { persistent: life === 'persistent' }
const watcher = what === 'all' ? storage.watch(options) : storage.workspace().shared.watch(options)
watcher.on('ready', () => fs.writeSync(1, `${JSON.stringify({ ready: true })}\n`))
watcher.on('change', () => void watcher.close())
// Without this the process may end before the watcher is ready, since nothing keeps it.
const timer = setTimeout(() => undefined, 20_000)
await watcher.ready
clearTimeout(timer)
