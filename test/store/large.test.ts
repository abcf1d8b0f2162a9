/** Scopes of many keys. */

import fs, { linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
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

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

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

describe('100,000 keys', () => {
  const COUNT = 100_000
  const VALUE_BYTES = 1024

  beforeEach(async () => {
    await (await openStorage(root)).close()
    const folder = join(root, 'default', 'shared')
    mkdirSync(folder, { recursive: true })
    for (let index = 0; index < COUNT; index += 1) {
      const first = index - (index % 40_000) // a file may have so many names, which are made sooner than files
      if (index === first) writeFileSync(join(folder, keyOf(index)), Buffer.alloc(VALUE_BYTES))
      else linkSync(join(folder, keyOf(first)), join(folder, keyOf(index)))
    }
  }, 120_000)

  /** What is in use once all that nobody holds is gone, in bytes. */
  function measureUse(): number {
    collect()
    collect() // ends what the first one left to be swept beside the program
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }

  test('are read one by one in memory for their names, and listed in pages', async () => {
    await using storage = await openStorage(root)
    const scope = storage.workspace().shared
    const before = measureUse()
    let [count, bytes, peak] = [0, 0, 0]
    for await (const { value } of scope.entries()) {
      count += 1
      bytes += value.byteLength
      if (count % 20_000 === 1) peak = Math.max(peak, measureUse() - before)
    }
    expect([count, bytes]).toEqual([COUNT, COUNT * VALUE_BYTES])
    expect(peak).toBeLessThan(COUNT * 200) // a fifth of the values; the list of keys takes some 40 bytes each
    const pages: string[][] = []
    for (let after: string | undefined; pages.at(-1)?.length !== 0; after = pages.at(-1)?.at(-1))
      pages.push(await scope.keys({ after, limit: COUNT / 4 }))
    expect(pages.flat()).toEqual(Array.from({ length: COUNT }, (_, index) => keyOf(index)))
  }, 120_000)
})
