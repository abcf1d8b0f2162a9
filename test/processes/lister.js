/** A process that replaces the keys of a scope again and again: node lister.js FOLDER COUNT. Ends when it is killed. */

import fs from 'node:fs'
import { openStorage } from '../../dist/index.js'

const [folder, count] = process.argv.slice(2)
const storage = await openStorage(folder)
const scope = storage.workspace().shared
const keys = Array.from({ length: Number(count) }, (_, index) => `key-${index}`)
for (let round = 0; ; round += 1) {
  await Promise.all(keys.map((key) => scope.set(key, `${round}`)))
  if (round === 0) fs.writeSync(1, `${JSON.stringify({ written: true })}\n`)
}
