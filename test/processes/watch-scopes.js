/** A process that commits to scopes that were not there before: node watch-scopes.js FOLDER */

import { openStorage } from '../../dist/index.js'

const storage = await openStorage(process.argv[2] ?? '', { lockTimeout: 60_000 })
for (let number = 0; number < 60; number += 1) {
  const workspace = storage.workspace(`w${number % 3}`)
  await workspace.plugin(`p${number % 5}`).storage.set(`k${number}`, `${number}`)
}
await storage.close()
