/** What one process does on the disk when it commits, and what becomes of a commit that the disk refuses. */

import { chmodSync, readdirSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { expect, test, vi } from 'vitest'
import { systemError } from '../setup/simulated-disk.js'
import type { DiskCall, Operation } from '../setup/staged-disk.js'
import { type Machine, makeMachine, SCOPE, type StoreProcess, timeOfVersion } from '../setup/store-process.js'

async function openProcess(machine: Machine = makeMachine()): Promise<StoreProcess> {
  return machine.start().open()
}

/** The calls of some operations since the log was last emptied, with names instead of paths. */
function readLog(process: StoreProcess, ...operations: Operation[]): string[] {
  const shorten = (text: string): string => text.replaceAll(/\S*\//g, '').replaceAll(/w[0-9a-f]{24}/g, 'w')
  return process.disk.log.filter((line) => operations.includes(line.split(' ')[0] as Operation)).map(shorten)
}

const CHANGES: Operation[] = ['createFile', 'write', 'sync', 'rename', 'unlink', 'syncFile', 'syncFolder']

/** Fails calls with an error of the system as long as the test likes. */
function failWhile(process: StoreProcess, isMeant: (call: DiskCall) => boolean, code = 'EIO'): () => void {
  process.disk.intercept = (call, perform) =>
    isMeant(call) ? Promise.reject(systemError(code, 'injected')) : perform()
  return () => {
    process.disk.intercept = undefined
  }
}

/** Holds the first call that is meant until `release`. */
function holdFirst(
  process: StoreProcess,
  isMeant: (call: DiskCall) => boolean,
): { reached: Promise<void>; release(): void } {
  let [reach, release] = [(): void => {}, (): void => {}]
  const reached = new Promise<void>((resolve) => {
    reach = resolve
  })
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  let isHeld = false
  process.disk.intercept = async (call, perform) => {
    if (!isHeld && isMeant(call)) {
      isHeld = true
      reach()
      await released
    }
    return perform()
  }
  return { reached, release: () => release() }
}

const isPublishing =
  (key: string) =>
  (call: DiskCall): boolean =>
    call.operation === 'rename' && call.paths.some((path) => path.endsWith(`/shared/${key}`))

test('200 sets in one turn of the event loop are one flush of the journal, and 200 revisions', async () => {
  const process = await openProcess()
  await process.set('first', 'x')
  process.disk.log.length = 0
  const receipts = await Promise.all(
    Array.from({ length: 200 }, (_, index) => process.set(`key${index}`, `${index}`)),
  )
  expect(readLog(process, 'sync')).toEqual(['sync journal'])
  expect(receipts.map(({ revision }) => revision)).toEqual(
    Array.from({ length: 200 }, (_, index) => index + 2),
  )
  await process.close()
})

test('a set stages its value, journals it, flushes the journal, and only then renames', async () => {
  const process = await openProcess()
  await process.set('first', 'x')
  process.disk.log.length = 0
  await process.set('key', 'value')
  expect(readLog(process, ...CHANGES)).toEqual([
    'createFile s2',
    'write journal',
    'sync journal',
    'rename s2 key',
  ])
  await process.close()
})

test('a large value is synced, its name, and once the names of its folders, before the journal names it', async () => {
  const process = await openProcess()
  await process.set('first', 'x')
  process.disk.log.length = 0
  await process.set('key', Buffer.alloc(100_000, 1))
  const commit = ['write journal', 'sync journal']
  const root = `syncFolder ${basename(process.site.layout.root)}`
  expect(readLog(process, ...CHANGES)).toEqual([
    'createFile s2',
    'syncFolder w',
    root,
    'syncFolder default',
    ...commit,
    'rename s2 key',
  ])
  process.disk.log.length = 0
  await process.set('key', Buffer.alloc(100_000, 2))
  expect(readLog(process, ...CHANGES)).toEqual(['createFile s3', 'syncFolder w', ...commit, 'rename s3 key'])
  await process.close()
})

test('of several sets of a key in one group the last alone is staged, and each has a version and a revision', async () => {
  const process = await openProcess()
  await process.set('first', 'x')
  process.disk.log.length = 0
  const receipts = await Promise.all(['a', 'b', 'c'].map((value) => process.set('key', value)))
  expect(readLog(process, 'createFile')).toHaveLength(1)
  expect(await process.get('key')).toBe('c')
  expect(new Set(receipts.map(({ results }) => results[0]?.version)).size).toBe(3)
  expect(receipts.map(({ revision }) => revision)).toEqual([2, 3, 4])
  expect((await process.engine.stat(SCOPE, 'key'))?.version).toBe(receipts[2]?.results[0]?.version)
  await process.close()
})

test.each([
  ['delete and delete', [undefined, undefined], undefined],
  ['set, delete and delete', ['new', undefined, undefined], undefined],
  ['delete, set and delete', [undefined, 'new', undefined], undefined],
  ['delete, delete and set', [undefined, undefined, 'new'], 'new'],
  ['delete, set, delete and delete', [undefined, 'new', undefined, undefined], undefined],
])('a present key is as the last of one group left it: %s', async (_, values, expected) => {
  const process = await openProcess()
  await process.set('key', 'old')
  const receipts = await Promise.all(values.map((value) => process.commit({ key: value })))
  expect(await process.get('key')).toBe(expected)
  let wasPresent = true
  for (const [index, value] of values.entries()) {
    expect(receipts[index]?.results[0]?.existed).toBe(wasPresent)
    wasPresent = value !== undefined
  }
  await process.close()
})

test('versions rise, whatever the clock does', async () => {
  const machine = makeMachine()
  const process = await openProcess(machine)
  const times: bigint[] = []
  for (const wallMs of [2e12, 2e12, 1e12, 1.5e12]) {
    machine.wallMs = () => wallMs
    times.push(timeOfVersion((await process.set('key', `${wallMs}`)).results[0]?.version))
    times.push(timeOfVersion((await process.set('other', `${wallMs}`)).results[0]?.version))
  }
  await process.close()
  const next = await openProcess(machine)
  times.push(timeOfVersion((await next.set('third', 'x')).results[0]?.version))
  expect(times).toEqual([...times].sort((left, right) => (left < right ? -1 : 1)))
  expect(new Set(times).size).toBe(times.length)
  await next.close()
})

test('a value is later than the file that it replaces, also than one from the future; others are not', async () => {
  const machine = makeMachine()
  const process = await openProcess(machine)
  const timeOf = async (key: string): Promise<bigint> =>
    timeOfVersion((await process.set(key, 'new')).results[0]?.version)
  await process.set('key', 'old')
  const future = Math.floor(Date.now() / 1000) + 86_400
  utimesSync(`${machine.layout.scopePath(SCOPE)}/key`, future, future)
  const time = BigInt(future) * 1_000_000_000n
  expect(await timeOf('key')).toBeGreaterThan(time)
  expect(await timeOf('other')).toBeLessThan(time)
  await process.close()
})

test('a second without writes: files, then folders, then a mark in a new journal, and only then old journals go', async () => {
  const process = await openProcess()
  const rest = (): Promise<void> =>
    vi.waitFor(() => expect(readLog(process, 'createFile').at(-1)).toMatch(/^createFile f\d+$/), 5000)
  await process.set('key', 'value')
  await rest()
  process.disk.log.length = 0
  await process.set('key', 'new value')
  await rest()
  const log = readLog(process, ...CHANGES)
  const order = [
    /^rename s1 key$/,
    /^rename journal kept-2$/,
    /^syncFile key$/,
    /^syncFolder shared$/,
    /^write journal$/,
    /^sync journal$/,
    /^unlink kept-1$/,
  ]
  let from = 0
  for (const pattern of order) {
    const found = log.findIndex((line, index) => index >= from && pattern.test(line))
    expect(found, `${pattern} in ${log.join(', ')}`).toBeGreaterThanOrEqual(from)
    from = found + 1
  }
  await process.close()
})

test('4 MiB of journals begin a checkpoint beside the writes', async () => {
  const process = await openProcess()
  const value = Buffer.alloc(60_000, 7)
  for (let index = 0; index < 100; index += 1) await process.set(`key${index % 10}`, value)
  expect(readLog(process, 'rename').some((line) => /^rename journal kept-/.test(line))).toBe(true)
  await vi.waitFor(() => expect(readLog(process, 'syncFile').length).toBeGreaterThan(9))
  await process.close()
})

test('an owner lets the store go soon when another process waits for it', async () => {
  const machine = makeMachine()
  const [first, second] = [await openProcess(machine), await openProcess(machine)]
  await first.set('key', 'one')
  const start = performance.now()
  await second.set('key', 'two')
  expect(performance.now() - start).toBeLessThan(500)
  expect(await first.get('key')).toBe('two')
  await Promise.all([first.close(), second.close()])
})

test('a journal that cannot be flushed breaks the store; reads go on, and the commit is whole or absent afterwards', async () => {
  const process = await openProcess()
  await process.commit({ left: 'old', right: 'old' })
  const mend = failWhile(
    process,
    ({ operation, paths }) => operation === 'sync' && /journal/.test(paths.join()),
  )
  await expect(process.commit({ left: 'new', right: 'new' })).rejects.toMatchObject({
    code: 'STORE_BROKEN',
    store: process.engine.root,
    outcome: 'unknown',
  })
  mend()
  expect(await process.get('left')).toBe('old')
  await expect(async () => process.set('left', 'later')).rejects.toMatchObject({
    code: 'STORE_BROKEN',
    outcome: 'none',
  })
  await process.close()
  await process.open()
  expect(await process.get('left')).toBe(await process.get('right'))
  await process.set('left', 'later')
  expect(await process.get('left')).toBe('later')
  await process.close()
})

test('a value whose flush fails at the checkpoint is written to a new file, which is flushed', async () => {
  const process = await openProcess()
  const { results } = await process.set('key', 'value')
  const path = process.engine.keyPath(SCOPE, 'key')
  const before = statSync(path).ino
  failWhile(process, ({ operation, paths }) => operation === 'syncFile' && paths[0] === path)
  await process.close()
  expect(statSync(path).ino).not.toBe(before)
  expect(readFileSync(path, 'utf8')).toBe('value')
  expect(statSync(path, { bigint: true }).mtimeNs).toBe(timeOfVersion(results[0]?.version))
  expect(readLog(process, 'syncFile')).toEqual(['syncFile key'])
})

test('a first rename that fails leaves everything as it was, and the store goes on', async () => {
  const process = await openProcess()
  await process.commit({ left: 'old', right: 'old' })
  const mend = failWhile(process, isPublishing('left'))
  await expect(process.commit({ left: 'new', right: 'new' })).rejects.toMatchObject({
    code: 'IO_ERROR',
    outcome: 'none',
  })
  expect([await process.get('left'), await process.get('right')]).toEqual(['old', 'old'])
  mend()
  expect((await process.set('left', 'next')).revision).toBe(2)
  await process.close()
})

test('of a group whose first rename fails only the commit to blame is rejected', async () => {
  const process = await openProcess()
  await process.set('first', 'x')
  failWhile(process, isPublishing('bad'))
  const outcomes = await Promise.allSettled(['bad', 'good', 'better'].map((key) => process.set(key, key)))
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled'])
  expect([await process.get('bad'), await process.get('good')]).toEqual([undefined, 'good'])
  await process.close()
})

test('a later rename that fails: committed, read from memory, and in place once the fault is gone', async () => {
  const process = await openProcess()
  await process.commit({ left: 'old', right: 'old' })
  const mend = failWhile(process, isPublishing('right'))
  await expect(process.commit({ left: 'new', right: 'new' })).rejects.toMatchObject({ outcome: 'committed' })
  expect([await process.get('left'), await process.get('right')]).toEqual(['new', 'new'])
  expect(readFileSync(process.engine.keyPath(SCOPE, 'right'), 'utf8')).toBe('old')
  mend()
  await vi.waitFor(
    () => expect(readFileSync(process.engine.keyPath(SCOPE, 'right'), 'utf8')).toBe('new'),
    3000,
  )
  await process.close()
})

test('a delete of a key whose value waits to be published is no delete of nothing', async () => {
  const process = await openProcess()
  const mend = failWhile(process, isPublishing('right'))
  await expect(process.commit({ left: 'new', right: 'new' })).rejects.toMatchObject({ outcome: 'committed' })
  const deleted = process.delete('right')
  setTimeout(mend, 100)
  expect((await deleted).results[0]?.existed).toBe(true)
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(await process.get('right')).toBeUndefined()
  await process.close()
})

test.each([
  ['is closed', (process: StoreProcess) => process.close().catch(() => {})],
  ['dies', async (process: StoreProcess) => process.crash()],
  [
    'is quiet for longer than a checkpoint takes, and dies',
    async (process: StoreProcess) => {
      await new Promise((resolve) => setTimeout(resolve, 2500))
      process.crash()
    },
  ],
])('a committed value that could not be published outlives an owner that %s', async (_, end) => {
  const machine = makeMachine()
  const process = await openProcess(machine)
  await process.commit({ left: 'old', right: 'old' })
  failWhile(process, isPublishing('right'))
  await expect(process.commit({ left: 'new', right: 'new' })).rejects.toMatchObject({ outcome: 'committed' })
  await end(process)
  machine.bury(process.pid)
  const next = await openProcess(machine)
  expect([await next.get('left'), await next.get('right')]).toEqual(['new', 'new'])
  await next.close()
})

test('a full disk while staging or journaling rejects with DISK_FULL, outcome none, and leaves no file', async () => {
  for (const operation of ['createFile', 'write'] as const) {
    const process = await openProcess()
    await process.set('key', 'old')
    const mend = failWhile(process, (call) => call.operation === operation, 'ENOSPC')
    await expect(process.set('key', 'new')).rejects.toMatchObject({
      code: 'DISK_FULL',
      outcome: 'none',
      key: 'key',
    })
    mend()
    expect(await process.get('key')).toBe('old')
    expect((await process.set('key', 'newer')).revision).toBe(2)
    await process.close()
    expect(readdirSync(process.site.layout.control).filter((name) => name.startsWith('w'))).toEqual([])
  }
})

test('an owner that was fenced while it rested commits under a new claim, and never fails for it', async () => {
  const machine = makeMachine()
  const [first, second] = [await openProcess(machine), await openProcess(machine)]
  await first.set('key', 'one')
  machine.lockState = () => 'stale'
  await second.set('key', 'two')
  await first.set('key', 'three')
  expect(await second.get('key')).toBe('three')
  await Promise.all([first.close(), second.close()])
})

test.each([1, 2, 5])(
  'acknowledged, and lost: %i fenced writes are not done because the files of the next owner look the same, as they do when the clock was set back',
  async (count) => {
    const machine = makeMachine()
    const keys = Array.from({ length: count }, (_, index) => `key${index}`)
    const first = await openProcess(machine)
    machine.wallMs = () => 2e12
    await first.set('key', 'value')
    machine.wallMs = () => 1e12
    const held = holdFirst(first, ({ operation, bytes }) => operation === 'write' && bytes?.[0] === 0x70)
    const writes = Promise.allSettled(keys.map((key) => first.set(key, 'first')))
    await held.reached
    machine.lockState = () => 'stale'
    const second = await openProcess(machine)
    await Promise.all(keys.map((key) => second.set(key, 'other')))
    machine.lockState = () => undefined
    held.release()
    for (const outcome of await writes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'FENCED', outcome: 'unknown' } })
    }
    expect(await first.get('key0')).toBe('other')
    await Promise.all([first.close(), second.close()])
  },
)

