/**
 * A process that ends without closing its store: node leaver.js FOLDER HOW
 *
 * `fall` off the end, `exit` while nothing is under way; or in the middle of writes: `busy` exits, `large` does while it
 * writes large values, `transaction` while it makes transactions, `throw` lets an exception go uncaught. Says a JSON line
 * for each key that was acknowledged.
 */

import fs from 'node:fs'
import { openStorage } from '../../dist/index.js'

const [folder, how] = process.argv.slice(2)
const storage = await openStorage(folder)
const scope = storage.workspace().shared
const acknowledge = (key) => fs.writeSync(1, `${JSON.stringify({ key })}\n`)
const write = async (key, value = key) => {
  await scope.set(key, value)
  acknowledge(key)
}
const commitPair = async (number) => {
  const keys = [`pair-a${number}`, `pair-b${number}`]
  await scope.transaction(async (own) => {
    for (const key of keys) await own.set(key, key)
  })
  for (const key of keys) acknowledge(key)
}
const work = {
  busy: (number) => Promise.all([write(`a${number}`), write(`b${number}`)]),
  large: (number) => Promise.all([write(`a${number}`, Buffer.alloc(300_000, 'large')), write(`b${number}`)]),
  transaction: commitPair,
  throw: (number) => Promise.all([write(`a${number}`), commitPair(number)]),
}[how]
const leave = () => {
  if (how === 'throw') throw new Error('nobody catches this')
  process.exit(0)
}

await write('first')
if (how !== 'fall') setTimeout(leave, 50)
for (let number = 0; work !== undefined; number += 1) await work(number)
