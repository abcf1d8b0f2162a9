/** Scopes of many keys. */

import fs, { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openStorage } from '../../lib/index.js'
import { checkStore } from '../setup/check-store.js'

let root: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'plainkeep-large-'))
})

afterEach(async () => {
  await checkStore(root, fs)
  rmSync(root, { recursive: true, force: true })
})

const keyOf = (index: number): string => `key-${String(index).padStart(6, '0')}`

test('10,000 keys are set by one transaction and cleared by one commit', async () => {
  const storage = await openStorage(root)
  const scope = storage.workspace().shared
  await scope.transaction(async (own) => {
    for (let index = 0; index < 10_000; index += 1) await own.set(keyOf(index), 'x')
  })
  await scope.set('other', 'x')
  expect(await scope.clear({ prefix: 'key-' })).toBe(10_000)
  expect(await scope.keys()).toEqual(['other'])
  await storage.close()
  expect(readdirSync(join(root, '.plainkeep'))).toContain('kept-3') // three commits were made
}, 60_000)

const COUNT = process.env.PLAINKEEP_LONG ? 100_000 : 20_000

test('entries reads in memory that does not grow with the values, and keys pages', async () => {
  await (await openStorage(root)).close()
  const folder = join(root, 'default', 'shared')
  mkdirSync(folder, { recursive: true })
  for (let index = 0; index < COUNT; index += 1) writeFileSync(join(folder, keyOf(index)), Buffer.alloc(4096))
  await using storage = await openStorage(root)
  const scope = storage.workspace().shared
  let [bytes, peak] = [0, 0]
  const before = process.memoryUsage()
  for await (const { value } of scope.entries()) {
    bytes += value.byteLength
    if (bytes % (1000 * 4096) !== 0) continue
    const now = process.memoryUsage()
    peak = Math.max(peak, now.heapUsed + now.external - before.heapUsed - before.external)
  }
  expect(bytes).toBe(COUNT * 4096)
  expect(peak).toBeLessThan(bytes / 2 + 40e6)
  const pages: string[][] = []
  for (let after: string | undefined; pages.at(-1)?.length !== 0; after = pages.at(-1)?.at(-1))
    pages.push(await scope.keys({ after, limit: COUNT / 5 }))
  expect(pages.flat()).toEqual(Array.from({ length: COUNT }, (_, index) => keyOf(index)))
}, 120_000)
