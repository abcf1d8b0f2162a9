/** What a watcher tells, on a real filesystem and in memory; how it begins, ends and fails. */

import fs, { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFsFromVolume, Volume } from 'memfs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  type Change,
  type FileSystem,
  openStorage,
  type PluginContext,
  type Storage,
  type Watcher,
} from '../../lib/index.js'
import { checkStore } from '../setup/check-store.js'
import { sleep, WatchLog } from './log.js'

describe.each(['a real filesystem', 'memory'])('in %s', (place) => {
  let root: string
  let fileSystem: FileSystem
  let storage: Storage
  let plugin: PluginContext

  beforeEach(async () => {
    root = place === 'memory' ? '/store' : mkdtempSync(join(tmpdir(), 'plainkeep-watch-'))
    fileSystem = place === 'memory' ? (createFsFromVolume(new Volume()) as unknown as FileSystem) : fs
    storage = await openStorage(root, { fs: fileSystem })
    plugin = storage.workspace().plugin('clock')
  })

  afterEach(async () => {
    await storage.close()
    await checkStore(root, fileSystem)
    if (place !== 'memory') rmSync(root, { recursive: true, force: true })
  })

  async function watching(...args: Parameters<PluginContext['storage']['watch']>): Promise<WatchLog> {
    const log = new WatchLog(plugin.storage.watch(...args))
    await log.watcher.ready
    return log
  }

  test('a set and a delete are told with version, revision, writer and source', async () => {
    const log = await watching()
    const version = await plugin.storage.set('time', 'now')
    await plugin.storage.delete('time')
    await log.told('set time local', 'delete time local')
    const scope = { workspace: 'default', plugin: 'clock' }
    const common = { key: 'time', scope, by: 'clock', source: 'local', commit: { index: 0, size: 1 } }
    expect(log.changes).toEqual([
      { type: 'set', version, revision: 1, ...common },
      { type: 'delete', version: undefined, revision: 2, ...common },
    ])
  })

  test('the changes of a transaction come one behind the other, in its order', async () => {
    const log = await watching()
    await Promise.all([
      plugin.storage.transaction(async (tx) => {
        await tx.set('c', '1')
        await tx.set('a', '1')
        await tx.set('b', '1')
      }),
      plugin.storage.set('d', '1'),
    ])
    await log.until(({ changes }) => changes.length === 4)
    const [first] = log.changes.filter(({ key }) => key === 'c')
    const revision = first?.revision
    const inCommit = log.changes.filter((change) => change.revision === revision)
    expect(inCommit.map(({ key, commit }) => [key, commit])).toEqual([
      ['c', { index: 0, size: 3 }],
      ['a', { index: 1, size: 3 }],
      ['b', { index: 2, size: 3 }],
    ])
    expect(log.changes.map((change) => change.revision)).toEqual(
      log.changes.map((change) => change.revision).sort(),
    )
  })

  test('every commit is told, also those that another one of the same moment replaces', async () => {
    const log = await watching()
    await Promise.all([1, 2, 3].map((number) => plugin.storage.set('key', `${number}`)))
    await log.until(({ changes }) => changes.length === 3)
    expect(log.changes.map(({ revision }) => revision)).toEqual([1, 2, 3])
    expect(log.changes.at(-1)?.version).toBe((await plugin.storage.entry('key'))?.version)
  })

  test('what is read after an event is its version or a later one', async () => {
    const seen: [string | undefined, string | undefined][] = []
    const watcher = plugin.storage.watch()
    watcher.on('change', ({ version }) => {
      seen.push([version, (fileSystem as typeof fs).readFileSync(join(plugin.storage.path, 'n'), 'utf8')])
    })
    await watcher.ready
    for (let number = 1; number <= 20; number += 1) await plugin.storage.set('n', `${number}`)
    while (seen.length < 20) await sleep(5)
    seen.forEach(([, value], index) => {
      expect(Number(value)).toBeGreaterThanOrEqual(index + 1)
    })
  })

  test('without `initial` nothing is told of what was there', async () => {
    await plugin.storage.set('old', '1')
    const log = await watching()
    await plugin.storage.set('new', '1')
    await log.told('set new local')
    expect(await log.quiet()).toEqual(['set new local'])
  })

  test('a write right after `watch` is told, before `ready` or after it', async () => {
    const log = new WatchLog(plugin.storage.watch())
    await plugin.storage.set('early', '1')
    await log.told('set early local')
    expect(await log.quiet()).toEqual(['set early local'])
  })

  test('`initial` gives every present key, then `ready`, then the changes', async () => {
    for (const key of ['a', 'b', 'c']) await plugin.storage.set(key, '1')
    const watcher = plugin.storage.watch({ initial: true })
    const told: string[] = []
    watcher.on('change', ({ type, key, source }) => told.push(`${type} ${key} ${source}`))
    watcher.on('ready', () => told.push('ready'))
    await watcher.ready
    await plugin.storage.set('a', '2')
    while (told.length < 5) await sleep(5)
    expect(told.slice(0, 3).sort()).toEqual(['set a initial', 'set b initial', 'set c initial'])
    expect(told.slice(3)).toEqual(['ready', 'set a local'])
    const versions = new WatchLog(plugin.storage.watch({ initial: true }))
    await versions.watcher.ready
    expect(versions.state.get('b')).toBe((await plugin.storage.entry('b'))?.version)
  })

  test('`initial` beside writes leaves nothing out and repeats nothing', async () => {
    let isOver = false
    const write = async (): Promise<void> => {
      for (let number = 0; !isOver; number += 1) await plugin.storage.set(`k${number % 20}`, `${number}`)
    }
    const writing = write()
    const logs: WatchLog[] = []
    for (let round = 0; round < 15; round += 1) {
      const log = new WatchLog(plugin.storage.watch({ initial: true }))
      logs.push(log)
      await log.watcher.ready
      await sleep(3)
    }
    isOver = true
    await writing
    for (const log of logs) {
      await log.quiet()
      const versions = log.changes.map(({ key, version }) => `${key} ${version}`)
      expect(new Set(versions).size).toBe(versions.length)
      const revisions = log.changes.flatMap(({ revision }) => revision ?? [])
      expect(revisions).toEqual(revisions.map((_, index) => (revisions[0] ?? 0) + index))
      expect(log.state).toEqual(await versionsOf(plugin))
    }
  }, 60_000)

  test('`prefix` and `keys` choose keys', async () => {
    const log = await watching({ prefix: 'pref_' })
    const two = await watching({ keys: ['pref_a', 'b'] })
    await plugin.storage.transaction(async (tx) => {
      await tx.set('a', '1')
      await tx.set('pref_a', '1')
      await tx.set('b', '1')
    })
    await two.told('set pref_a local', 'set b local')
    expect(await log.quiet()).toEqual(['set pref_a local'])
    expect(log.changes[0]?.commit).toEqual({ index: 0, size: 1 })
    expect(two.changes.map(({ commit }) => commit.index)).toEqual([0, 1])
  })

  test('`own: false` leaves out what the plugin itself wrote, and nothing else', async () => {
    const host = storage.workspace().shared
    const shared = new WatchLog(plugin.workspace.watch({ own: false }))
    const hosted = new WatchLog(host.watch({ own: false }))
    await Promise.all([shared.watcher.ready, hosted.watcher.ready])
    await plugin.workspace.set('mine', '1')
    await storage.workspace().plugin('other').workspace.set('theirs', '1')
    await host.set('host', '1')
    await hosted.told('set theirs local')
    expect(await shared.quiet()).toEqual(['set theirs local', 'set host local'])
    expect(await hosted.quiet()).toEqual(['set mine local', 'set theirs local'])
  })

  test('a scope is told of its own keys only', async () => {
    const log = await watching()
    await storage.workspace().shared.set('shared', '1')
    await storage.workspace().plugin('other').storage.set('other', '1')
    await storage.workspace('two').plugin('clock').storage.set('two', '1')
    await plugin.storage.set('own', '1')
    await log.told('set own local')
    expect(await log.quiet()).toEqual(['set own local'])
  })

  test('`for await` gets the changes, and `break` closes the watcher', async () => {
    const watcher = plugin.storage.watch()
    const keys: string[] = []
    await plugin.storage.set('a', '1')
    void plugin.storage.set('b', '1')
    for await (const { key } of watcher) {
      keys.push(key)
      if (keys.length === 2) break
    }
    expect(keys).toEqual(['a', 'b'])
    expect(await watcher.next()).toEqual({ done: true, value: undefined })
  })

  test.each<[string, (watcher: Watcher, abort: AbortController) => unknown]>([
    ['close', (watcher) => watcher.close()],
    ['await using', (watcher) => watcher[Symbol.asyncDispose]()],
    ['the signal', (_, abort) => abort.abort()],
    ['the end of the store', () => storage.close()],
  ])('%s ends the iteration, and nothing more is told', async (_, end) => {
    const abort = new AbortController()
    const watcher = plugin.storage.watch({ signal: abort.signal })
    await watcher.ready
    const next = watcher.next()
    await end(watcher, abort)
    expect(await next).toEqual({ done: true, value: undefined })
    expect(await watcher.next()).toEqual({ done: true, value: undefined })
    await watcher.rescan()
  })

  test('what was committed before the end of the store can still be taken', async () => {
    const watcher = plugin.storage.watch()
    await plugin.storage.set('last', '1')
    await storage.close()
    const changes: Change[] = []
    for await (const change of watcher) changes.push(change)
    expect(changes.map(({ key }) => key)).toEqual(['last'])
  })

  test('a signal that was aborted before ends it at once, and `ready` rejects', async () => {
    const watcher = plugin.storage.watch({ signal: AbortSignal.abort() })
    await expect(watcher.ready).rejects.toMatchObject({ code: 'STORE_CLOSED' })
    expect(await watcher.next()).toEqual({ done: true, value: undefined })
  })

  test('after `close` the store is not watched any more, and can be watched again', async () => {
    const first = await watching()
    await first.watcher.close()
    await plugin.storage.set('between', '1')
    const second = await watching({ initial: true })
    await plugin.storage.set('after', '1')
    await second.told('set between initial', 'set after local')
    expect(first.lines).toEqual([])
  })

  test('a slow consumer gets the latest change of each key, and is told so', async () => {
    const watcher = plugin.storage.watch({ queueLimit: 10 })
    const resyncs: unknown[] = []
    watcher.on('resync', (resync) => resyncs.push(resync))
    await watcher.ready
    for (let number = 0; number < 30; number += 1) await plugin.storage.set(`k${number % 3}`, `${number}`)
    await watcher.rescan()
    expect(resyncs).toEqual([{ reason: 'queue', scope: undefined }])
    const taken = [await watcher.next(), await watcher.next(), await watcher.next()]
    expect(taken.map(({ value }) => [value?.key, value?.revision])).toEqual([
      ['k0', 28],
      ['k1', 29],
      ['k2', 30],
    ])
    await plugin.storage.set('k0', 'x')
    expect((await watcher.next()).value?.revision).toBe(31)
    await watcher.close()
  })

  test('who only listens fills no queue', async () => {
    const watcher = plugin.storage.watch({ queueLimit: 1 })
    const log = new WatchLog(watcher)
    for (let number = 0; number < 5; number += 1) await plugin.storage.set('k', `${number}`)
    await log.until(({ changes }) => changes.length === 5)
    expect(log.reasons).toEqual([])
  })

  test.each<[string, object]>([
    ['an unknown option', { prefx: 'a' }],
    ['a prefix that is no string', { prefix: 1 }],
    ['keys that are a string', { keys: 'abc' }],
    ['a bound of nothing', { queueLimit: 0 }],
  ])('%s is INVALID_OPTION', (_, options) => {
    expect(() => plugin.storage.watch(options)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  })

  test('a closed store cannot be watched', async () => {
    await storage.close()
    expect(() => plugin.storage.watch()).toThrow(expect.objectContaining({ code: 'STORE_CLOSED' }))
  })

  test('two who opened the same folder in one process both watch it', async () => {
    const second = await openStorage(root, { fs: fileSystem })
    const log = new WatchLog(second.workspace().plugin('clock').storage.watch())
    await log.watcher.ready
    await plugin.storage.set('key', '1')
    await log.told('set key local')
    await second.close()
    await plugin.storage.set('key', '2')
    expect(log.lines).toEqual(['set key local'])
  })
})

async function versionsOf({ storage }: PluginContext): Promise<Map<string, string>> {
  const versions = new Map<string, string>()
  for await (const { key, version } of storage.entries()) versions.set(key, version)
  return versions
}
