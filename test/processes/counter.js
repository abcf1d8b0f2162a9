/**
 * A process that counts: node counter.js FOLDER COUNT CODEC
 *
 * Adds 1 to the key `counter` of the workspace so often, as JSON or as bytes, one update after another.
 */

import { openStorage } from '../../dist/index.js'

const [folder, count, codec] = process.argv.slice(2)
const storage = await openStorage(folder)
const scope = storage.workspace().shared
const add = {
  json: (value) => (value ?? 0) + 1,
  bytes: (value) => String(Number(Buffer.from(value ?? '0')) + 1),
}[codec]

for (let done = 0; done < Number(count); done += 1)
  await scope.update('counter', add, { codec: codec === 'json' ? 'json' : undefined })
await storage.close()
