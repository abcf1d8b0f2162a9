/** Many keys at once: bursts, commits, listings, entries. */

import { readdirSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { openPeers } from '../peers.js'
import { compare } from '../rounds.js'

let serial = 0

async function withPeers(folder, names, body) {
  const opened = await openPeers(folder, names)
  try {
    return await body(opened)
  } finally {
    for (const { store } of opened) await store.close()
  }
}

const DURABLE_AND_LIMITS = [
  'raw',
  'plainkeep',
  'write-file-atomic',
  'SQLite',
  'lmdb',
  'classic-level',
  'unstorage',
  'cacache',
]

/** A burst: all sets are begun at once, and awaited together. */
export async function burst({ folder, rounds }) {
  const results = []
  for (const size of [2000, 10_000]) {
    await withPeers(`${folder}/burst-${size}`, DURABLE_AND_LIMITS, async (opened) => {
      const few = opened.filter(({ peer }) => !/^raw: create|folder fsync|FULL|level, sync/.test(peer.name))
      const run = ({ store }) => {
        serial += 1
        const sets = Array.from({ length: size }, (_, index) =>
          store.set(`b${serial}-${index}`, Buffer.alloc(200, `${index} `)),
        )
        return Promise.all(sets)
      }
      const rows = await compare(few, { rounds: Math.max(3, rounds / 8), count: 1 }, run)
      results.push({ title: `burst of ${size} sets of new keys, all of them`, rows })
    })
  }
  return results
}

/** One commit of a thousand keys. */
export async function commit({ folder, rounds }) {
  return withPeers(`${folder}/commit`, ['plainkeep', 'SQLite', 'lmdb', 'classic-level'], async (opened) => {
    const run = ({ store }) => {
      serial += 1
      return store.setMany(
        Array.from({ length: 1000 }, (_, index) => [`c${serial}-${index}`, Buffer.alloc(200, `${index} `)]),
      )
    }
    const rows = await compare(opened, { rounds: Math.max(3, rounds / 4), count: 1 }, run)
    return [{ title: 'one commit of 1,000 keys', rows }]
  })
}

/** keys, keys with a prefix, and entries. */
export async function keys({ folder, rounds, isQuick }) {
  const results = []
  for (const size of isQuick ? [1000, 10_000] : [1000, 100_000]) {
    await withPeers(
      `${folder}/keys-${size}`,
      ['plainkeep', 'SQLite (better-sqlite3, WAL, FULL)', 'lmdb', 'classic-level'],
      async (opened) => {
        for (const { store } of opened)
          for (let first = 0; first < size; first += 1000)
            await store.setMany(
              Array.from({ length: 1000 }, (_, index) => [`k${first + index}`, Buffer.from('x')]),
            )
        const own = opened.find(({ peer }) => peer.name === 'plainkeep').store
        const readdir = {
          peer: { name: 'raw: readdir and sort', isDurable: true, isAtomic: false, processes: 'many' },
          store: { keys: () => readdirSync(own.path).sort() },
        }
        const few = { rounds: Math.max(5, rounds / 2), count: size > 10_000 ? 1 : 10, warmup: 10 }
        results.push({
          title: `keys of ${size}`,
          rows: await compare([readdir, ...opened], few, ({ store }) => store.keys()),
        })
        const withPrefix = opened.filter(({ peer }) => peer.name === 'plainkeep')
        results.push({
          title: `keys with a prefix, 1 in 9 of ${size}`,
          rows: await compare(withPrefix, few, ({ store }) => store.keys('k1')),
        })
        const count = async () => {
          let bytes = 0
          for await (const { size: length } of own.scope.entries()) bytes += length
          return bytes
        }
        results.push({
          title: `entries of ${size}, all of them`,
          rows: await compare(withPrefix, { rounds: 5, count: 1, warmup: 1 }, count),
        })
      },
    )
  }
  return results
}

/** How long the event loop stands still in a burst. */
export async function loop({ folder }) {
  return withPeers(`${folder}/loop`, ['plainkeep'], async ([{ store }]) => {
    const delays = []
    for (let round = 0; round < 6; round += 1) {
      const monitor = monitorEventLoopDelay({ resolution: 1 })
      const before = process.memoryUsage()
      const start = performance.now()
      const sets = Array.from({ length: 10_000 }, (_, index) =>
        store.set(`l${round}-${index}`, Buffer.alloc(200, 'x')),
      )
      const called = performance.now() - start
      await new Promise((resolve) => setImmediate(resolve)) // the loop that calls is the caller's
      monitor.enable()
      await Promise.all(sets)
      monitor.disable()
      const memory = process.memoryUsage()
      delays.push({
        called,
        p99: monitor.percentile(99) / 1e6,
        max: monitor.max / 1e6,
        grown: memory.rss - before.rss,
      })
    }
    const rows = delays.slice(1).map(({ called, p99, max, grown }, index) => ({
      name: `burst ${index + 1}`,
      ...{ called, p99, max, grown },
      text: `${called.toFixed(1)} ms for the calls, then p99 ${p99.toFixed(1)} ms, max ${max.toFixed(1)} ms, memory ${(grown / 1e6).toFixed(1)} MB more`,
    }))
    return [{ title: 'delay of the event loop during a burst of 10,000 sets', rows }]
  })
}
