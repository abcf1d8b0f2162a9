// Compares plainkeep with its limits and its peers, in rounds that alternate, so that a noisy machine is noisy for all.
//   node bench/run.js [ROUNDS] [FOLDER]
import { fdatasyncSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { openStorage } from '../dist/index.js'

const rounds = Number(process.argv[2] ?? 40)
const folder = mkdtempSync(join(process.argv[3] ?? tmpdir(), 'plainkeep-bench-'))
const SETS = 40
const GETS = 400

let serial = 0

/** 200 bytes that were never written before. */
function makeValue() {
  serial += 1
  return Buffer.alloc(200, `value ${serial} `)
}

const storage = await openStorage(join(folder, 'store'))
const scope = storage.workspace().plugin('bench').storage
const database = new Database(join(folder, 'sqlite.db'))
database.pragma('journal_mode = WAL')
database.pragma('synchronous = FULL')
database.exec('create table entries (key text primary key, value blob)')
const put = database.prepare(
  'insert into entries values (?, ?) on conflict do update set value = excluded.value',
)
const journal = openSync(join(folder, 'journal'), 'w')

const writers = {
  'raw: write, append, fdatasync, rename': (key, value) => {
    const staged = join(folder, 'staged')
    const descriptor = openSync(staged, 'w')
    writeSync(descriptor, value)
    writeSync(journal, value)
    fdatasyncSync(journal)
    renameSync(staged, join(folder, key))
  },
  'SQLite (better-sqlite3, WAL, FULL)': (key, value) => put.run(key, value),
  plainkeep: (key, value) => scope.set(key, value),
}
const readers = {
  'raw: readFileSync': (key) => readFileSync(join(scope.path, key)),
  plainkeep: (key) => scope.get(key),
}

async function timeRound(run, count, key, value) {
  const start = performance.now()
  for (let index = 0; index < count; index += 1) await run(key(index), value?.())
  return ((performance.now() - start) / count) * 1000
}

async function compare(title, runners, { count, key, value }) {
  const times = Object.fromEntries(Object.keys(runners).map((name) => [name, []]))
  for (let round = -3; round < rounds; round += 1) {
    for (const [name, run] of Object.entries(runners)) {
      const microseconds = await timeRound(run, count, (index) => key(round + 3, index), value)
      if (round >= 0) times[name].push(microseconds)
    }
  }
  report(title, times)
}

function report(title, times) {
  console.log(`\n${title}`)
  const own = times.plainkeep
  for (const [name, list] of Object.entries(times)) {
    const ratio = median(own.map((time, round) => time / list[round]))
    const [low, middle, high] = [0.1, 0.5, 0.9].map((part) => quantile(list, part).toFixed(1).padStart(8))
    console.log(
      `  ${name.padEnd(40)} ${middle} µs (${low} to ${high})   plainkeep / this: ${ratio.toFixed(2)}`,
    )
  }
}

const quantile = (list, part) =>
  list.toSorted((left, right) => left - right)[Math.floor((list.length - 1) * part)]
const median = (list) => quantile(list, 0.5)

try {
  console.log(`Node ${process.version}, ${rounds} rounds, median (10th to 90th percentile) of one operation`)
  const sets = { count: SETS, value: makeValue }
  await compare('durable set of 200 bytes, a new key', writers, {
    ...sets,
    key: (round, index) => `n${round}_${index}`,
  })
  await compare('durable set of 200 bytes, over another', writers, {
    ...sets,
    key: (_, index) => `o${index}`,
  })
  await compare('get of 200 bytes', readers, { count: GETS, key: (_, index) => `o${index % SETS}` })
} finally {
  await storage.close()
  database.close()
  rmSync(folder, { recursive: true, force: true })
}
