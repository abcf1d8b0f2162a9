import fs, { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openStorage } from '../../lib/index.js'
import { checkStore } from '../setup/check-store.js'
import { Child } from './child.js'

let root: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'plainkeep-life-'))
})

afterEach(() => {
  rmSync(root, { recursive: true, force: true })
})

test.each(['fall', 'exit'])(
  'a process that ends without closing (%s) lets the store go, and an open store does not hold it',
  async (how) => {
    const child = new Child('leaver.js', root, how)
    await child.done()
    await checkStore(root, fs)
    const storage = await openStorage(root)
    expect(await storage.workspace().shared.get('first', 'text')).toBe('first')
    await storage.close()
    await checkStore(root, fs)
  },
)

test.each(['busy', 'large', 'transaction', 'throw'])(
  'a process that ends in the middle of writes (%s) loses nothing that it acknowledged, and leaves no half',
  async (how) => {
    const child = new Child('leaver.js', root, how)
    expect(await child.exited).toBe(how === 'throw' ? 1 : 0)
    const storage = await openStorage(root)
    const scope = storage.workspace().shared
    const keys = new Set(await scope.keys())
    for (const { key } of child.lines) expect(keys).toContain(key)
    for (const key of keys) {
      if (key.startsWith('pair-a')) expect(keys).toContain(key.replace('pair-a', 'pair-b'))
      if (key.startsWith('a') && how === 'large') expect(await scope.get(key)).toHaveLength(300_000)
    }
    await storage.close()
    await checkStore(root, fs)
  },
)

test('a folder that is opened twice has one engine: closing one leaves the other at work', async () => {
  const [first, second] = await Promise.all([openStorage(root), openStorage(`${root}/.`)])
  await Promise.all([
    first.workspace().shared.set('a', 'first'),
    second.workspace().shared.set('b', 'second'),
  ])
  expect(readdirSync(join(root, '.plainkeep')).filter((name) => name.startsWith('w'))).toHaveLength(1)
  await first.close()
  await expect(first.workspace().shared.get('a')).rejects.toMatchObject({ code: 'STORE_CLOSED' })
  await second.workspace().shared.set('a', 'again')
  expect(await second.workspace().shared.get('a', 'text')).toBe('again')
  await second.close()
  await checkStore(root, fs)
})

test('a burst of 10,000 sets, and large values, do not freeze the process', async () => {
  const storage = await openStorage(root)
  const scope = storage.workspace().shared
  const delays: string[] = []
  const measure = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    const delay = monitorEventLoopDelay({ resolution: 1 })
    await new Promise((resolve) => setTimeout(resolve, 20))
    delay.enable()
    await work()
    delay.disable()
    delays.push(
      `${what}: p99 ${(delay.percentile(99) / 1e6).toFixed(1)} ms, max ${(delay.max / 1e6).toFixed(1)} ms`,
    )
    expect(delay.max / 1e6).toBeLessThan(1000)
  }
  const keys = Array.from({ length: 10_000 }, (_, index) => `key-${index}`)
  await measure('10,000 sets', () => Promise.all(keys.map((key) => scope.set(key, 'value'))))
  const large = Buffer.alloc(1024 * 1024, 'large')
  await measure('20 x 1 MiB', () => Promise.all(keys.slice(0, 20).map((key) => scope.set(key, large))))
  console.log(delays.join('\n'))
  await storage.close()
  await checkStore(root, fs)
}, 60_000)

const MEMORY = '/dev/shm'

test.skipIf(!existsSync(MEMORY))(
  'keys never leaves out a key on tmpfs while another process replaces all of them',
  async () => {
    const folder = mkdtempSync(join(MEMORY, 'plainkeep-list-'))
    const count = 10_000
    const child = new Child('lister.js', folder, count)
    try {
      await child.saying('written')
      const storage = await openStorage(folder, { lockTimeout: 30_000 })
      const scope = storage.workspace().shared
      const plain = Array.from({ length: 20 }, () => count - readdirSync(scope.path).length).filter(
        (missing) => missing > 0,
      )
      console.log(`readdir left keys out in ${plain.length} of 20 listings: ${plain.join(' ')}`)
      for (let round = 0; round < 12; round += 1) expect((await scope.keys()).length).toBe(count)
      await storage.close()
    } finally {
      await child.kill()
      rmSync(folder, { recursive: true, force: true })
    }
  },
  120_000,
)
