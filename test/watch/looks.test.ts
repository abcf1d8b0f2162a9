/**
 * Looks beside commits, at the worst moment: a process is held at one call while others go on, on a disk in memory and in
 * a time that passes only when it is told to.
 */

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { ScopeId } from '../../lib/base/scope-id.js'
import type { Following } from '../../lib/commit/engine.js'
import { MemoryDisk } from '../setup/memory-disk.js'
import type { DiskCall } from '../setup/staged-disk.js'
import { Machine, SCOPE, type StoreProcess } from '../setup/store-process.js'

const FOLDER = '/store/default/shared'

let disk: MemoryDisk
let machine: Machine
let processes: StoreProcess[]

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'] })
  disk = new MemoryDisk(() => Date.now())
  disk.makeFolder('/store', 0o700)
  machine = new Machine('/store', disk, (path) => disk.pin(path))
  machine.nowMs = () => Date.now()
  processes = []
})

afterEach(() => {
  for (const process of processes) process.crash() // no time passes any more in which it could let the store go
  vi.useRealTimers()
})

/** Holds every call that is meant until it is released. */
class Hold {
  isReached = false
  #release = (): void => undefined
  readonly #released = new Promise<void>((resolve) => {
    this.#release = resolve
  })

  constructor(process: StoreProcess, isMeant: (call: DiskCall) => boolean) {
    process.disk.intercept = async (call, perform) => {
      if (isMeant(call)) {
        this.isReached = true
        await this.#released
      }
      return perform()
    }
  }

  release(): void {
    this.#release()
  }
}

const renaming =
  (key: string) =>
  ({ operation, paths }: DiskCall): boolean =>
    operation === 'rename' && paths[1] === `${FOLDER}/${key}`
const listingNames = ({ operation }: DiskCall): boolean => operation === 'listNames'
const findingJournal = ({ operation, paths }: DiskCall): boolean =>
  operation === 'stat' && paths[0]?.endsWith('/journal') === true

/** Only calls of the look that comes when `a` has been looked at. */
function havingSeen(isMeant: (call: DiskCall) => boolean): (call: DiskCall) => boolean {
  let isSeen = false
  return (call) => {
    isSeen ||= call.operation === 'stat' && call.paths[0] === `${FOLDER}/a`
    return isSeen && isMeant(call)
  }
}

function onlyTheFirst(isMeant: (call: DiskCall) => boolean): (call: DiskCall) => boolean {
  let wasMeant = false
  return (call) => {
    const isFirst = !wasMeant && isMeant(call)
    wasMeant ||= isFirst
    return isFirst
  }
}

/** Lets so much time pass, and everything that is due in it happen. */
async function pass(ms: number): Promise<void> {
  for (let left = ms; left >= 0; left -= 1) {
    for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    if (left > 0) await vi.advanceTimersByTimeAsync(1)
  }
}

/** A new process that has opened the store. */
async function openStore(): Promise<StoreProcess> {
  const process = machine.start()
  processes.push(process)
  return process.open()
}

interface Follower {
  /** What was told, such as `set a process 1`. */
  readonly told: string[]
  readonly following: Following
}

function follow(process: StoreProcess, scope: ScopeId | 'all' = SCOPE): Follower {
  const told: string[] = []
  const following = process.engine.follow({
    scope: scope === 'all' ? undefined : scope,
    initial: false,
    persistent: false,
    onChanges: (changes) =>
      told.push(
        ...changes.map(({ type, key, source, revision }) => [type, key, source, revision].join(' ').trim()),
      ),
    onReady: () => told.push('ready'),
    onResync: (reason) => told.push(`resync ${reason}`),
    onError: (error) => told.push(String(error)),
    onEnd: () => told.push('end'),
  })
  return { told, following }
}

/** A process that owns the store and has set `a` and `b`, and one that follows. */
async function startBoth(): Promise<{ writer: StoreProcess; reader: StoreProcess; told: string[] }> {
  const writer = await openStore()
  await writer.commit({ a: '0', b: '0' })
  const reader = await openStore()
  const { told } = follow(reader)
  await pass(50)
  expect(told.splice(0)).toEqual(['ready'])
  return { writer, reader, told }
}

test('a commit is told as an edit: it was seen before it was settled, and again while a later one came', async () => {
  const { writer, reader, told } = await startBoth()
  const publishing = new Hold(writer, renaming('b'))
  const first = writer.commit({ a: '1', b: '1' })
  await pass(5) // `a` is in its place and was seen there
  const listing = new Hold(reader, havingSeen(listingNames))
  await pass(60) // it is looked at again, after the quiet time, ...
  expect([publishing.isReached, listing.isReached]).toEqual([true, true])
  publishing.release()
  await first
  await writer.commit({ a: '2' }) // ... and is another one before the journals are read
  listing.release()
  await pass(200)
  expect(told).toEqual(['set a process 2', 'set b process 2', 'set a process 3'])
})

test('a commit of this very process is told as an edit: it takes longer to put in place than an edit is quiet', async () => {
  const { reader, told } = await startBoth()
  const publishing = new Hold(reader, renaming('b'))
  const commit = reader.commit({ a: '1', b: '1' })
  await pass(2000)
  expect(publishing.isReached).toBe(true)
  expect(told).toEqual([])
  publishing.release()
  await commit
  await pass(200)
  expect(told).toEqual(['set a local 2', 'set b local 2'])
})

