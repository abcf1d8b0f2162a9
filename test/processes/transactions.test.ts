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

test('amounts that four processes move between keys have one sum at every moment, killed processes included', async () => {
  await openAccounts()
  const movers = [1, 2, 3, 4].map(() => new Child('transferrer.js', root, 'move', 10_000))
  const summer = new Child('transferrer.js', root, 'sum', 10_000)
  await Promise.all(
    movers.slice(2).map(async (mover, index) => {
      await new Promise((resolve) => setTimeout(resolve, 2500 * (index + 1)))
      await mover.kill()
      await new Child('transferrer.js', root, 'move', 2000).done()
    }),
  )
  await Promise.all([...movers.slice(0, 2), summer].map((child) => child.done()))
  expect(summer.lines.filter((line) => 'sum' in line)).toEqual([{ sum: KEYS * BALANCE }])
  const done = [...movers.slice(0, 2), summer].map(({ lines }) => Number(lines.at(-1)?.done))
  expect(Math.min(...done)).toBeGreaterThan(10)
}, 120_000)
