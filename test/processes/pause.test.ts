import fs, { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openStorage } from '../../lib/index.js'
import { checkStore } from '../setup/check-store.js'
import { Child } from './child.js'

/** Runs a body with a folder of its own. */
async function withFolder(body: (root: string) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'plainkeep-pause-'))
  try {
    await body(root)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

const CALLS = ['openSync', 'writeSync', 'fdatasync', 'renameSync', 'renameSync2']

test.concurrent.each(CALLS)(
  'an owner that is stopped before %s until its lock is stale changes nothing when it goes on',
  (call) =>
    withFolder(async (root) => {
      const child = new Child('pauser.js', root, call)
      await child.saying('stopped')
      const storage = await openStorage(root, { lockTimeout: 30_000 })
      const scope = storage.workspace().shared
      await Promise.all([scope.set('a', 'later'), scope.set('c', 'later')])
      const versions = [await scope.entry('a'), await scope.entry('b')]
      child.process.kill('SIGCONT')
      await child.saying('closed')
      await child.done()
      const [a, b] = child.lines.filter(({ status }) => status !== undefined)
      for (const line of [a, b]) {
        if (line?.status === 'rejected') expect(line).toMatchObject({ code: 'FENCED', outcome: 'unknown' })
      }
      // Only what was retried under a new claim, as a commit of its own, may stand above the later value.
      const isRetried = call === 'openSync' || call === 'writeSync'
      if (!isRetried) expect([await scope.entry('a'), await scope.entry('b')]).toEqual(versions)
      expect(await scope.get('a', 'text')).toMatch(isRetried ? /paused|later/ : /^later$/)
      expect(await scope.get('c', 'text')).toBe('later')
      expect(await scope.get('after', 'text')).toBe('paused')
      if (a?.status === 'fulfilled' && b?.status === 'fulfilled')
        expect(await scope.get('b', 'text')).toBe('paused')
      await storage.close()
      await checkStore(root, fs)
    }),
  60_000,
)

test.concurrent.each(CALLS)('an owner that is killed before %s leaves its commit whole or absent', (call) =>
  withFolder(async (root) => {
    const child = new Child('pauser.js', root, call, 'SIGKILL')
    await child.exited
    const storage = await openStorage(root)
    const scope = storage.workspace().shared
    expect(await scope.get('before', 'text')).toBe('paused')
    const isJournaled = call.startsWith('rename') || call === 'fdatasync'
    expect([await scope.find('a', 'text'), await scope.find('b', 'text')]).toEqual(
      isJournaled ? ['paused', 'paused'] : [undefined, undefined],
    )
    await storage.close()
    await checkStore(root, fs)
  }),
)

test('a process that only reads notices a dead owner, and recovers what it had committed', () =>
  withFolder(async (root) => {
    const storage = await openStorage(root)
    const scope = storage.workspace().shared
    const child = new Child('pauser.js', root, 'renameSync', 'SIGKILL')
    await child.exited
    const start = performance.now()
    while ((await scope.find('a', 'text')) === undefined && performance.now() - start < 10_000) {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    console.log(`noticed after ${(performance.now() - start).toFixed(0)} ms`)
    expect([await scope.find('a', 'text'), await scope.find('b', 'text')]).toEqual(['paused', 'paused'])
    await storage.close()
    await checkStore(root, fs)
  }))
