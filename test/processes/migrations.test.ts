import fs, { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { migrate, openStorage } from '../../lib/index.js'
import { checkStore } from '../setup/check-store.js'
import { Random } from '../setup/random.js'
import { readSeed } from '../setup/seed.js'
import { Child } from './child.js'

const IS_LONG = process.env.PLAINKEEP_LONG !== undefined
const KEYS = IS_LONG ? 2000 : 500
const ROUNDS = IS_LONG ? 12 : 4
let root: string

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'plainkeep-migrations-'))
  await using storage = await openStorage(root)
  await storage.workspace().shared.transaction(async (own) => {
    for (let index = 0; index < KEYS; index += 1) await own.set(`item-${index}`, 1, { codec: 'json' })
  })
})

afterEach(async () => {
  await checkStore(root, fs)
  rmSync(root, { recursive: true, force: true })
})

/** The version that the scope says, which every key must have. */
async function readVersion(): Promise<number> {
  await using storage = await openStorage(root)
  return await storage.workspace().shared.transaction(async (own) => {
    const version = Number((await own.find('version', 'json')) ?? 1)
    let count = 0
    for await (const { value } of own.entries({ prefix: 'item-', codec: 'json' })) {
      expect(value).toBe(version)
      count += 1
    }
    expect(count).toBe(KEYS)
    return version
  })
}

/** Resolves when a migrator has said that this version is there. */
async function reaching(child: Child, version: number): Promise<void> {
  while (!child.lines.some((line) => Number(line.version) >= version)) {
    if (child.hasEnded) throw new Error(`The migrator ended before version ${version}.`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

test('a migration that is killed at any point leaves one version, whole, and goes on from there', async () => {
  const seed = readSeed()
  const random = new Random(seed)
  const seen = new Set<number>()
  let version = 1
  for (let round = 0; round < ROUNDS && !seen.has(5); round += 1) {
    const child = new Child('migrator.js', root)
    await reaching(child, Math.min(version + random.below(2), 4))
    await new Promise((resolve) => setTimeout(resolve, random.below(KEYS / 5)))
    await child.kill()
    version = await readVersion()
    seen.add(version)
  }
  console.log(`seed ${seed}: killed ones left the versions ${[...seen].join(' ')}`)
  await new Child('migrator.js', root).done()
  expect(await readVersion()).toBe(5)
}, 120_000)

test('two processes that migrate at once run each step once', async () => {
  const children = [new Child('migrator.js', root), new Child('migrator.js', root)]
  await Promise.all(children.map((child) => child.done()))
  expect(children.map(({ lines }) => lines.at(-1))).toEqual([{ version: 5 }, { version: 5 }])
  expect(await readVersion()).toBe(5)
}, 120_000)

test('a step of 10,000 keys works, and so does one that deletes them', async () => {
  await using storage = await openStorage(root)
  const scope = storage.workspace('large').shared
  await migrate(scope, {
    versionKey: 'version',
    steps: {
      2: async (own) => {
        for (let index = 0; index < 10_000; index += 1) await own.set(`key-${index}`, { index })
      },
      3: async (own) => {
        for await (const { key, value } of own.entries({ prefix: 'key-', codec: 'json' }))
          await own.set(key, { ...(value as object), isNew: true })
      },
      4: async (own) => void (await own.clear({ prefix: 'key-1' })),
    },
  })
  expect(await scope.get('key-2345', 'json')).toEqual({ index: 2345, isNew: true })
  expect(await scope.keys({ prefix: 'key-1' })).toEqual([])
  expect(await scope.get('version', 'json')).toBe(4)
}, 60_000)
