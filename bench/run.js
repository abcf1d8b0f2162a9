/**
 * Compares plainkeep with its limits and its peers: node bench/run.js [PART ...] [--quick] [--folder FOLDER] [--peers NAMES]
 *
 * Parts are the names of the workloads; all of them unless named. Prints tables, and writes results/latest.json, in which
 * the other parts stay as they were, and results/chart.svg; not with a folder of one's own. compare.js compares two such
 * files. Of `set` there can be fewer peers: all whose names begin with one of some names with commas between.
 */

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { drawChart, printTable } from './report.js'
import { floor } from './workloads/floor.js'
import { burst, commit, keys, loop } from './workloads/many.js'
import { open, processes, takeover } from './workloads/processes.js'
import { counter, get, mixed, set } from './workloads/single.js'
import { watchedSet, watchLatency, watchMany } from './workloads/watching.js'

const workloads = {
  ...{ get, set, mixed, counter, burst, commit, keys, loop, processes, open, takeover },
  ...{ watchLatency, watchedSet, watchMany, floor },
}

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    folder: { type: 'string' },
    peers: { type: 'string' },
  },
})
const parts = positionals.length === 0 ? Object.keys(workloads) : positionals
const unknown = parts.find((part) => !(part in workloads))
if (unknown !== undefined)
  throw new Error(`There is no part ${unknown}; there are ${Object.keys(workloads).join(', ')}.`)

const folder = mkdtempSync(join(options.folder ?? tmpdir(), 'plainkeep-bench-'))
const names = options.peers?.split(',')
const context = { rounds: options.quick ? 10 : 30, isQuick: options.quick, names }
console.log(
  `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model.trim()}; ${context.rounds} rounds, all contenders in turn, after a warm-up; median of a round (10th to 90th percentile) for one operation`,
)
const results = []
try {
  for (const part of parts) {
    const place = join(folder, part)
    mkdirSync(place) // nothing is removed before the end: ext4 without a journal makes files slowly for a minute after that
    for (const result of await workloads[part]({ ...context, folder: place })) {
      printTable(result.title, result.rows)
      results.push({ part, ...result })
    }
    const { rss, heapUsed } = process.memoryUsage()
    results.at(-1).memory = { rss, heapUsed }
    console.log(
      `  memory of this process, with all contenders: ${(rss / 1e6).toFixed(0)} MB, heap ${(heapUsed / 1e6).toFixed(0)} MB`,
    )
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
if (options.folder === undefined && names === undefined) keepResults()

/** Writes what was found in place of the same parts of before, and draws all of it. */
function keepResults() {
  const place = fileURLToPath(new URL('results/', import.meta.url))
  const path = join(place, 'latest.json')
  mkdirSync(place, { recursive: true })
  const before = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).results : []
  const all = Object.keys(workloads).flatMap((part) =>
    (parts.includes(part) ? results : before).filter((result) => result.part === part),
  )
  writeFileSync(path, `${JSON.stringify({ node: process.version, results: all }, null, 1)}\n`)
  writeFileSync(join(place, 'chart.svg'), drawChart(all))
}
