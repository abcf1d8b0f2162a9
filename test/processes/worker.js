/** A worker thread that sets keys of its own, and says each that was acknowledged. */

import { parentPort, workerData } from 'node:worker_threads'
import { openStorage } from '../../dist/index.js'

const { folder, name, count } = workerData
const storage = await openStorage(folder)
const scope = storage.workspace().shared
for (let number = 0; number < count; number += 1) {
  await scope.set(`${name}-${number % 100}`, name)
  parentPort?.postMessage(`${name}-${number % 100}`)
}
await storage.close()
