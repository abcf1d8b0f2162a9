/**
 * What each public call costs in system calls, to the call: a change that makes one dearer fails here, without a clock.
 *
 * Each figure is the least of several runs, since an owner that rests looks around now and then beside them.
 */

import fs, { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { openStorage, type Scope, type Storage } from '../lib/index.js'
import { checkStore } from './setup/check-store.js'
import { FaultyFileSystem } from './setup/faulty-fs.js'

/** However busy the machine: no file is made ahead, and an owner does not look between two sets whether others wait. */
vi.mock('../lib/base/limits.js', async (importOriginal) => ({
  ...(await importOriginal<typeof import('../lib/base/limits.js')>()),
  SLOW_CREATE_MS: Number.POSITIVE_INFINITY,
  SLICE_MS: Number.POSITIVE_INFINITY,
}))

const RUNS = 7

/** System calls by their kinds; those that a thread makes and those that are made at once are alike. */
type Cost = Readonly<Record<string, number>>

/** A small value staged, recorded and put in place, beside the looks at its scope's three folders and at its key. */
const SET: Cost = { open: 1, write: 2, utimes: 1, fstat: 2, close: 1, flush: 1, rename: 1, lstat: 4 }

const READ: Cost = { open: 1, fstat: 1, read: 1, close: 1 }

let root: string
let disk: FaultyFileSystem
let storage: Storage
let scope: Scope
let serial = 0

/** A name or value that was not there before. */
function nextName(): string {
  serial += 1
  return `n${serial}`
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'plainkeep-cost-'))
  disk = new FaultyFileSystem(fs)
  storage = await openStorage(root, { fs: disk.fs })
  scope = storage.workspace().plugin('acme/weather').storage
  for (let number = 0; number < 20; number += 1) await scope.set(`k${number}`, `value ${number}`)
})

afterAll(async () => {
  await storage.close()
  await checkStore(root, fs)
  rmSync(root, { recursive: true, force: true })
})

/** The least that a call costs. `prepare` comes before each, and does not count. */
async function costOf(call: () => Promise<unknown>, prepare?: () => Promise<unknown>): Promise<Cost> {
  let least: Cost | undefined
  for (let run = 0; run < RUNS; run += 1) {
    await prepare?.()
    disk.calls.length = 0
    await call()
    const cost = countByKind(disk.calls)
    if (least === undefined || total(cost) < total(least)) least = cost
  }
  return least as Cost
}

function countByKind(calls: readonly string[]): Cost {
  const cost: Record<string, number> = {}
  for (const call of calls) {
    const kind = kindOf(call.split(' ')[0] as string)
    cost[kind] = (cost[kind] ?? 0) + 1
  }
  return cost
}

function kindOf(name: string): string {
  const kind = name.replace(/Sync$/, '')
  if (kind === 'fsync' || kind === 'fdatasync') return 'flush'
  return kind === 'futimes' ? 'utimes' : kind
}

const total = (cost: Cost): number => Object.values(cost).reduce((sum, count) => sum + count, 0)

const touch = (): Promise<unknown> => scope.set('touched', nextName())

describe('reading', () => {
  test('get of a value opens, looks at, reads and closes its file', async () => {
    let number = 0
    const readNext = (): Promise<unknown> => {
      number += 1
      return scope.get(`k${number}`)
    }
    expect(await costOf(readNext)).toEqual(READ)
  })

  test('get of a value that is kept looks at its file', async () => {
    await new Promise((resolve) => setTimeout(resolve, 60))
    for (let time = 0; time < 3; time += 1) await scope.get('k0')
    expect(await costOf(() => scope.get('k0'))).toEqual({ lstat: 1 })
    expect(await costOf(() => scope.entry('k0'))).toEqual({ lstat: 1 })
  })

  test('has looks at the file', async () => {
    expect(await costOf(() => scope.has('k1'))).toEqual({ lstat: 1 })
  })

  test('a missing key takes one call', async () => {
    expect(await costOf(() => scope.find('missing'))).toEqual({ open: 1 })
  })

  test('keys lists the folder once, and looks at it before and after', async () => {
    await new Promise((resolve) => setTimeout(resolve, 1500)) // nobody owns the store by then
    const cost = await costOf(
      () => scope.keys(),
      async () => {
        const path = join(scope.path, 'edited')
        fs.writeFileSync(path, 'by hand')
        fs.rmSync(path)
        await new Promise((resolve) => setTimeout(resolve, 60))
      },
    )
    expect(cost).toEqual({ lstat: 3, readdir: 1 })
  })

  test('keys of a folder in which nothing happened looks at it', async () => {
    await scope.keys()
    expect(await costOf(() => scope.keys())).toEqual({ lstat: 1 })
  })
})

