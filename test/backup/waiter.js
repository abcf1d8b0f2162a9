/**
 * A process that writes one key after another and notes how long each write takes: node waiter.js STORE PLUGIN KEYS
 *
 * It writes random ones of so many keys until it is told to end by SIGTERM, and says `{ writes, longestMs }`.
 */

import fs from 'node:fs'
import { openStorage } from '../../dist/index.js'

const [store, plugin, keys] = process.argv.slice(2)
const storage = await openStorage(store, { lockTimeout: 60_000 })
const scope = storage.workspace().plugin(plugin).storage
const say = (line) => fs.writeSync(1, `${JSON.stringify(line)}\n`)

let isOver = false
process.on('SIGTERM', () => (isOver = true))
let [writes, longestMs] = [0, 0]
while (!isOver) {
  const start = performance.now()
  await scope.set(`key_${Math.floor(Math.random() * Number(keys))}`, `written ${writes}`)
  longestMs = Math.max(longestMs, performance.now() - start)
  writes += 1
  if (writes === 1) say({ began: true })
}
say({ writes, longestMs })
await storage.close()
