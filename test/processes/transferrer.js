/**
 * A process that moves amounts between keys, or sums them up: node transferrer.js FOLDER MODE MILLISECONDS
 *
 * MODE `move` takes from one key what it gives to another, in one transaction; `sum` adds all of them up in
 * transactions, and says each sum that is new to it, `{ sum }`. Both say how often they did so, `{ done }`.
 */

import fs from 'node:fs'
import { openStorage } from '../../dist/index.js'

const [folder, mode, milliseconds] = process.argv.slice(2)
const say = (line) => fs.writeSync(1, `${JSON.stringify(line)}\n`)
const storage = await openStorage(folder, { lockTimeout: 60_000 })
const plugin = storage.workspace().plugin('bank')
const KEYS = 20

/** Half of the accounts are in the plugin's own scope, half in the workspace's. */
const accountOf = (scopes, number) => [
  number % 2 === 0 ? scopes.storage : scopes.workspace,
  `account-${number}`,
]

async function move(scopes) {
  const [from, to] = [Math.floor(Math.random() * KEYS), Math.floor(Math.random() * KEYS)]
  const amount = Math.floor(Math.random() * 10)
  const [fromScope, fromKey] = accountOf(scopes, from)
  await fromScope.update(fromKey, (balance) => balance - amount, { codec: 'json' })
  const [toScope, toKey] = accountOf(scopes, to)
  await toScope.update(toKey, (balance) => balance + amount, { codec: 'json' })
}

async function sum(scopes) {
  let total = 0
  for (let number = 0; number < KEYS; number += 1) {
    const [scope, key] = accountOf(scopes, number)
    total += await scope.get(key, 'json')
  }
  return total
}

const seen = new Set()
let done = 0
for (const end = Date.now() + Number(milliseconds); Date.now() < end; done += 1) {
  const total = await plugin.transaction(mode === 'move' ? move : sum)
  if (mode === 'sum' && !seen.has(total)) say({ sum: total })
  seen.add(total)
}
say({ done })
await storage.close()
