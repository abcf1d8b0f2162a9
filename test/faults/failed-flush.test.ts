/**
 * A disk that fails to flush a file, and forgets what it should have written: the page cache shows the new bytes, and a
 * second flush of the same file says that all is well. So Linux does it (ext4, xfs, btrfs).
 */

import fs, { type BigIntStats, fstatSync, lstatSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openEngine } from '../../lib/commit/open-engine.js'
import { host } from '../../lib/disk/host.js'
import { Layout } from '../../lib/disk/layout.js'
import { createLock } from '../../lib/disk/lock.js'
import { NodeDisk } from '../../lib/disk/node-disk.js'
import { type FileSystem, openStorage } from '../../lib/index.js'
import { checkStore } from '../setup/check-store.js'

type Flush = (descriptor: number, callback: (error: Error | null) => void) => void

/** Files that a flush failed for hold anything on the disk, whatever is read from the cache. */
class ForgetfulDisk {
  readonly fs: FileSystem
  /** How many more flushes of values fail. */
  failures = 0
  readonly #lost = new Set<string>()

  constructor() {
    const flush =
      (call: 'fsync' | 'fdatasync'): Flush =>
      (descriptor, callback) => {
        const path = fs.readlinkSync(`/proc/self/fd/${descriptor}`)
        if (!/\/shared\/\w+$|\/s\d+$/.test(path) || this.failures === 0) return fs[call](descriptor, callback)
        this.failures -= 1
        this.#lost.add(identify(fstatSync(descriptor, { bigint: true })))
        setImmediate(() => callback(Object.assign(new Error('EIO: injected'), { code: 'EIO' })))
      }
    this.fs = { ...fs, fsync: flush('fsync'), fdatasync: flush('fdatasync') } as unknown as FileSystem
  }

  /** Whether the disk holds what the cache shows. */
  holds(path: string): boolean {
    return !this.#lost.has(identify(lstatSync(path, { bigint: true })))
  }
}

/** The number of an inode alone is used again. */
function identify({ ino, birthtimeNs }: BigIntStats): string {
  return `${ino} ${birthtimeNs}`
}

let root: string
let disk: ForgetfulDisk

beforeEach(() => {
  root = join(realpathSync(mkdtempSync(join(tmpdir(), 'plainkeep-flush-'))), 'store')
  disk = new ForgetfulDisk()
})

afterEach(() => {
  rmSync(join(root, '..'), { recursive: true, force: true })
})

const KEYS = ['a', 'b', 'c']

async function setAll(storage: Awaited<ReturnType<typeof openStorage>>): Promise<void> {
  await Promise.all(KEYS.map((key) => storage.workspace().shared.set(key, `value of ${key}`)))
}

function expectAllOnDisk(): void {
  for (const key of KEYS) {
    const path = join(root, 'default/shared', key)
    expect(fs.readFileSync(path, 'utf8')).toBe(`value of ${key}`)
    expect(disk.holds(path), `${key} is in the cache alone`).toBe(true)
  }
}

test.each([1, 2, 3])(
  'an acknowledged value was NULs after a flush had failed %i times: a new file takes its place before the next flush',
  async (failures) => {
    const storage = await openStorage(root, { fs: disk.fs })
    await setAll(storage)
    disk.failures = failures
    await storage.close()
    expectAllOnDisk()
    await checkStore(root, fs)
  },
)

test('a checkpoint that fails is tried again, by other files', async () => {
  const storage = await openStorage(root, { fs: disk.fs })
  await setAll(storage)
  disk.failures = 4
  while (disk.failures > 0) await new Promise((resolve) => setTimeout(resolve, 50))
  await storage.close()
  expectAllOnDisk()
  await checkStore(root, fs)
})

test('closing while flushes fail rejects, and whoever opens the store next does not believe the cache', async () => {
  const storage = await openStorage(root, { fs: disk.fs })
  await setAll(storage)
  disk.failures = Number.POSITIVE_INFINITY
  await expect(storage.close()).rejects.toMatchObject({ code: 'IO_ERROR' })
  disk.failures = 0
  const next = await openStorage(root, { fs: disk.fs })
  await next.close()
  expectAllOnDisk()
  await checkStore(root, fs)
})

test('a recovery after a power cut whose flush fails does not believe the cache the next time', async () => {
  const first = await openStorage(root, { fs: disk.fs })
  await setAll(first)
  disk.failures = Number.POSITIVE_INFINITY // so the commits stay in the journal
  await expect(first.close()).rejects.toMatchObject({ code: 'IO_ERROR' })
  const open = async (session: string): Promise<void> => {
    const layout = new Layout(root)
    const site = {
      disk: new NodeDisk(disk.fs, 65_536),
      layout,
      host,
      session,
      fileMode: 0o600,
      folderMode: 0o700,
    }
    const lock = createLock(disk.fs, layout.lock, `${layout.lock}-${host.randomName()}`)
    await (await openEngine({}, root, () => ({ site, lock, lockTimeoutMs: 10_000 }))).close()
  }
  disk.failures = 2
  await open('another').catch((error: unknown) => expect(error).toMatchObject({ code: 'IO_ERROR' }))
  disk.failures = 0
  await open('another')
  expectAllOnDisk()
  await checkStore(root, fs)
})