test.each<[Operation, string]>([
  ['makeFolder', 'default'],
  ['stat', 'shared'],
  ['isWritable', 'shared'],
])('a write failed since its scope was removed before a %s of %s', async (operation, name) => {
  const machine = makeMachine()
  const process = await openProcess(machine)
  await process.set('key', 'one')
  const folder = dirname(process.engine.keyPath(SCOPE, 'key'))
  const isBefore = (call: DiskCall): boolean =>
    call.operation === operation && call.paths[0]?.endsWith(name) === true
  for (let number = 1; number <= 5; number += 1) {
    rmSync(dirname(folder), { recursive: true })
    let calls = 0
    process.disk.intercept = (call, perform) => {
      if (isBefore(call)) {
        calls += 1
        if (calls === number) rmSync(dirname(folder), { recursive: true, force: true })
      }
      return perform()
    }
    await process.set('key', `${number}`)
    process.disk.intercept = undefined
    expect(await process.get('key')).toBe(`${number}`)
  }
  await process.close()
})

test('a replaced value keeps the mode of its file', async () => {
  const process = await openProcess()
  await process.set('key', 'one')
  chmodSync(process.engine.keyPath(SCOPE, 'key'), 0o640)
  await process.set('key', 'two')
  expect(statSync(process.engine.keyPath(SCOPE, 'key')).mode & 0o777).toBe(0o640)
  await process.close()
})

test('timers stood still while sets followed one another: 2,000 of them leave the event loop its turns', async () => {
  const machine = makeMachine('/dev/shm') // where no flush is slow enough for a thread
  const process = await openProcess(machine)
  await process.set('key', 'first')
  let nowMs = machine.nowMs()
  machine.nowMs = () => ++nowMs // as if each look at the clock took a millisecond
  let turns = 0
  const count = (): void => {
    turns += 1
    next = setImmediate(count)
  }
  let next = setImmediate(count)
  for (let index = 0; index < 2000; index += 1) await process.set('key', `${index}`)
  clearImmediate(next)
  expect(turns).toBeGreaterThan(500)
  await process.close()
})
