/** Several processes that write, a store that is opened, and one that is recovered. */

import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
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

/** Durable sets of one, two and four processes for some seconds. */
export async function processes({ folder, isQuick }) {
  const seconds = isQuick ? 2 : 4
  const results = []
  for (const number of [1, 2, 4]) {
    const rows = []
    for (const peer of ['plainkeep', 'SQLite (better-sqlite3, WAL, FULL)']) {
      const place = join(folder, `processes-${number}-${peer.slice(0, 6)}`)
      mkdirSync(place, { recursive: true })
      const counts = (
        await Promise.all(
          Array.from({ length: number }, (_, index) => runWorker('write', place, peer, `w${index}`, seconds)),
        )
      ).map(Number)
      const total = counts.reduce((sum, count) => sum + count, 0)
      const share = Math.min(...counts) / (total / number)
      rows.push({
        name: peer,
        total,
        text: `${Math.round(total / seconds)} sets a second, slowest process ${(share * 100).toFixed(0)} % of the mean`,
      })
    }
    rows[0].text += `, plainkeep / SQLite: ${(rows[0].total / rows[1].total).toFixed(2)} (more is better)`
    results.push({ title: `durable sets of ${number} processes`, rows })
  }
  return results
}

/** Opening an empty store, and one with very many keys; get and set there. */
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
      for (let index = 0; index < 600; index += 1) {
        const start = performance.now()
        await run(index)
        list.push((performance.now() - start) * 1000)
      }
      return median(list.slice(100))
    }
    const get = await timeOf((index) => shared.get(`k${count === 0 ? 0 : (index * 7919) % count}`))
    const set = await timeOf((index) =>
      shared.set(`k${count === 0 ? 0 : (index * 7919) % count}`, `${index}`),
    )
    await storage.close()
    rows.push({
      name: `${count} keys`,
      text: `open ${median(times).toFixed(0)} µs, ${(grown / 1000).toFixed(0)} kB more; get ${get.toFixed(1)} µs, set ${set.toFixed(0)} µs`,
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
