import fs, { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openStorage, type Scope } from '../../lib/index.js'
import { checkStore } from '../setup/check-store.js'
import { Child } from './child.js'

const MEMORY = '/dev/shm'
const KEYS = 10_000
const IS_LONG = process.env.PLAINKEEP_LONG !== undefined
const LISTINGS = IS_LONG ? 20 : 5
const WATCHERS = IS_LONG ? 3 : 1

/** Renames come and go in phases; listings in a row could all fall between them. */
const PAUSE_MS = 20

/** How many keys each of several listings leaves out. */
async function countMissing(list: () => Promise<string[]>): Promise<number[]> {
  const missing: number[] = []
  for (let round = 0; round < LISTINGS; round += 1) {
    missing.push(KEYS - (await list()).length)
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
  return missing
}

/** How many keys each of several watchers is not told of, with `initial`; and nothing is told to be gone. */
async function countUntold(scope: Scope): Promise<number[]> {
  const untold: number[] = []
  for (let round = 0; round < WATCHERS; round += 1) {
    const keys = new Set<string>()
    const watcher = scope.watch({ initial: true })
    watcher.on('change', ({ type, key, source }) => {
      if (source === 'initial') keys.add(key)
      expect([type, source === 'external']).toEqual(['set', false])
    })
    await watcher.ready
    untold.push(KEYS - keys.size)
    if (round === 0) await watcher.rescan()
    await watcher.close()
  }
  return untold
}

test.skipIf(!existsSync(MEMORY))(
  'keys leaves none out on tmpfs beside a process that replaces them, where readdir does',
  async () => {
    const root = mkdtempSync(join(MEMORY, 'plainkeep-listing-'))
    const child = new Child('replacer.js', root, KEYS)
    try {
      await child.saying('written')
      const storage = await openStorage(root, { lockTimeout: 30_000 })
      const scope = storage.workspace().shared
      const plain = await countMissing(async () => readdirSync(scope.path))
      console.log(`readdir left out, in each of ${LISTINGS} listings: ${plain.join(' ')}`)
      expect(await countMissing(() => scope.keys())).toEqual(Array(LISTINGS).fill(0))
      expect(await countUntold(scope)).toEqual(Array(WATCHERS).fill(0))
      await child.kill()
      await scope.set('key-0', 'last') // takes over from the killed one
      await storage.close()
      await checkStore(root, fs)
    } finally {
      await child.kill()
      rmSync(root, { recursive: true, force: true })
    }
  },
  60_000,
)
