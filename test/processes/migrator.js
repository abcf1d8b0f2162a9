/**
 * A process that migrates keys through five versions: node migrator.js FOLDER
 *
 * Each step writes its version into every key. Says `{ version }` when it gets there.
 */

import fs from 'node:fs'
import { migrate, openStorage } from '../../dist/index.js'

const storage = await openStorage(process.argv[2], { lockTimeout: 60_000 })
const scope = storage.workspace().shared

async function raise(own, version) {
  for await (const { key, value } of own.entries({ prefix: 'item-', codec: 'json' })) {
    if (value !== version - 1) throw new Error(`${key} holds ${value} on the way to version ${version}`)
    await own.set(key, version, { codec: 'json' })
  }
}

const steps = Object.fromEntries([2, 3, 4, 5].map((version) => [version, (own) => raise(own, version)]))
const onProgress = ({ version }) => fs.writeSync(1, `${JSON.stringify({ version })}\n`)
await migrate(scope, { versionKey: 'version', steps, onProgress })
await storage.close()
