import fs, { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Engine } from '../../lib/commit/engine.js'
import { openEngine } from '../../lib/commit/open-engine.js'
import { host } from '../../lib/disk/host.js'
import { Layout } from '../../lib/disk/layout.js'
import { createLock } from '../../lib/disk/lock.js'
import { NodeDisk } from '../../lib/disk/node-disk.js'
import { describeSession } from '../../lib/disk/session.js'
import { checkStore } from '../setup/check-store.js'
import { Child } from './child.js'

const SCOPE = { workspace: 'default' }

/** Opens a store shared with no other test; another session is what follows a power cut. */
function open(root: string, session = describeSession(root, host.identity.boot)): Promise<Engine> {
  const layout = new Layout(root)
  const site = { disk: new NodeDisk(fs, 65_536), layout, host, session, fileMode: 0o600, folderMode: 0o700 }
  const makeLock = () => createLock(fs, layout.lock, `${layout.lock}-${host.randomName()}`)
  return openEngine({}, root, () => ({ site, lock: makeLock(), lockTimeoutMs: 30_000 }))
}

async function set(engine: Engine, key: string): Promise<number | undefined> {
  const value = Buffer.from('set')
  return (await engine.commit({ changes: [{ scope: SCOPE, key, value }] })).revision
}

/** Runs a body beside a process that is stopped before it appends to its journal; the store must be whole at the end. */
async function withStopped(body: (root: string, late: Child) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'plainkeep-late-'))
  const late = new Child('late-caller.js', root)
  try {
    await late.saying('stopped')
    await body(root, late)
    await checkStore(root, fs)
  } finally {
    await late.kill()
    rmSync(root, { recursive: true, force: true })
  }
}

const readKept = (root: string): string => readFileSync(join(root, 'default/shared/kept'), 'utf8')

/** Lets the stopped process append; it is told that its commits have an unknown outcome. */
async function letAppend(late: Child): Promise<void> {
  late.process.kill('SIGCONT')
  const { outcomes } = await late.saying('outcomes')
  await late.kill()
  expect(new Set(outcomes as string[])).toEqual(new Set(['unknown']))
}

test.concurrent(
  'a value that was never committed appeared after a power cut: what a fenced owner appends to its journal is no commit',
  () =>
    withStopped(async (root, late) => {
      const next = new Child('writer.js', root, 'next', 100_000, 'sequence')
      await next.saying('revision')
      await letAppend(late)
      await next.kill()
      expect(readKept(root)).toBe('acknowledged')
      await (await open(root, 'the session after a power cut')).close()
      expect(readKept(root)).toBe('acknowledged')
    }),
  60_000,
)

test.concurrent(
  'acknowledged writes were lost in a power cut: a checkpoint does not count what a fenced owner appends',
  () =>
    withStopped(async (root, late) => {
      const next = await open(root)
      expect(await set(next, 'next')).toBe(2)
      await letAppend(late)
      await next.close()
      const last = new Child('writer.js', root, 'last', 100_000, 'sequence')
      await last.saying('revision')
      await last.kill()
      const keys = new Set(
        last.lines.flatMap(({ key, revision }) => (revision === undefined ? [] : String(key))),
      )
      const folder = join(root, 'default/plugins/writer')
      rmSync(folder, { recursive: true }) // no checkpoint has synced it: a power cut may take it
      await (await open(root, 'the session after a power cut')).close()
      expect([...keys].filter((key) => !existsSync(join(folder, key)))).toEqual([])
    }),
  60_000,
)