test('a commit is told as an edit: its journal was moved between the listing and the look at it', async () => {
  const { writer, reader, told } = await startBoth()
  const publishing = new Hold(writer, renaming('b'))
  const commit = writer.commit({ a: '1', b: '1' })
  await pass(5)
  const finding = new Hold(reader, havingSeen(findingJournal))
  await pass(60)
  expect([publishing.isReached, finding.isReached]).toEqual([true, true])
  publishing.release()
  await commit
  const closing = writer.close() // the journal gets its kept name
  await pass(2)
  finding.release()
  await pass(200)
  await closing
  expect(told).toEqual(['set a process 2', 'set b process 2'])
})

test('a delete is told as an edit: the key was seen to be gone, and came back while that was looked up', async () => {
  const { writer, reader, told } = await startBoth()
  const publishing = new Hold(writer, renaming('b'))
  const first = writer.commit({ a: undefined, b: '1' })
  await pass(5) // `a` was seen to be gone
  const listing = new Hold(reader, havingSeen(listingNames))
  await pass(60)
  publishing.release()
  await first
  await writer.commit({ a: '2' })
  listing.release()
  await pass(200)
  expect(told).toEqual(['delete a process 2', 'set b process 2', 'set a process 3'])
})

test('commits are told again: a look that was due for one who has ended was made for the next', async () => {
  const writer = await openStore()
  for (const value of ['1', '2', '3']) await writer.commit({ a: value })
  const reader = await openStore()
  const listing = new Hold(reader, listingNames)
  const first = follow(reader)
  await pass(1100) // a look is due
  first.following.close()
  const beginning = new Hold(reader, onlyTheFirst(listingNames))
  const second = follow(reader)
  listing.release()
  await pass(5)
  beginning.release()
  await pass(200)
  await writer.commit({ a: '4' })
  await pass(200)
  expect(second.told).toEqual(['ready', 'set a process 4'])
  expect(first.told).toEqual([])
})

test('what is known of a scope is of long ago: it was found for one who had ended meanwhile', async () => {
  const writer = await openStore()
  await writer.commit({ a: '1' })
  const reader = await openStore()
  const listing = new Hold(
    reader,
    ({ operation, paths }) => operation === 'listKind' && paths[0] === '/store',
  )
  const first = follow(reader, 'all')
  await pass(50)
  expect(listing.isReached).toBe(true)
  first.following.close()
  listing.release()
  await pass(5)
  await writer.commit({ a: '2' })
  const second = follow(reader)
  await pass(200)
  expect(second.told).toEqual(['ready'])
})

test('an edit by hand over a commit is told after it, and is not lost', async () => {
  const { writer, told } = await startBoth()
  const publishing = new Hold(writer, renaming('b'))
  const commit = writer.commit({ a: '1', b: '1' })
  await pass(5)
  disk.edit(`${FOLDER}/a`, Buffer.from('by hand'), BigInt(Date.now()) * 1_000_000n + 1n)
  await pass(200)
  expect(told).toEqual([])
  publishing.release()
  await commit
  await writer.commit({ c: '1' })
  await pass(200)
  expect(told).toEqual(['set a process 2', 'set b process 2', 'set c process 3', 'set a external'])
})

test('a commit is told as an edit: its process has closed the store before anybody looks', async () => {
  const { writer, reader, told } = await startBoth()
  const listing = new Hold(reader, listingNames)
  await pass(1100)
  expect(listing.isReached).toBe(true)
  await writer.commit({ a: '1' })
  const closing = writer.close() // everything is synced, and the journal is not needed any more
  await pass(3000)
  await closing
  listing.release()
  await pass(200)
  expect(told).toEqual(['set a process 2'])
  await reader.close()
  expect(disk.listNames('/store/.plainkeep')?.filter((name) => /^(past|r)/.test(name))).toEqual([])
})

test('who is late by far finds no journal any more: the folder is compared, and that is said', async () => {
  const { writer, reader, told } = await startBoth()
  const listing = new Hold(reader, listingNames)
  await pass(1100)
  expect(listing.isReached).toBe(true)
  await writer.commit({ a: '1' })
  await pass(8000)
  await writer.commit({ b: '2' })
  const closing = writer.close()
  await pass(2000)
  await closing
  listing.release()
  await pass(200)
  expect(told.sort()).toEqual(['resync gap', 'set a external', 'set b process 3'])
})

test('commits and edits are told by hints, long before the look of each second', async () => {
  const { writer, reader, told } = await startBoth()
  await pass(1000 - (Date.now() % 1000) + 100)
  const start = Date.now()
  const commits = [writer.commit({ a: '1' })]
  await pass(100)
  commits.push(reader.commit({ b: '1' }))
  await pass(200)
  await Promise.all(commits)
  disk.edit(`${FOLDER}/a`, Buffer.from('by hand'), BigInt(Date.now()) * 1_000_000n + 1n)
  await pass(60)
  expect(told).toEqual(['set a process 2', 'set b local 3', 'set a external'])
  expect(Date.now() - start).toBeLessThan(900)
})

test('a process that was stopped for seconds compares, and says that it was late', async () => {
  const { reader, told } = await startBoth()
  reader.disk.onHint = () => undefined // the system has told it nothing
  disk.edit(`${FOLDER}/a`, Buffer.from('by hand'), BigInt(Date.now()) * 1_000_000n + 1n)
  disk.unlink(`${FOLDER}/b`)
  await pass(1500)
  expect(told).toEqual([]) // without a doubt nothing is compared
  vi.setSystemTime(Date.now() + 3000)
  await pass(1500)
  expect(told.sort()).toEqual(['delete b external', 'resync late', 'set a external'])
})
