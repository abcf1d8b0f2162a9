/** A process that replaces a few keys of a scope at a time, without a pause: node replacer.js FOLDER COUNT */

import fs from 'node:fs'
import { openStorage } from '../../dist/index.js'

const [folder = '', count] = process.argv.slice(2)
const storage = await openStorage(folder)
const scope = storage.workspace().shared
const keys = Array.from({ length: Number(count) }, (_, index) => `key-${index}`)
await Promise.all(keys.map((key) => scope.set(key, 'first')))
fs.writeSync(1, `${JSON.stringify({ written: true })}\n`)
for (let start = 0; ; start = (start + 97) % keys.length) {
  await Promise.all(keys.slice(start, start + 100).map((key) => scope.set(key, `again ${start}`)))
}
