/**
 * A process that is stopped right before the journal's record of its second group: node late-caller.js FOLDER
 *
 * It sets `kept`, then `kept` and others in one group. Says a JSON line when it stops, and what became of the group.
 */

import fs from 'node:fs'
import { openTestEngine } from './engine.js'

const folder = process.argv[2]
/** @param {object} line */
const say = (line) => fs.writeSync(1, `${JSON.stringify(line)}\n`)
const scope = { workspace: 'default' }
let isArmed = false

/** @param {Uint8Array} bytes */
const isCommits = (bytes) =>
  Buffer.from(bytes.subarray(0, 4)).toString('latin1') === 'pkr1' && bytes[12] === 1

/** @param {number} descriptor @param {any} bytes @param {any[]} rest */
function writeSync(descriptor, bytes, ...rest) {
  if (isArmed && isCommits(bytes)) {
    isArmed = false
    say({ stopped: true })
    process.kill(process.pid, 'SIGSTOP')
  }
  return fs.writeSync(descriptor, bytes, ...rest)
}

const engine = await openTestEngine(folder, { ...fs, writeSync })
/** @param {string} key @param {string} value */
const set = (key, value) => engine.commit({ changes: [{ scope, key, value: Buffer.from(value) }] })
await set('kept', 'acknowledged')
isArmed = true
const keys = ['kept', ...Array.from({ length: 50 }, (_, index) => `late-${index}`)]
const outcomes = await Promise.allSettled(keys.map((key) => set(key, 'late')))
say({ outcomes: outcomes.map((each) => ('reason' in each ? each.reason.outcome : each.status)) })
setInterval(() => undefined, 1000) // until it is killed
