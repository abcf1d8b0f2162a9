/**
 * A process that watches the shared storage and writes nothing: node watch-reader.js FOLDER
 *
 * Says a JSON line for `ready`, each change, each resync and each error. On SIGUSR2 it compares once more, says the last
 * line, `{ state }`, with the versions of all keys that the changes lead to, and ends.
 */

import fs from 'node:fs'
import { openStorage } from '../../dist/index.js'

const [folder = ''] = process.argv.slice(2)
/** @param {object} line */
const say = (line) => fs.writeSync(1, `${JSON.stringify(line)}\n`)
const storage = await openStorage(folder)
const watcher = storage.workspace().shared.watch({ initial: true, persistent: true })
/** @type {Map<string, string | undefined>} */
const state = new Map()
watcher.on('change', (change) => {
  if (change.type === 'set') state.set(change.key, change.version)
  else state.delete(change.key)
  say(change)
})
watcher.on('resync', (resync) => say({ resync }))
watcher.on('error', (error) => say({ error: String(error) }))
watcher.on('ready', () => say({ ready: true }))
process.on('SIGUSR2', async () => {
  await watcher.rescan()
  say({ state: Object.fromEntries(state) })
  await storage.close()
})
