/** A worker thread that sets keys of its own. */

import { parentPort, workerData } from 'node:worker_threads'
import { openStorage } from '../../dist/index.js'

const { folder, name } = workerData
const storage = await openStorage(folder)
const scope = storage.workspace().shared
for (let number = 0; number < 50; number += 1) await scope.set(`${name}-${number}`, name)
await storage.close()
parentPort?.postMessage('done')
