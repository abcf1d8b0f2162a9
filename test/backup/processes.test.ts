/** Backups beside other processes: those that write, those that edit by hand, and those that are killed. */

import nodeFs, { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openStorage, restore, type Storage, verifyBackup } from '../../lib/index.js'
import { openArchiveFiles } from '../../lib/open.js'
import { type ArchivedValue, openArchive } from '../../lib/store/verify.js'
import { Child } from '../processes/child.js'
import { checkStore } from '../setup/check-store.js'
import { Random } from '../setup/random.js'

const isLong = process.env.PLAINKEEP_LONG !== undefined

let folder: string
let root: string
let path: string
let children: Child[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'plainkeep-backup-'))
  root = join(folder, 'store')
  path = join(folder, 'backup.tar')
  children = []
})

afterEach(async () => {
  for (const child of children) await child.kill()
  const storage = await openStorage(root)
  await storage.repair() // what killed ones left
  await storage.close()
  await checkStore(root, nodeFs)
  rmSync(folder, { recursive: true, force: true })
})

function start(script: string, ...args: (string | number)[]): Child {
  const child = new Child(script, ...args)
  children.push(child)
  return child
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** A store is made and let go. */
async function prepare(body: (storage: Storage) => Promise<unknown>): Promise<void> {
  await using storage = await openStorage(root)
  await body(storage)
}

const KEYS = 20
const BALANCE = 100
const OTHERS = 1000

/** The sum of the accounts in a backup. */
async function sumOf(archive: string): Promise<number> {
  const { values, read, close } = await openArchive(openArchiveFiles(nodeFs), archive)
  let sum = 0
  for (const value of values)
    if (value.key.startsWith('account-')) sum += Number(Buffer.from(await read(value)).toString())
  close()
  return sum
}

test('amounts that processes move between keys have one sum in every backup, killed processes included', async () => {
  await prepare((storage) =>
    storage
      .workspace()
      .plugin('bank')
      .transaction(async (scopes) => {
        for (let number = 0; number < KEYS; number += 1) {
          const scope = number % 2 === 0 ? scopes.storage : scopes.workspace
          await scope.set(`account-${number}`, BALANCE, { codec: 'json' })
        }
      }),
  )
  for (const scope of ['shared', 'plugins/bank']) // so that linking takes its time, and the accounts lie among others
    for (let index = 0; index < OTHERS; index += 1)
      writeFileSync(join(root, 'default', scope, `o${index}`), '')
  const move = (): Child => start('transferrer.js', root, 'move', 120_000)
  const movers = [move(), move(), move()]
  const storage = await openStorage(root, { lockTimeout: 60_000 })
  const revisions = new Set<number>()
  for (let round = 0; round < (isLong ? 100 : 6); round += 1) {
    const { revision, keys } = await storage.backup(path)
    revisions.add(revision)
    expect({ sum: await sumOf(path), keys, revision }).toEqual({
      ...{ sum: KEYS * BALANCE, keys: KEYS + 2 * OTHERS, revision },
    })
    if (round % 4 === 3) {
      await movers.shift()?.kill()
      movers.push(move())
    }
  }
  expect(revisions.size).toBeGreaterThan(4)
  await storage.close()
}, 120_000)

test('a value that is edited in place meanwhile is in the backup as it was before or after, whole', async () => {
  await prepare((storage) => storage.workspace().shared.set('edited', 'x'.repeat(4096)))
  const editor = start('../backup/editor.js', join(root, 'default/shared/edited'))
  await editor.saying('began')
  const storage = await openStorage(root)
  const random = new Random(Date.now())
  for (let round = 0; round < (isLong ? 200 : 12); round += 1) {
    await storage.backup(path)
    const { values, read, close } = await openArchive(openArchiveFiles(nodeFs), path)
    const bytes = await read(values[0] as ArchivedValue)
    close()
    // The editor may be stopped with the file half filled: that is what it made of it. Two letters never are.
    expect(
      bytes.findIndex((byte) => byte !== bytes[0]),
      `round ${round}`,
    ).toBe(-1)
    await sleep(random.below(80)) // so that it begins at another moment of the edit
  }
  await storage.close()
}, 120_000)

test('a backup that is killed leaves the older archive whole; what it left in the store goes with the next', async () => {
  await prepare(async (storage) => {
    const { shared } = storage.workspace()
    await shared.set('large', Buffer.alloc(8_000_000, 'x'))
    await Promise.all(Array.from({ length: 500 }, (_, index) => shared.set(`key-${index}`, 'value')))
    await storage.backup(path)
  })
  const seed = Date.now() % 1_000_000
  const random = new Random(seed)
  let swept = 0
  for (let round = 0; round < (isLong ? 60 : 4); round += 1) {
    const backuper = start('../backup/backuper.js', 'backup', root, path)
    await backuper.saying(round % 2 === 0 ? 'midway' : 'began')
    await sleep(random.below(round % 2 === 0 ? 5 : 150))
    await backuper.kill()
    expect(await verifyBackup(path), `seed ${seed}`).toMatchObject({ keys: 501 })
    // One that was killed before it could name itself is left for a few seconds.
    const control = join(root, '.plainkeep')
    const left = (): number =>
      readdirSync(control).filter((name) => name[0] === 'b' && existsSync(join(control, name, 'record')))
        .length
    swept += left()
    await (await openStorage(root)).close()
    expect(left(), `seed ${seed}`).toBe(0)
    for (const name of readdirSync(folder)) if (/^backup\.tar\.\d+$/.test(name)) rmSync(join(folder, name))
    expect(readdirSync(folder).sort()).toEqual(['backup.tar', 'store'])
  }
  expect(swept, `seed ${seed}`).toBeGreaterThan(0)
}, 120_000)

test('a restore that is killed leaves each scope whole or untouched, and the next one completes it', async () => {
  const [scopes, keys] = [4, 60]
  await prepare(async (storage) => {
    for (let scope = 0; scope < scopes; scope += 1)
      await storage
        .workspace()
        .plugin(`p${scope}`)
        .transaction(async ({ storage: own }) => {
          for (let key = 0; key < keys; key += 1) await own.set(`key-${key}`, `value ${scope} ${key}`)
        })
    await storage.backup(path)
  })
  const seed = Date.now() % 1_000_000
  const random = new Random(seed)
  const counts = new Set<number>()
  for (let round = 0; round < (isLong ? 60 : 4); round += 1) {
    const into = join(folder, `restored-${round}`)
    const restorer = start('../backup/backuper.js', 'restore', into, path)
    await restorer.saying(`keys${(round % scopes) * keys}`)
    await sleep(random.below(10))
    await restorer.kill()
    const storage = await openStorage(into)
    let whole = 0
    for (let scope = 0; scope < scopes; scope += 1) {
      const found = await storage.workspace().plugin(`p${scope}`).storage.usage()
      expect([0, keys], `seed ${seed}`).toContain(found.keys)
      if (found.keys === keys) whole += 1
    }
    counts.add(whole)
    expect(await restore(path, { into: storage })).toMatchObject({
      keys: (scopes - whole) * keys,
      unchanged: whole * keys,
    })
    expect(await storage.workspace().plugin('p3').storage.get('key-59', 'text')).toBe('value 3 59')
    await storage.repair()
    await storage.close()
    await checkStore(into, nodeFs)
    rmSync(into, { recursive: true })
  }
  expect(counts.size, `seed ${seed}, ${[...counts]}`).toBeGreaterThan(1)
}, 120_000)

test(`a store of ${isLong ? '100,000' : '10,000'} keys is backed up and restored while others write to it`, async () => {
  const count = isLong ? 100_000 : 10_000
  const hot = join(root, 'default/plugins/hot')
  await prepare((storage) => storage.workspace().plugin('cold').storage.set('key_0', 'value'))
  mkdirSync(hot)
  for (let index = 0; index < count; index += 1) writeFileSync(join(hot, `key_${index}`), `value ${index}`)
  const waiters = ['hot', 'cold'].map((plugin) => start('../backup/waiter.js', root, plugin, count))
  for (const waiter of waiters) await waiter.saying('began')
  const storage = await openStorage(root, { lockTimeout: 60_000 })
  const startMs = performance.now()
  const { keys, sizeBytes } = await storage.backup(path)
  const tookMs = performance.now() - startMs
  for (const waiter of waiters) waiter.process.kill('SIGTERM')
  const said = await Promise.all(waiters.map((waiter) => waiter.saying('longestMs')))
  const longest = said.map(({ longestMs }) => `${Math.round(Number(longestMs))} ms`)
  console.log(
    `${keys} keys, ${Math.round(sizeBytes / 1e6)} MB in ${Math.round(tookMs)} ms; the longest write beside it took ${longest}`,
  )
  expect(keys).toBeGreaterThanOrEqual(count)
  for (const { longestMs } of said) expect(longestMs).toBeLessThan(10_000)
  await storage.close()
  if (!isLong) return
  await restore(path, { into: join(folder, 'restored') })
  expect(readdirSync(join(folder, 'restored/default/plugins/hot'))).toHaveLength(count)
}, 300_000)
