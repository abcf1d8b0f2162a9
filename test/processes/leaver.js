/**
 * A process that ends without closing its store: node leaver.js FOLDER HOW
 *
 * `fall` off the end, `exit` while nothing is under way, `busy` exit in the middle of writes. Says a JSON line for each
 * key that was acknowledged.
 */

import fs from 'node:fs'
import { openStorage } from '../../dist/index.js'

const [folder, how] = process.argv.slice(2)
const storage = await openStorage(folder)
const scope = storage.workspace().shared
const write = async (key) => {
  await scope.set(key, key)
  fs.writeSync(1, `${JSON.stringify({ key })}\n`)
}
await write('first')
if (how === 'exit') setTimeout(() => process.exit(0), 50)
if (how === 'busy') {
  setTimeout(() => process.exit(0), 40)
  for (let number = 0; ; number += 1) await Promise.all([write(`a${number}`), write(`b${number}`)])
}
