/** Several processes that write, a store that is opened, and one that is recovered. */

import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openStorage } from '../../dist/index.js'

const worker = fileURLToPath(new URL('../worker.js', import.meta.url))

/** Runs a worker; gives what it says when it has ended. */
function runWorker(...args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [worker, ...args.map(String)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let said = ''
    child.stdout.on('data', (chunk) => {
      said += chunk
    })
    child.on('close', (code, signal) =>
      code === 0 || signal === 'SIGKILL'
        ? resolve(said)
        : reject(new Error(`The worker ended with ${code}.`)),
    )
  })
}

const median = (list) => list.toSorted((left, right) => left - right)[list.length >> 1]

const SQLITE = 'SQLite (better-sqlite3, WAL, FULL)'

/** Durable sets of one, two and four processes for some seconds; of one writer in each, and of sixteen. */
export async function processes({ folder, isQuick }) {
  const [seconds, rounds] = isQuick ? [1, 1] : [2, 3]
  const results = []
  for (const writers of [1, 16]) {
    for (const number of [1, 2, 4]) {
      const found = { plainkeep: [], [SQLITE]: [] }
      for (let round = 0; round < rounds; round += 1) {
        for (const [name, list] of Object.entries(found)) {
          const place = join(folder, `processes-${writers}-${number}-${round}-${name.slice(0, 6)}`)
          mkdirSync(place, { recursive: true })
          list.push(await writeTogether({ place, name, number, seconds, writers }))
        }
      }
      const medianOf = (name, what) => median(found[name].map((run) => run[what]))
      const rows = Object.keys(found).map((name) => ({
        name,
        perSecond: Math.round(medianOf(name, 'total') / seconds),
        slowestShare: medianOf(name, 'share'),
        text: `${Math.round(medianOf(name, 'total') / seconds)} sets a second, slowest process ${(medianOf(name, 'share') * 100).toFixed(0)} % of the mean`,
      }))
      rows[0].text += `, plainkeep / SQLite: ${(rows[0].perSecond / rows[1].perSecond).toFixed(2)} (more is better)`
      results.push({ title: `durable sets of ${number} processes with ${writers} writers each`, rows })
    }
  }
  return results
}

/** What some processes have done together, and the share of the slowest one in the mean. */
async function writeTogether({ place, name, number, seconds, writers }) {
  const run = (_, index) => runWorker('write', place, name, `w${index}`, seconds, writers)
  const counts = (await Promise.all(Array.from({ length: number }, run))).map(Number)
  const total = counts.reduce((sum, count) => sum + count, 0)
  return { total, share: Math.min(...counts) / (total / number) }
}

/** Opening an empty store, and one with very many keys; get and set there, beside what the same files cost as such. */
export async function open({ folder, isQuick }) {
  const many = isQuick ? 100_000 : 1_000_000
  const rows = []
  for (const count of [0, 1000, many]) {
    const place = join(folder, `open-${count}`)
    await (await openStorage(place)).close()
    const scope = join(place, 'default', 'shared')
    mkdirSync(scope, { recursive: true })
    for (let index = 0; index < count; index += 1) writeFileSync(join(scope, `k${index}`), 'x')
    const times = []
    for (let round = 0; round < 30; round += 1) {
      const start = performance.now()
      const storage = await openStorage(place)
      times.push((performance.now() - start) * 1000)
      await storage.close()
    }
    const before = process.memoryUsage().heapUsed
    const storage = await openStorage(place)
    const grown = process.memoryUsage().heapUsed - before
    const shared = storage.workspace().shared
    await shared.set('k0', 'x')
    const timeOf = async (run) => {
      const list = []
      for (let index = 0; index < 1500; index += 1) {
        const start = performance.now()
        await run(index)
        list.push((performance.now() - start) * 1000)
      }
      return median(list.slice(500))
    }
    const keyOf = (index, step) => `k${count === 0 ? 0 : (index * step) % count}`
    const read = await timeOf((index) => readFileSync(join(scope, keyOf(index, 7919))))
    const get = await timeOf((index) => shared.get(keyOf(index, 104_729)))
    const draft = join(place, 'draft')
    const replace = await timeOf((index) => {
      writeFileSync(draft, `${index}`)
      renameSync(draft, join(scope, keyOf(index, 15_485_863)))
    })
    const set = await timeOf((index) => shared.set(keyOf(index, 32_452_843), `${index}`))
    await storage.close()
    rows.push({
      name: `${count} keys`,
      ...{ open: median(times), grown, get, set, read, replace },
      text: `open ${median(times).toFixed(0)} µs, ${(grown / 1000).toFixed(0)} kB more; get ${get.toFixed(1)} µs (readFileSync ${read.toFixed(1)}), set ${set.toFixed(0)} µs (write, rename ${replace.toFixed(0)})`,
    })
  }
  return [{ title: 'opening a store, and get and set in it', rows }]
}

/** From the death of the owner to the first write of the next. */
export async function takeover({ folder }) {
  const [idle, full] = [[], []]
  for (let round = 0; round < 15; round += 1) {
    const place = join(folder, `takeover-${round}`)
    idle.push(Number(await killAndTake(place, 1)))
    full.push(Number(await killAndTake(`${place}-full`, 4000)))
  }
  const describe = (list) => `median ${median(list).toFixed(1)} ms, most ${Math.max(...list).toFixed(1)} ms`
  return [
    {
      title:
        'from kill -9 of the owner to the first set of the next, in a new process that has loaded the library',
      rows: [
        { name: 'one commit in the journal', text: describe(idle) },
        { name: 'a journal of about 4 MiB', text: describe(full) },
      ],
    },
  ]
}

async function killAndTake(place, sets) {
  mkdirSync(place, { recursive: true })
  await runWorker('die', place, sets)
  return runWorker('take', place)
}
