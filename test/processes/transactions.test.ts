import fs, { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openStorage } from '../../lib/index.js'
import { checkStore } from '../setup/check-store.js'
import { Child } from './child.js'

let root: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'plainkeep-transactions-'))
})

afterEach(async () => {
  await checkStore(root, fs)
  rmSync(root, { recursive: true, force: true })
})

test.each(['json', 'bytes'])(
  'four processes that count 500 each with update end at 2,000, as %s',
  async (codec) => {
    const children = [1, 2, 3, 4].map(() => new Child('counter.js', root, 500, codec))
    await Promise.all(children.map((child) => child.done()))
    await using storage = await openStorage(root)
    expect(await storage.workspace().shared.get('counter', 'text')).toBe('2000')
  },
  120_000,
)

const KEYS = 20
const BALANCE = 100

/** Opens the accounts, one commit for all. */
async function openAccounts(): Promise<void> {
  await using storage = await openStorage(root)
  await storage
    .workspace()
    .plugin('bank')
    .transaction(async (scopes) => {
      for (let number = 0; number < KEYS; number += 1) {
        const scope = number % 2 === 0 ? scopes.storage : scopes.workspace
        await scope.set(`account-${number}`, BALANCE, { codec: 'json' })
      }
    })
}

const MOVING_MS = process.env.PLAINKEEP_LONG ? 10_000 : 2500

test('amounts that four processes move between keys have one sum at every moment, killed processes included', async () => {
  await openAccounts()
  const movers = [1, 2, 3, 4].map(() => new Child('transferrer.js', root, 'move', MOVING_MS))
  const summers = [1, 2].map(() => new Child('transferrer.js', root, 'sum', MOVING_MS))
  await Promise.all(summers.map((summer) => summer.saying('sum')))
  const [killed, rest] = [
    [...movers.slice(2), ...summers.slice(1)],
    [...movers.slice(0, 2), ...summers.slice(0, 1)],
  ]
  await Promise.all(
    killed.map(async (child, index) => {
      await new Promise((resolve) => setTimeout(resolve, (MOVING_MS / 4) * (index + 1)))
      await child.kill()
      await new Child('transferrer.js', root, 'move', MOVING_MS / 5).done()
    }),
  )
  await Promise.all(rest.map((child) => child.done()))
  for (const summer of summers) {
    expect(summer.lines.filter((line) => 'sum' in line)).toEqual([{ sum: KEYS * BALANCE }])
  }
  const done = rest.map(({ lines }) => Number(lines.at(-1)?.done))
  expect(Math.min(...done)).toBeGreaterThan(0)
}, 120_000)

test('a body that keeps the store to itself for too long is rejected, and other processes go on', async () => {
  const child = new Child('hoarder.js', root, 400)
  await child.saying('alone')
  await using storage = await openStorage(root)
  const { shared } = storage.workspace()
  const start = performance.now()
  await shared.set('count', 'written by another')
  const waitedMs = performance.now() - start
  await child.done()
  expect(child.lines.at(-1)).toEqual({ code: 'LOCK_TIMEOUT', outcome: 'none', late: 'TRANSACTION_ENDED' })
  expect(await shared.get('count', 'text')).toBe('written by another')
  expect(waitedMs).toBeGreaterThan(100) // it had the store to itself until then
  expect(waitedMs).toBeLessThan(10_000)
})

test('four processes that write until the limit is reached fill a scope to it, and not beyond', async () => {
  const children = ['a', 'b', 'c', 'd'].map((name) => new Child('filler.js', root, name))
  await Promise.all(children.map((child) => child.done()))
  const written = children.map(({ lines }) => Number(lines.at(-1)?.written))
  expect(written.reduce((sum, each) => sum + each, 0)).toBe(100)
  await using storage = await openStorage(root)
  expect(await storage.workspace().shared.usage()).toEqual({ keys: 100, bytes: 1000 })
}, 60_000)