describe('writing', () => {
  test('set of a new key, and over another value', async () => {
    expect(await costOf(() => scope.set(nextName(), 'value'), touch)).toEqual(SET)
    expect(await costOf(() => scope.set('k2', 'value'), touch)).toEqual(SET)
  })

  test('a group of n sets has one flush and one record, and looks at the folders once', async () => {
    const setMany = (count: number): Promise<unknown> =>
      Promise.all(Array.from({ length: count }, (_, index) => scope.set(`g${index}`, 'value')))
    for (const count of [10, 100]) {
      const cost = await costOf(() => setMany(count), touch)
      expect(cost).toEqual({
        open: count,
        write: count + 1,
        utimes: count,
        fstat: 2 * count,
        close: count,
        rename: count,
        lstat: count + 3,
        flush: 1,
      })
    }
  })

  test('a burst of n sets makes at most 2 + n/1000 flushes before the promises resolve', async () => {
    const count = 3000
    await touch()
    disk.calls.length = 0
    const sets = Array.from({ length: count }, (_, index) => scope.set(`burst${index}`, 'x'.repeat(200)))
    await Promise.all(sets)
    expect(countByKind(disk.calls).flush).toBeLessThanOrEqual(2 + count / 1000)
  })

  test('delete renames the file out of its scope and removes it there', async () => {
    const cost = await costOf(
      () => scope.delete('deleted'),
      () => scope.set('deleted', 'value'),
    )
    expect(cost).toEqual({ write: 1, flush: 1, rename: 1, unlink: 1, lstat: 4 })
  })

  test('delete of a missing key writes nothing', async () => {
    expect(await costOf(() => scope.delete('missing'), touch)).toEqual({ lstat: 5 })
  })

  test('update reads the value, compares its version, and sets it', async () => {
    const add = (): Promise<unknown> =>
      scope.update('count', (count) => Number(count ?? 0) + 1, { codec: 'json' })
    expect(await costOf(add, add)).toEqual({ ...SET, open: 2, fstat: 3, read: 1, close: 2, lstat: 5 })
  })

  test('a set that goes by a version compares it', async () => {
    let version = await scope.set('compared', 'value')
    const set = async (): Promise<void> => {
      version = await scope.set('compared', 'value', { ifVersion: version })
    }
    expect(await costOf(set, touch)).toEqual({ ...SET, lstat: 5 })
  })
})

describe('opening and closing', () => {
  let place: string

  beforeAll(async () => {
    place = mkdtempSync(join(tmpdir(), 'plainkeep-cost-'))
    await openAndSet()
  })

  afterAll(() => rmSync(place, { recursive: true, force: true }))

  async function openAndSet(): Promise<void> {
    const opened = await openStorage(place, { fs: disk.fs })
    await opened.workspace().shared.set('key', 'value')
    await opened.close()
  }

  test('a store that nobody owns is opened and closed without a write', async () => {
    const openAndClose = async (): Promise<void> => (await openStorage(place, { fs: disk.fs })).close()
    expect(await costOf(openAndClose)).toEqual({
      ...{ realpath: 1, readdir: 3, lstat: 1 },
      ...{ open: 2, fstat: 2, read: 2, close: 2 }, // format.json, and the journal that was kept
    })
  })

  test('the first set takes the store over, and close syncs all and lets it go', async () => {
    const { flush, rename, unlink, mkdir, link } = await costOf(openAndSet)
    expect({ flush, rename, unlink, mkdir, link }).toEqual({
      flush: 14,
      rename: 4,
      unlink: 4,
      mkdir: 2,
      link: 1,
    })
  })
})
