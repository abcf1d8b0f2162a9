/**
 * A process whose transaction has the store to itself and does not end: node hoarder.js FOLDER MILLISECONDS
 *
 * Says `{ alone }` when it has, and at last `{ code, outcome, late }`: what the call rejected with, and what a late write did.
 */

import fs from 'node:fs'
import { openStorage } from '../../dist/index.js'

const [folder, milliseconds] = process.argv.slice(2)
const say = (line) => fs.writeSync(1, `${JSON.stringify(line)}\n`)
const storage = await openStorage(folder)
const scope = storage.workspace().shared

let runs = 0
let late
const error = await scope
  .transaction(
    async (own) => {
      runs += 1
      await own.find('count')
      if (runs <= 3) return own.set('count', await scope.set('count', `${runs}`)) // a conflict
      say({ alone: true })
      await new Promise((resolve) => setTimeout(resolve, 4 * Number(milliseconds)))
      late = await own.set('count', 'late').then(String, ({ code }) => code)
    },
    { timeout: Number(milliseconds) },
  )
  .catch((failure) => failure)
while (late === undefined) await new Promise((resolve) => setTimeout(resolve, 20))
say({ code: error.code, outcome: error.outcome, late })
await storage.close()
