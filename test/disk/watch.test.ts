/** Hints of names, as each system gives them, with a filesystem that does what is known of it. */

import { EventEmitter } from 'node:events'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { FileSystem } from '../../lib/disk/file-system.js'
import { isShared, watchNames } from '../../lib/disk/watch.js'

/** A system on which a test tells what it tells. */
class System {
  readonly watches: { path: string; tell: (name: string | null) => void; emitter: EventEmitter }[] = []
  failure: Error | undefined

  readonly fs = {
    watch: (path: string, _: unknown, listener: (event: string, name: string | null) => void) => {
      if (this.failure !== undefined) throw this.failure
      const emitter = Object.assign(new EventEmitter(), { close: () => undefined })
      this.watches.push({ path, tell: (name) => listener('rename', name), emitter })
      return emitter
    },
  } as unknown as Pick<FileSystem, 'watch'>
}

const opened: { close(): void }[] = []

function watch(
  system: System,
  platform: NodeJS.Platform,
  path = '/folder',
): { hints: (string | undefined)[]; lost: unknown[]; close(): void } {
  const hints: (string | undefined)[] = []
  const lost: unknown[] = []
  const watching = watchNames(
    system.fs,
    path,
    (name) => hints.push(name),
    (error) => lost.push(error),
    platform,
  )
  opened.push(watching)
  return { hints, lost, close: () => watching.close() }
}

const makeError = (code: string): Error => Object.assign(new Error(code), { code })
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

afterEach(() => {
  vi.useRealTimers()
  for (const watching of opened.splice(0)) watching.close()
})

describe('Linux', () => {
  test('a name is passed on, a missing one says that anything may have changed', () => {
    const system = new System()
    const { hints } = watch(system, 'linux')
    system.watches[0]?.tell('key')
    system.watches[0]?.tell(null)
    expect(hints).toEqual(['key', undefined])
  })

  test('as many events in one turn as half the queue are an overflow for every watch, said once', async () => {
    const system = new System()
    const busy = watch(system, 'linux', '/busy')
    const calm = watch(system, 'linux', '/calm')
    await nextTurn()
    for (let count = 0; count < 10_000; count += 1) system.watches[0]?.tell('key')
    expect(calm.hints).toEqual([undefined])
    expect(busy.hints.filter((name) => name === undefined)).toHaveLength(1)
    expect(busy.hints.length).toBeLessThan(8193) // those after it say nothing new
    await nextTurn()
    system.watches[0]?.tell('later')
    expect(busy.hints.at(-1)).toBe('later')
  })

  test.each(['ENOSPC', 'EMFILE'])(
    '%s when it is opened, or later, ends the watch, and that is told',
    (code) => {
      const system = new System()
      system.failure = makeError(code)
      expect(watch(system, 'linux').lost).toEqual([system.failure])
      system.failure = undefined
      const later = watch(system, 'linux')
      system.watches[0]?.emitter.emit('error', makeError(code))
      system.watches[0]?.tell('key')
      expect(later.lost).toEqual([expect.objectContaining({ code })])
      expect(later.hints).toEqual([])
    },
  )

  test('after it was closed nothing is told, though the system goes on telling', () => {
    const system = new System()
    const watching = watch(system, 'linux')
    watching.close()
    system.watches[0]?.tell('key')
    expect(watching.hints).toEqual([])
  })

  test.each([
    ['nfs', 0x6969, true],
    ['cifs, with the sign bit set', 0xff534d42 | 0, true],
    ['a shared folder of a virtual machine', 0x786f4256, true],
    ['ext4', 0xef53, false],
    ['tmpfs', 0x01021994, false],
  ])('%s is a filesystem that others may change: %s', (_, type, expected) => {
    const fs = { statfsSync: () => ({ type }) } as unknown as Pick<FileSystem, 'statfsSync'>
    expect(isShared(fs, '/folder', 'linux')).toBe(expected)
    expect(isShared(fs, '/folder', 'darwin')).toBe(false) // its numbers mean other things
  })

  test('a filesystem that cannot be asked, or a folder that is gone, is not called shared', () => {
    expect(isShared({}, '/folder', 'linux')).toBe(false)
    const statfsSync = (): never => {
      throw makeError('ENOENT')
    }
    expect(isShared({ statfsSync } as never, '/folder', 'linux')).toBe(false)
  })
})

describe('macOS', () => {
  test('a while after any watch was opened or closed every watch is told that anything may have changed', () => {
    vi.useFakeTimers()
    const system = new System()
    const first = watch(system, 'darwin', '/first')
    vi.advanceTimersByTime(1000)
    expect(first.hints).toEqual([undefined])
    const second = watch(system, 'darwin', '/second')
    vi.advanceTimersByTime(1000)
    expect([first.hints, second.hints]).toEqual([[undefined, undefined], [undefined]])
    second.close()
    vi.advanceTimersByTime(1000)
    expect([first.hints.length, second.hints.length]).toEqual([3, 1])
  })
})

describe('Windows', () => {
  test('EPERM says that the folder is gone: a hint of its own name, and no failure', () => {
    const system = new System()
    const { hints, lost } = watch(system, 'win32', '/store/scope')
    system.watches[0]?.emitter.emit('error', makeError('EPERM'))
    expect([hints, lost]).toEqual([['scope'], []])
  })

  test('elsewhere EPERM is what it says', () => {
    const system = new System()
    const { hints, lost } = watch(system, 'linux')
    system.watches[0]?.emitter.emit('error', makeError('EPERM'))
    expect([hints.length, lost.length]).toEqual([0, 1])
  })
})
