/** Watchers beside other processes: every commit once and in order, and the true state after whatever happens. */

import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openStorage, type Storage } from '../../lib/index.js'
import { Child, type Line } from '../processes/child.js'
import { checkStore } from '../setup/check-store.js'
import { sleep, WatchLog } from './log.js'

const IS_LONG = process.env.PLAINKEEP_LONG !== undefined

/** In memory a flush takes no time, so that processes take turns as fast as they can, and listings leave names out. */
const PARENT = fs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

let root: string
let storage: Storage
let children: Child[]

beforeEach(async () => {
  root = fs.mkdtempSync(join(PARENT, 'plainkeep-watch-'))
  storage = await openStorage(root)
  children = []
})

afterEach(async () => {
  for (const child of children) {
    child.process.kill('SIGCONT')
    await child.kill()
  }
  await storage.close()
  await checkStore(root, fs)
  fs.rmSync(root, { recursive: true, force: true })
})

function start(script: string, ...args: (string | number)[]): Child {
  const child = new Child(script, root, ...args)
  children.push(child)
  return child
}

async function startReader(): Promise<Child> {
  const reader = start('watch-reader.js')
  await reader.saying('ready')
  return reader
}

/** What the reader's changes lead to, after it has compared once more and ended. */
async function endReader(reader: Child): Promise<Line> {
  reader.process.kill('SIGUSR2')
  const { state } = await reader.saying('state')
  await reader.done()
  return state as Line
}

/** The versions of all keys that hold a value. */
async function readState(): Promise<Line> {
  const versions: Line = {}
  for await (const { key, version } of storage.workspace().shared.entries()) versions[key] = version
  return versions
}

interface Told {
  readonly revision?: number | undefined
  readonly source?: string | undefined
  readonly commit?: { readonly index: number; readonly size: number } | undefined
}

/** The revisions of whole commits, in the order in which they were told. */
function revisionsOf(changes: readonly Told[]): number[] {
  const revisions: number[] = []
  let left: Told | undefined
  for (const change of changes) {
    if (change.revision === undefined) continue
    const { index = 0, size = 1 } = change.commit ?? {}
    expect(index).toBe(left === undefined ? 0 : (left.commit?.index ?? 0) + 1)
    if (left !== undefined) expect(change.revision).toBe(left.revision)
    left = index === size - 1 ? undefined : change
    if (left === undefined) revisions.push(change.revision)
  }
  return revisions
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)

test('5,000 commits of three processes over 500 keys: two watchers see each once, in order', async () => {
  const log = new WatchLog(storage.workspace().shared.watch({ initial: true }))
  await log.watcher.ready
  const reader = await startReader()
  const counts = [1700, 1700, 1600]
  const writers = counts.map((count, index) =>
    start('watch-writer.js', 'w'.repeat(index + 1), count, 500, 'mixed'),
  )
  await Promise.all(writers.map((writer) => writer.done()))
  await log.until(({ changes }) => changes.some(({ revision }) => revision === 5000))
  await log.quiet()
  const state = await endReader(reader)
  for (const changes of [log.changes, reader.lines as Told[]]) {
    expect(revisionsOf(changes)).toEqual(upTo(5000))
    expect(changes.filter(({ source }) => source === 'external' || source === 'local')).toEqual([])
  }
  expect(state).toEqual(await readState())
  expect(Object.fromEntries(log.state)).toEqual(state)
  expect(log.errors).toEqual([])
}, 120_000)

test('a watcher in a process that writes, too, sees its own commits and those of others in one order', async () => {
  const scope = storage.workspace().plugin('own').workspace
  const log = new WatchLog(scope.watch())
  await log.watcher.ready
  const writer = start('watch-writer.js', 'other', 400, 50, 'mixed')
  for (let number = 0; number < 400; number += 1) await scope.set(`k${number % 50}`, `own ${number}`)
  await writer.done()
  await log.until(({ changes }) => changes.some(({ revision }) => revision === 800))
  await log.quiet()
  expect(revisionsOf(log.changes)).toEqual(upTo(800))
  const sources = new Map<string | undefined, Set<string>>()
  for (const { by, source } of log.changes) sources.set(by, (sources.get(by) ?? new Set()).add(source))
  expect(sources).toEqual(
    new Map([
      ['own', new Set(['local'])],
      ['other', new Set(['process'])],
    ]),
  )
}, 60_000)

test('a commit of an owner that is killed before it is in place is told when another one has finished it', async () => {
  const log = new WatchLog(storage.workspace().shared.watch())
  await log.watcher.ready
  const child = start('pauser.js', 'renameSync2', 'SIGKILL')
  await child.exited
  await log.told('set before process', 'set a process', 'set b process')
  expect(await log.quiet()).toEqual(['set before process', 'set a process', 'set b process'])
  expect(log.changes.map(({ revision }) => revision)).toEqual([1, 2, 3])
})

test('a watcher that is stopped for 5 s reaches the true state, and says so', async () => {
  const reader = await startReader()
  const writer = start('watch-writer.js', 'w', 300, 40, 'mixed')
  await writer.saying('done').catch(() => undefined)
  reader.process.kill('SIGSTOP')
  const scope = storage.workspace().shared
  const writing = (async () => {
    for (let number = 0; number < 300; number += 1)
      await scope.set(`k${number % 40}`, `while stopped ${number}`)
    fs.writeFileSync(join(scope.path, 'k1'), 'by hand')
    fs.rmSync(join(scope.path, 'k2'))
  })()
  await Promise.all([writing, sleep(5000)])
  reader.process.kill('SIGCONT')
  await reader.saying('resync')
  await scope.set('after', '1')
  const state = await endReader(reader)
  expect(state).toEqual(await readState())
  const revisions = revisionsOf(reader.lines as Told[])
  expect(revisions).toEqual([...revisions].sort((left, right) => left - right))
  expect(new Set(revisions).size).toBe(revisions.length)
}, 60_000)

test('a blocked event loop, while another process makes very many changes: the true state, and `resync`', async () => {
  const keys = IS_LONG ? 25_000 : 12_000
  const scope = storage.workspace().shared
  await scope.set('k0', 'first')
  const log = new WatchLog(scope.watch({ initial: true }))
  await log.watcher.ready
  const writer = start('watch-writer.js', 'w', 2 * keys, keys, 'plain')
  const begun = performance.now()
  while (writer.process.pid !== undefined && performance.now() - begun < 3000); // blocked
  await writer.done()
  await log.until(({ reasons }) => reasons.length > 0)
  await log.quiet()
  expect(log.changes.length).toBeGreaterThanOrEqual(keys)
  expect(Object.fromEntries(log.state)).toEqual(await readState())
  expect(['overflow', 'late']).toContain(log.reasons[0])
}, 120_000)

test('rm -rf of the scope while two processes write: the watcher reaches the true state', async () => {
  const scope = storage.workspace().shared
  const log = new WatchLog(scope.watch({ initial: true }))
  await log.watcher.ready
  const writers = ['w', 'ww'].map((name) => start('watch-writer.js', name, 400, 100, 'mixed'))
  for (let round = 0; round < 4; round += 1) {
    await sleep(300)
    try {
      fs.rmSync(scope.path, { recursive: true, force: true })
    } catch {
      // Something was written into it meanwhile; part of it is gone all the same.
    }
  }
  await Promise.all(writers.map((writer) => writer.done()))
  await log.quiet()
  expect(Object.fromEntries(log.state)).toEqual(await readState())
  const revisions = revisionsOf(log.changes)
  expect(new Set(revisions).size).toBe(revisions.length)
}, 60_000)
