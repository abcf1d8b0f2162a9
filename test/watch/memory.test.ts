/** Watching in memory: hints that never come or are lost, watches that cannot be had, calls that fail, and polling. */

import { EventEmitter } from 'node:events'
import { createFsFromVolume, Volume } from 'memfs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  type FileSystem,
  openStorage,
  type Scope,
  type Storage,
  type WatchSettings,
} from '../../lib/index.js'
import { VolatileFileSystem } from '../../lib/testing/volatile-fs.js'
import { checkStore } from '../setup/check-store.js'
import { sleep, WatchLog } from './log.js'

let files: ReturnType<typeof createFsFromVolume>
let calls: VolatileFileSystem
let storage: Storage
let scope: Scope
/** How watches are opened; undefined is as memfs does. */
let watch: ((path: string) => EventEmitter & { close(): void }) | undefined

beforeEach(() => {
  files = createFsFromVolume(new Volume())
  calls = new VolatileFileSystem(files as unknown as FileSystem)
  watch = undefined
})

afterEach(async () => {
  calls.heal()
  await storage.close()
  await checkStore('/store', files as unknown as FileSystem)
})

async function open(settings: WatchSettings = {}, more: Partial<FileSystem> = {}): Promise<void> {
  const own = ((path: string, ...rest: [never, never]) =>
    watch === undefined ? calls.fs.watch(path, ...rest) : watch(path)) as unknown as FileSystem['watch']
  storage = await openStorage('/store', { fs: { ...calls.fs, watch: own, ...more }, watch: settings })
  scope = storage.workspace().shared
  await scope.set('old', '1')
}

async function watching(...options: Parameters<Scope['watch']>): Promise<WatchLog> {
  const log = new WatchLog(scope.watch(...options))
  await log.watcher.ready
  return log
}

const at = (name: string): string => `${scope.path}/${name}`
const silent = (): EventEmitter & { close(): void } =>
  Object.assign(new EventEmitter(), { close: () => undefined })

describe('edits on the volume', () => {
  test('are told by its own hints, which come inside the write', async () => {
    await open()
    const log = await watching()
    files.writeFileSync(at('hand'), '1')
    await log.told('set hand external')
    files.renameSync(at('hand'), at('moved'))
    await log.told('delete hand external', 'set moved external')
    files.unlinkSync(at('moved'))
    await log.told('delete moved external')
    expect(log.reasons).toEqual([])
  })

  test('are told by `rescan` where there are no hints', async () => {
    await open()
    watch = silent
    const log = await watching()
    files.writeFileSync(at('hand'), '1')
    files.unlinkSync(at('old'))
    await sleep(200)
    expect(log.lines).toEqual([])
    await log.watcher.rescan()
    expect(log.lines.sort()).toEqual(['delete old external', 'set hand external'])
    await scope.set('commit', '1') // told without hints, and without `rescan`
    await log.told('set commit local')
    expect(log.reasons).toEqual([])
  })

  test('are told once, when they have settled, after the quiet time of the store', async () => {
    await open({ quietMs: 400 })
    const log = await watching()
    for (let part = 0; part < 6; part += 1) {
      files.appendFileSync(at('slow'), 'more ')
      await sleep(60)
    }
    expect(log.lines).toEqual([])
    await scope.set('commit', '1') // which does not wait
    await log.told('set commit local')
    expect(log.lines).toEqual(['set commit local'])
    await log.told('set slow external')
    await log.quiet()
    expect(log.lines).toEqual(['set commit local', 'set slow external'])
    expect(log.changes[1]?.version).toBe((await scope.entry('slow'))?.version)
  })
})

describe('lost hints', () => {
  test('a hint without a name: all is compared, what differs is told, and `resync` says why', async () => {
    const emitters: EventEmitter[] = []
    await open()
    const listeners: ((event: string, name: string | null) => void)[] = []
    calls.fs.watch = ((path: string, _: object, listener: (event: string, name: string | null) => void) => {
      if (path === scope.path) listeners.push(listener)
      const emitter = silent()
      emitters.push(emitter)
      return emitter
    }) as unknown as FileSystem['watch']
    const log = await watching()
    files.writeFileSync(at('hand'), '1')
    files.unlinkSync(at('old'))
    await sleep(150)
    expect(log.lines).toEqual([])
    for (const listener of listeners) listener('rename', null)
    await log.until(({ reasons }) => reasons.length > 0)
    expect(log.resyncs).toEqual([{ reason: 'overflow', scope: { workspace: 'default', plugin: undefined } }])
    expect(log.lines.sort()).toEqual(['delete old external', 'set hand external'])
  })

  test.each(['ENOSPC', 'EMFILE'])(
    '%s: folders are compared now and then, and `resync` says so once',
    async (code) => {
      await open({ intervalMs: 50 })
      watch = () => {
        throw Object.assign(new Error(code), { code })
      }
      const log = await watching()
      await log.until(({ reasons }) => reasons.length > 0)
      files.writeFileSync(at('hand'), '1')
      await log.told('set hand external')
      files.unlinkSync(at('hand'))
      await log.told('delete hand external')
      await scope.set('commit', '1')
      await log.told('set commit local')
      await sleep(300)
      expect(log.reasons).toEqual(['polling'])
      expect(log.errors).toEqual([])
    },
  )

  test('a system that does not find what it should watch is given up, and folders are compared', async () => {
    await open({ intervalMs: 50 })
    watch = () => {
      throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' })
    }
    const log = await watching()
    await log.until(({ reasons }) => reasons.includes('polling'))
    files.writeFileSync(at('hand'), '1')
    await log.told('set hand external')
  })

  test('a watch that fails later is told the same way, and what happened before is not lost', async () => {
    await open({ intervalMs: 50 })
    const emitters: EventEmitter[] = []
    watch = () => {
      const emitter = silent()
      emitters.push(emitter)
      return emitter
    }
    const log = await watching()
    files.writeFileSync(at('hand'), '1')
    for (const emitter of [...emitters]) {
      if (emitter.listenerCount('error') > 0)
        emitter.emit('error', Object.assign(new Error('EMFILE'), { code: 'EMFILE' }))
    }
    await log.told('set hand external')
    await log.until(({ reasons }) => reasons.includes('polling'))
  })

  test('a filesystem that others may change is compared as well, though it gives hints', async () => {
    const statfsSync = (() => ({ type: 0x6969 })) as unknown as NonNullable<FileSystem['statfsSync']>
    await open({ intervalMs: 50 }, { statfsSync })
    watch = silent
    const log = await watching()
    await log.until(({ reasons }) => reasons.includes('polling'))
    files.writeFileSync(at('hand'), '1')
    await log.told('set hand external')
  })
})

