/**
 * A process of the benchmark of watchers: node bench/watch-worker.js write|watch FOLDER, with messages to and from its parent.
 *
 * `write` makes `count` commits, with a pause after each, and says for each key when `set` had resolved, in milliseconds of
 * the system's monotonic clock. `watch` says when it was told of each key, what that cost, and what it holds.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { openStorage } from '../dist/index.js'

const [mode, folder] = process.argv.slice(2)
const now = () => Number(process.hrtime.bigint()) / 1e6
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const say = (message) => new Promise((resolve) => process.send(message, resolve))
const storage = await openStorage(folder)
const scope = storage.workspace().shared

async function write({ count, pauseMs, prefix }) {
  const resolved = {}
  for (let number = 0; number < count; number += 1) {
    await scope.set(`${prefix}${number}`, Buffer.alloc(200, `${number} `))
    resolved[`${prefix}${number}`] = now()
    await sleep(pauseMs)
  }
  return { resolved }
}

/** The watches that the kernel keeps for this process; undefined where it does not say. */
function countWatches() {
  try {
    const texts = readdirSync('/proc/self/fdinfo').map((name) => {
      try {
        return readFileSync(`/proc/self/fdinfo/${name}`, 'latin1')
      } catch {
        return '' // the one of the listing
      }
    })
    return texts.join('').match(/^inotify wd:/gm)?.length ?? 0
  } catch {
    return undefined
  }
}

function heapBytes() {
  globalThis.gc()
  return process.memoryUsage().heapUsed
}

let told = {}
let cpu = process.cpuUsage()

async function watch() {
  const before = { bytes: heapBytes(), ms: now(), cpu: process.cpuUsage() }
  const watcher = scope.watch()
  watcher.on('change', ({ key }) => {
    told[key] = now()
  })
  await watcher.ready
  const ms = now() - before.ms
  const { user, system } = process.cpuUsage(before.cpu)
  return { ms, cpuMs: (user + system) / 1000, bytes: heapBytes() - before.bytes, watches: countWatches() }
}

/** What was told since the last call, and what it cost in milliseconds of the processor. */
function take() {
  const { user, system } = process.cpuUsage(cpu)
  const taken = { told, cpuMs: (user + system) / 1000 }
  told = {}
  cpu = process.cpuUsage()
  return taken
}

const actions = { write, watch, take, close: () => storage.close() }
process.on('message', async ({ action, ...options }) => {
  await say((await actions[action](options)) ?? {})
  if (action === 'close') process.disconnect()
})
await say({ mode })
