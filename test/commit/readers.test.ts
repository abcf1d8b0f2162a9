/** What is left to those who follow: journals that owners need no more, for a while, and nothing that anybody relies on. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Following } from '../../lib/commit/engine.js'
import { MemoryDisk, systemError } from '../setup/memory-disk.js'
import { Machine, SCOPE, type StoreProcess } from '../setup/store-process.js'

const CONTROL = '/store/.plainkeep'

let disk: MemoryDisk
let machine: Machine

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'] })
  disk = new MemoryDisk(() => Date.now())
  disk.makeFolder('/store', 0o700)
  machine = new Machine('/store', disk, (path) => disk.pin(path))
  machine.nowMs = () => Date.now()
})

afterEach(() => {
  vi.useRealTimers()
})

async function pass(ms: number): Promise<void> {
  for (let left = ms; left >= 0; left -= 10) {
    for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    if (left > 0) await vi.advanceTimersByTimeAsync(10)
  }
}

/** The names of readers, each as `r`, and of past journals. */
function listLeft(): string[] {
  const names = disk.listNames(CONTROL) ?? []
  return names
    .filter((name) => /^(r[0-9a-f]{24}|past-\d+)$/.test(name))
    .map((name) => (name.startsWith('r') ? 'r' : name))
    .sort()
}

function follow(process: StoreProcess): { told: (string | undefined)[]; following: Following } {
  const told: (string | undefined)[] = []
  const ignore = (): void => undefined
  const following = process.engine.follow({
    ...{ scope: SCOPE, initial: false, persistent: false, onReady: ignore, onResync: ignore, onEnd: ignore },
    onChanges: (changes) => told.push(...changes.map(({ key, source }) => `${key} ${source}`)),
    onError: (error) => told.push(String(error)),
  })
  return { told, following }
}

async function close(process: StoreProcess): Promise<void> {
  const closing = process.close()
  await pass(3000)
  await closing
}

test('where nobody follows nothing is left', async () => {
  const writer = await machine.start().open()
  await writer.set('a', '1')
  await pass(3000)
  await writer.set('a', '2')
  await close(writer)
  expect(listLeft()).toEqual([])
})

test('while somebody follows a journal is left for 5 s, and nothing when he has ended', async () => {
  const reader = await machine.start().open()
  const { told, following } = follow(reader)
  await pass(100)
  expect(listLeft()).toEqual(['r'])
  const writer = await machine.start().open()
  await writer.set('a', '1')
  await close(writer)
  expect([told, listLeft()]).toEqual([['a process'], ['past-1', 'r']])
  await pass(4000)
  expect(listLeft()).toEqual(['r'])
  const other = await machine.start().open()
  await other.set('a', '2')
  await close(other)
  expect(listLeft()).toEqual(['past-2', 'r'])
  following.close()
  await pass(10)
  expect(listLeft()).toEqual([])
  await close(reader)
})

test('of two who follow the last one to end takes all away', async () => {
  const readers = [await machine.start().open(), await machine.start().open()]
  const followings = readers.map((reader) => follow(reader).following)
  await pass(100)
  const writer = await machine.start().open()
  await writer.set('a', '1')
  await close(writer)
  followings[0]?.close()
  await pass(10)
  expect(listLeft()).toEqual(['past-1', 'r'])
  followings[1]?.close()
  await pass(10)
  expect(listLeft()).toEqual([])
  for (const reader of readers) await close(reader)
})

test('a process that died is no reader: the next owner removes what it left, and leaves nothing for it', async () => {
  const reader = await machine.start().open()
  follow(reader)
  await pass(100)
  reader.crash()
  const writer = await machine.start().open()
  await writer.set('a', '1')
  await close(writer)
  expect(listLeft()).toEqual([])
})

test('no more is left than 16 MiB, the newest', async () => {
  const reader = await machine.start().open()
  const { following } = follow(reader)
  await pass(100)
  for (const revision of [1, 2, 3])
    disk.createFile(`${CONTROL}/past-${revision}`, new Uint8Array(7 * 1024 * 1024), { mode: 0o600 })
  await pass(1100)
  expect(listLeft()).toEqual(['past-2', 'past-3', 'r'])
  following.close()
  await close(reader)
})

test.each(['createFile', 'readFile', 'link', 'unlink'] as const)(
  'a %s that fails there fails no commit, and commits are told',
  async (operation) => {
    const reader = await machine.start().open()
    const writer = await machine.start().open()
    for (const process of [reader, writer]) {
      process.disk.intercept = async (call, perform) => {
        const isMeant = call.paths.some((path) => /\/(r[0-9a-f]{24}|past-\d+)$/.test(path))
        if (isMeant && call.operation === operation) throw systemError('EIO')
        return perform()
      }
    }
    const { told } = follow(reader)
    await pass(100)
    await writer.set('a', '1')
    await pass(100)
    await close(writer)
    expect(told).toEqual(['a process'])
    await close(reader)
  },
)