describe('polling', () => {
  test('no watch is opened, and edits and commits are told all the same', async () => {
    await open({ polling: true, intervalMs: 50 })
    let watches = 0
    watch = () => {
      watches += 1
      return silent()
    }
    const all = new WatchLog(storage.watch())
    await all.watcher.ready
    const log = await watching({ initial: true })
    expect(log.lines).toEqual(['set old initial'])
    files.writeFileSync(at('hand'), '1')
    await log.told('set hand external')
    await scope.set('commit', '1')
    await log.told('set commit local')
    await storage.workspace('new').shared.set('elsewhere', '1')
    await all.told('set hand external', 'set commit local', 'set elsewhere local')
    expect([watches, log.reasons]).toEqual([0, []])
  })

  test('comparing takes no more than a twentieth of the time', async () => {
    await open({ polling: true, intervalMs: 1 })
    let listings = 0
    const { readdir } = calls.fs
    calls.fs.readdir = ((path: string, ...rest: [never, never]) => {
      if (path === scope.path) listings += 1
      // A folder on a slow disk: it takes 30 ms to list.
      setTimeout(() => readdir(path, ...rest), path === scope.path ? 30 : 0)
    }) as unknown as FileSystem['readdir']
    await storage.close() // the calls are taken when a store is opened
    await open({ polling: true, intervalMs: 1 })
    const log = await watching()
    listings = 0
    await sleep(2000)
    expect(listings).toBeLessThanOrEqual(8) // 2 s / 20 / 30 ms is 3, and each may be repeated
    files.writeFileSync(at('hand'), '1')
    await log.told('set hand external')
  })
})

describe('calls that fail', () => {
  test('`error` says so, and when they succeed again nothing is lost', async () => {
    await open()
    const log = await watching()
    calls.failNext('lstat', 'EIO', { path: '/hand', times: 3 })
    files.writeFileSync(at('hand'), '1')
    await log.until(({ errors }) => errors.length > 0)
    expect(log.errors[0]).toMatchObject({ code: 'IO_ERROR', store: '/store' })
    calls.heal()
    await log.told('set hand external')
    await log.until(({ reasons }) => reasons.includes('error'))
    await scope.set('commit', '1')
    await log.told('set commit local')
  })

  test('a commit of another process whose file cannot be looked at for a moment is told once', async () => {
    await open()
    watch = silent
    const log = await watching()
    const other = await openStorage('/store', {
      fs: new VolatileFileSystem(files as unknown as FileSystem).fs,
    })
    calls.failNext('lstat', 'EIO', { path: '/k2', times: 2 }) // as the commit is described, since no hint comes
    for (const number of [1, 2, 3]) await other.workspace().shared.set(`k${number}`, '1')
    await other.close()
    await log.told('set k1 process', 'set k2 process', 'set k3 process')
    await log.quiet()
    expect(log.lines).toEqual(['set k1 process', 'set k2 process', 'set k3 process'])
    expect(log.errors).toHaveLength(1)
  })

  test('where nobody listens for `error` it ends the iteration, which throws it', async () => {
    await open()
    const watcher = scope.watch()
    await watcher.ready
    const next = watcher.next()
    calls.failNext('lstat', 'EACCES', { path: '/hand', times: 100 })
    files.writeFileSync(at('hand'), '1')
    await expect(next).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    expect(await watcher.next()).toEqual({ done: true, value: undefined })
  })

  test('a scope that cannot be listed makes `ready` wait, and says why', async () => {
    await open()
    calls.failNext('readdir', 'EIO', { path: scope.path, times: 1000 })
    const log = new WatchLog(scope.watch({ initial: true }))
    await log.until(({ errors }) => errors.length > 0)
    calls.heal()
    await log.watcher.ready
    expect(log.lines).toEqual(['set old initial'])
  })

  test('a failure is told to each watcher, also to one that comes later', async () => {
    await open()
    calls.failNext('readdir', 'EIO', { path: scope.path, times: 1000 })
    const first = new WatchLog(scope.watch())
    await first.until(({ errors }) => errors.length === 1)
    const second = new WatchLog(scope.watch())
    await second.until(({ errors }) => errors.length === 1)
    calls.heal()
    await Promise.all([first.watcher.ready, second.watcher.ready])
    expect([first.errors.length, second.errors.length]).toEqual([1, 1])
  })

  test('`rescan` resolves when the folder could be compared, not when it failed', async () => {
    await open()
    watch = silent
    const log = await watching()
    files.writeFileSync(at('hand'), '1')
    calls.failNext('readdir', 'EIO', { path: scope.path, times: 1 })
    await log.watcher.rescan()
    expect(log.lines).toEqual(['set hand external'])
    expect(log.errors).toHaveLength(1)
  })
})
