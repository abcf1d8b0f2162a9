import fs, { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { checkStorage, openStorage } from '../../lib/index.js'
import { checkStore } from '../setup/check-store.js'
import { Child } from './child.js'

const MEMORY = '/dev/shm'

/** On tmpfs a readdir beside renames leaves names out, which makes a check harder. */
test.each([tmpdir(), MEMORY].filter((parent) => fs.existsSync(parent)))(
  'a check beside four writers that take over from one another finds nothing (in %s)',
  async (parent) => {
    const root = mkdtempSync(join(parent, 'plainkeep-checking-'))
    try {
      const modes = ['sequence', 'burst', 'sequence,any-lock', 'burst']
      const writers = modes.map((mode, index) => new Child('writer.js', root, `w${index}`, 100_000, mode))
      await Promise.all(writers.map((writer) => writer.saying('revision')))
      const storage = await openStorage(root)
      const owners = new Set<unknown>()
      let checks = 0
      for (const end = performance.now() + 2500; performance.now() < end; checks += 2) {
        for (const report of [await checkStorage(root), await storage.check()]) {
          expect(report.findings).toEqual([])
          owners.add(report.owner?.pid)
        }
      }
      console.log(`${checks} checks beside ${owners.size} owners`)
      expect(owners.size).toBeGreaterThan(2)
      await Promise.all(writers.map((writer) => writer.kill()))
      await storage.workspace().shared.set('last', 'word')
      await storage.close()
      await checkStore(root, fs)
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  },
  60_000,
)

test('a check tells who owns the store, alive or dead, and an owner that dies is unrecovered until the next comes', async () => {
  const root = mkdtempSync(join(tmpdir(), 'plainkeep-checking-'))
  try {
    const writer = new Child('writer.js', root, 'w', 100_000, 'sequence')
    await writer.saying('revision')
    const alive = await checkStorage(root)
    expect(alive).toMatchObject({ isSound: true, owner: { pid: writer.process.pid, isAlive: true } })
    await writer.kill()
    const dead = await checkStorage(root)
    expect(dead).toMatchObject({
      isSound: false,
      findings: [{ kind: 'unrecovered' }],
      owner: { pid: writer.process.pid, isAlive: false },
    })
    const storage = await openStorage(root)
    expect(await storage.check()).toMatchObject({ isSound: true, findings: [] })
    await storage.close()
    await checkStore(root, fs)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})
