/**
 * A process that writes keys of its own until the limit of 100 keys is reached: node filler.js FOLDER NAME
 *
 * Each value has 10 bytes. Says `{ written }`, how many keys it wrote.
 */

import fs from 'node:fs'
import { openStorage } from '../../dist/index.js'

const [folder, name] = process.argv.slice(2)
const storage = await openStorage(folder, { limits: { keysPerScope: 100, bytesPerScope: 5000 } })
const scope = storage.workspace().shared

let written = 0
try {
  for (; ; written += 1) await scope.set(`${name}-${written}`, '0123456789')
} catch (error) {
  if (error.code !== 'QUOTA_EXCEEDED') throw error
}
fs.writeSync(1, `${JSON.stringify({ written })}\n`)
await storage.close()
