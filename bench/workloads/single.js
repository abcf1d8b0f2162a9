/** One call after another: get and durable set. */

import { openPeers } from '../peers.js'
import { compare } from '../rounds.js'

let serial = 0

/** Bytes that were never written before. */
function makeValue(size) {
  serial += 1
  return Buffer.alloc(size, `value ${serial} `)
}

async function closing(opened, body) {
  try {
    return await body()
  } finally {
    for (const { store } of opened) await store.close()
  }
}

/** get: one hot key, and any of many. */
export async function get({ folder, rounds, isQuick }) {
  const results = []
  for (const [size, keys] of [
    [200, 1],
    [200, isQuick ? 1000 : 10_000],
    [4096, 1000],
    [1_048_576, 20],
  ]) {
    const opened = await openPeers(`${folder}/${size}-${keys}`)
    const contenders = opened.filter(
      ({ peer, store }) =>
        store.get !== undefined &&
        peer.name !== 'raw: write, rename' &&
        !(peer.name === 'conf' && keys * size > 1e6),
    )
    await closing(opened, async () => {
      for (const { store } of contenders) await fill(store, keys, size)
      const count = size > 100_000 ? 20 : 200
      const pick = (index) => `k${(((index % keys) + keys) * 7919) % keys}`
      const rows = await compare(
        contenders,
        { rounds, count, warmup: 2000 / (size > 4096 ? 50 : 1) },
        ({ store }, index) => store.get(pick(index)),
      )
      rows[0].name = 'raw: readFileSync'
      results.push({
        title: `get of ${size} bytes, ${keys === 1 ? 'one hot key' : `any of ${keys} keys`}`,
        rows,
      })
    })
  }
  return results
}

async function fill(store, keys, size) {
  for (let first = 0; first < keys; first += 500) {
    const entries = Array.from({ length: Math.min(500, keys - first) }, (_, index) => [
      `k${first + index}`,
      makeValue(size),
    ])
    if (store.setMany !== undefined && size < 100_000) await store.setMany(entries)
    else for (const [key, value] of entries) await store.set(key, value)
  }
}

/** set: new keys, over others, and one hot key. */
export async function set({ folder, rounds, names }) {
  const results = []
  const kinds = {
    'a new key': (index) => `n${index}`,
    'over another': (index) => `o${((index % 50) + 50) % 50}`,
    'one hot key': () => 'hot',
  }
  for (const [kind, keyOf] of Object.entries(kinds)) {
    const opened = await openPeers(`${folder}/set-${kind.replaceAll(' ', '-')}`, names)
    await closing(opened, async () => {
      const contenders = opened.filter(({ peer }) => peer.name !== 'conf' || kind !== 'a new key')
      const rows = await compare(contenders, { rounds, count: 40, warmup: 3000 }, ({ store }, index) =>
        store.set(keyOf(index), makeValue(200)),
      )
      results.push({ title: `set of 200 bytes, one after another, ${kind}`, rows })
    })
  }
  return results
}

/** 90 gets and 10 sets in a hundred. */
export async function mixed({ folder, rounds }) {
  const opened = await openPeers(`${folder}/mixed`)
  return closing(opened, async () => {
    const contenders = opened.filter(({ store }) => store.get !== undefined)
    for (const { store } of contenders) await fill(store, 1000, 200)
    const run = ({ store }, index) => {
      const key = `k${(((index % 1000) + 1000) * 7919) % 1000}`
      return index % 10 === 0 ? store.set(key, makeValue(200)) : store.get(key)
    }
    return [
      {
        title: '90 gets and 10 sets of 200 bytes',
        rows: await compare(contenders, { rounds, count: 100, warmup: 2000 }, run),
      },
    ]
  })
}

/** A counter that is raised by one update after another. */
export async function counter({ folder, rounds }) {
  const opened = await openPeers(`${folder}/counter`, ['plainkeep', 'SQLite', 'raw: create'])
  return closing(opened, async () => {
    for (const { store } of opened) await store.set('count', Buffer.from('0'))
    const run = async ({ store }) => {
      if (store.scope !== undefined)
        return store.scope.update('count', (n) => Number(n) + 1, { codec: 'json' })
      return store.set('count', Buffer.from(String(Number(await store.get('count')) + 1)))
    }
    return [
      { title: 'update of a counter', rows: await compare(opened, { rounds, count: 40, warmup: 1500 }, run) },
    ]
  })
}
