/** Backups of a store that one process uses: what is in them, and what becomes of an older one when they fail. */

import { execFileSync } from 'node:child_process'
import nodeFs, {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  type FileSystem,
  openStorage,
  restore,
  type Storage,
  type StorageOptions,
  verifyBackup,
} from '../../lib/index.js'
import { createMemoryDisk } from '../../lib/testing/index.js'
import { checkStore } from '../setup/check-store.js'
import { FaultyFileSystem } from '../setup/faulty-fs.js'

const MIB = 1024 * 1024

let folder: string
let root: string
let path: string
let storage: Storage

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'plainkeep-backup-'))
  root = join(folder, 'store')
  path = join(folder, 'backup.tar')
  storage = await openStorage(root)
})

afterEach(async () => {
  vi.restoreAllMocks()
  await storage.close()
  await checkStore(root, nodeFs)
  rmSync(folder, { recursive: true, force: true })
})

/** Opens the store again, with other options. */
async function reopen(options: StorageOptions): Promise<void> {
  await storage.close()
  storage = await openStorage(root, options)
}

const tar = (...args: string[]): string =>
  execFileSync('tar', args, { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' }, stdio: 'pipe' })

/** A text for each key of the store in a folder, by the path of its file. */
async function readAll(store: string): Promise<Record<string, string>> {
  await using opened = await openStorage(store)
  const values: Record<string, string> = {}
  for (const name of await opened.workspaces()) {
    const workspace = opened.workspace(name)
    const plugins = (await workspace.plugins()).map((id) => workspace.plugin(id).storage)
    for (const scope of [workspace.shared, ...plugins])
      for await (const { key, value } of scope.entries({ codec: 'text' }))
        values[[name, scope.id.plugin, key].join(' ')] = value
  }
  return values
}

test('a backup is a tar archive that any tar lists and unpacks, and unpacked it is the store', async () => {
  const context = storage.workspace().plugin('acme/weather')
  await context.setPluginStorage('userCount', '42')
  await context.setPluginStorage('naïve 😀', 'ü')
  await context.setPluginStorage('long'.repeat(60), 'long')
  await context.setPluginStorage('empty', '')
  await context.setWorkspaceStorage('motd', 'hello')
  await storage.workspace('Other one').shared.set('.hidden', 'found')
  const report = await storage.backup(path)
  expect(report).toEqual({ path, revision: 6, keys: 6, bytes: 18, sizeBytes: statSync(path).size })
  expect(tar('tf', path).trim().split('\n')).toEqual([
    '.plainkeep/',
    '.plainkeep/format.json',
    'Other%20one~1/',
    'Other%20one~1/shared/',
    'Other%20one~1/shared/%2Ehidden',
    'default/',
    'default/plugins/',
    'default/plugins/acme%2Fweather/',
    'default/plugins/acme%2Fweather/empty',
    `default/plugins/acme%2Fweather/${'long'.repeat(60)}`,
    'default/plugins/acme%2Fweather/na\\303\\257ve%20%F0%9F%98%80',
    'default/plugins/acme%2Fweather/userCount~10',
    'default/shared/',
    'default/shared/motd',
    '.plainkeep/manifest.jsonl',
  ])
  const unpacked = join(folder, 'unpacked')
  mkdirSync(unpacked)
  tar('xf', path, '-C', unpacked)
  for (const name of ['default/shared/motd', 'default/plugins/acme%2Fweather/userCount~10']) {
    const [before, after] = [root, unpacked].map((top) => statSync(join(top, name), { bigint: true }))
    expect(after?.mtimeNs, name).toBe(before?.mtimeNs)
    expect(after?.mode, name).toBe(before?.mode)
  }
  expect(statSync(join(unpacked, 'default/plugins')).mode & 0o777).toBe(0o700)
  expect(await readAll(unpacked)).toEqual(await readAll(root))
})

test('the manifest lists every file with its size and the CRC-32 of its bytes', async () => {
  await storage.workspace().shared.set('a', 'one')
  await storage.workspace().shared.set('b', '')
  await storage.backup(path)
  const lines = tar('xOf', path, '.plainkeep/manifest.jsonl').trim().split('\n')
  const [head, ...files] = lines.map((line) => JSON.parse(line) as object)
  expect(head).toMatchObject({ backup: 1, revision: 2, keys: 2, bytes: 3 })
  expect(files).toEqual([
    { path: 'default/shared/a', size: 3, crc32: '7a6c86f1' },
    { path: 'default/shared/b', size: 0, crc32: '00000000' },
  ])
})

test('an empty store can be backed up', async () => {
  expect(await storage.backup(path)).toMatchObject({ keys: 0, bytes: 0, revision: 0 })
  expect(await verifyBackup(path)).toMatchObject({ path, keys: 0, revision: 0 })
})

test('only the scopes that are named are in it, each once, and one without keys is no error', async () => {
  const context = storage.workspace().plugin('p')
  await context.setPluginStorage('own', '1')
  await context.setWorkspaceStorage('shared', '2')
  const scopes = [context.storage.id, { workspace: 'none' }, { workspace: 'default', plugin: 'p' }]
  await storage.backup(path, { scopes })
  expect(tar('tf', path)).toContain('default/plugins/p/own\n')
  expect(tar('tf', path)).not.toContain('shared')
  await expect(storage.backup(path, { scopes: [{ workspace: '' }] })).rejects.toMatchObject({
    code: 'INVALID_KEY',
  })
})

test('what is no value is left out: folders, links, and files that no key has', async () => {
  const { shared } = storage.workspace()
  await shared.set('key', 'value')
  mkdirSync(join(shared.path, 'folder'))
  symlinkSync('/etc/passwd', join(shared.path, 'link'))
  writeFileSync(join(shared.path, '.key.swp'), 'an editor')
  await storage.backup(path)
  const files = tar('tf', path)
    .split('\n')
    .filter((line) => line.startsWith('default/shared/'))
  expect(files).toEqual(['default/shared/', 'default/shared/key'])
  for (const name of ['link', '.key.swp']) rmSync(join(shared.path, name))
  rmSync(join(shared.path, 'folder'), { recursive: true })
})

test('a link in place of a scope is refused, as it is for writes: what is behind it is not the store', async () => {
  const { shared } = storage.workspace()
  await storage.workspace().plugin('p').storage.set('key', 'value')
  symlinkSync(folder, shared.path)
  await expect(storage.backup(path)).rejects.toMatchObject({
    code: 'IO_ERROR',
    message: expect.stringContaining('links are not followed'),
  })
  expect(existsSync(path)).toBe(false)
  rmSync(shared.path)
})

test('files with times before 1970 and in the far future keep them', async () => {
  const { shared } = storage.workspace()
  for (const [key, seconds] of [
    ['old', -1.5],
    ['new', 9_000_000_000.25],
  ] as const) {
    await shared.set(key, 'value')
    const time = new Date(seconds * 1000)
    utimesSync(join(shared.path, key), time, time)
  }
  await storage.backup(path)
  tar('xf', path, '-C', folder)
  expect(statSync(join(folder, 'default/shared/old')).mtimeMs).toBe(-1500)
  expect(statSync(join(folder, 'default/shared/new')).mtimeMs).toBe(9_000_000_000_250)
})

test('a value of 64 MiB is streamed: it is never in memory whole', async () => {
  const { shared } = storage.workspace()
  await shared.set('large', Buffer.alloc(64 * MIB, 'x'))
  globalThis.gc?.()
  const before = process.memoryUsage().arrayBuffers
  let peak = 0
  const seen: number[] = []
  await storage.backup(path, {
    onProgress: ({ bytes }) => {
      peak = Math.max(peak, process.memoryUsage().arrayBuffers)
      seen.push(bytes)
    },
  })
  expect(peak - before).toBeLessThan(60 * MIB) // mostly pieces that are not collected yet
  expect(seen).toEqual([...seen].sort((left, right) => left - right))
  expect(seen.at(-1)).toBe(64 * MIB)
  expect(await verifyBackup(path)).toMatchObject({ bytes: 64 * MIB })
})

test('progress counts keys and bytes up to all of them; what the callback throws ends the backup', async () => {
  const { shared } = storage.workspace()
  for (const key of ['a', 'b', 'c']) await shared.set(key, 'four')
  const told: unknown[] = []
  await storage.backup(path, { onProgress: (progress) => told.push(progress) })
  const total = { totalKeys: 3, totalBytes: 12 }
  expect(told).toEqual([1, 2, 3].map((keys) => ({ keys, bytes: 4 * keys, ...total })))
  const old = readFileSync(path)
  const stop = new Error('stop')
  const onProgress = (): void => {
    throw stop
  }
  await expect(storage.backup(path, { onProgress })).rejects.toBe(stop)
  expect(readFileSync(path).equals(old)).toBe(true)
})

test('an aborted backup rejects with the reason, the older archive stays, and nothing is left', async () => {
  const { shared } = storage.workspace()
  await Promise.all(
    Array.from({ length: 50 }, (_, index) => shared.set(`key-${index}`, Buffer.alloc(100_000))),
  )
  await storage.backup(path)
  const old = readFileSync(path)
  const reason = new Error('enough')
  await expect(storage.backup(path, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  const controller = new AbortController()
  const onProgress = ({ keys }: { keys: number }): void => {
    if (keys === 20) controller.abort(reason)
  }
  await expect(storage.backup(path, { signal: controller.signal, onProgress })).rejects.toBe(reason)
  expect(readFileSync(path).equals(old)).toBe(true)
  expect(readdirSync(folder).sort()).toEqual(['backup.tar', 'store'])
})

describe('the path of the archive', () => {
  test('is refused within the store, also by way of a link', async () => {
    symlinkSync(root, join(folder, 'link'))
    for (const inside of [root, join(root, 'b.tar'), join(root, 'default/shared/b'), join(folder, 'link/b')])
      await expect(storage.backup(inside)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    await expect(storage.backup('')).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    await expect(storage.backup('a\0b')).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    await storage.backup(`${root}.tar`) // beside it, though it begins with the same name
  })

  test('is refused where something else than a file is, or no folder', async () => {
    await expect(storage.backup(folder)).rejects.toMatchObject({ code: 'IO_ERROR' })
    await expect(storage.backup('/dev/null')).rejects.toMatchObject({ code: 'IO_ERROR' })
    await expect(storage.backup(join(folder, 'none/b.tar'))).rejects.toMatchObject({ code: 'IO_ERROR' })
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true)
  })

  test('may be a link to a file elsewhere, which is replaced then', async () => {
    const link = join(folder, 'latest')
    symlinkSync(path, link)
    writeFileSync(path, 'older')
    expect(await storage.backup(link)).toMatchObject({ path })
    expect(await verifyBackup(link)).toMatchObject({ path })
  })

  test('gets a file of mode 600, and one that is there keeps its mode', async () => {
    await storage.backup(path)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    chmodSync(path, 0o640)
    await storage.backup(path)
    expect(statSync(path).mode & 0o777).toBe(0o640)
  })
})

test('the archive is flushed before it gets its name, and its name after that', async () => {
  await storage.workspace().shared.set('key', 'value')
  await storage.close()
  storage = await openStorage(root)
  const calls: string[] = []
  for (const call of ['fsync', 'rename'] as const) {
    const original = nodeFs[call] as (...args: unknown[]) => unknown
    vi.spyOn(nodeFs, call).mockImplementation(((...args: unknown[]) => {
      const target =
        typeof args[0] === 'number' ? nodeFs.readlinkSync(`/proc/self/fd/${args[0]}`) : String(args[1])
      if (target === folder || target.startsWith(path))
        calls.push(`${call} ${target.replace(/\.\d+$/, '.N')}`)
      return original(...args)
    }) as never)
  }
  await storage.backup(path)
  expect(calls).toEqual([`fsync ${path}.N`, `rename ${path}`, `fsync ${folder}`])
})

test('closing waits for a backup, and after it a backup is refused', async () => {
  await storage.workspace().shared.set('key', Buffer.alloc(3 * MIB))
  const backup = storage.backup(path)
  await storage.close()
  expect(readdirSync(join(root, '.plainkeep')).filter((name) => name.startsWith('b'))).toEqual([])
  await expect(backup).resolves.toMatchObject({ keys: 1 })
  await expect(storage.backup(path)).rejects.toMatchObject({ code: 'STORE_CLOSED' })
})

test('a file that somebody never stops writing to is a conflict, and nothing is left of the backup', async () => {
  const { shared } = storage.workspace()
  await shared.set('log', 'line\n')
  const log = join(shared.path, 'log')
  let isWritten = true
  const openSync = (...args: Parameters<typeof nodeFs.openSync>): number => {
    if (isWritten && /\/b[0-9a-f]{24}\/l\d/.test(String(args[0]))) appendFileSync(log, 'line\n')
    return nodeFs.openSync(...args)
  }
  await reopen({ fs: { ...nodeFs, openSync } as FileSystem })
  const refused = { code: 'CONFLICT', key: 'log', scope: shared.id }
  await expect(storage.backup(path)).rejects.toMatchObject(refused)
  isWritten = false
  expect(readdirSync(folder)).toEqual(['store'])
  await expect(storage.backup(path)).resolves.toMatchObject({ keys: 1 })
})

test('files that the system lets nobody link to are copied', async () => {
  const disk = new FaultyFileSystem(nodeFs)
  await reopen({ fs: disk.fs })
  const { shared } = storage.workspace()
  await shared.set('key', 'value')
  await shared.set('large', Buffer.alloc(200_000, 'x'))
  chmodSync(join(shared.path, 'key'), 0o644)
  const before = statSync(join(shared.path, 'key'), { bigint: true })
  const isValue = (name: string, target: unknown): boolean =>
    name === 'linkSync' && String(target).startsWith(shared.path)
  disk.fail({ code: 'EPERM', after: 0, isLasting: true }, isValue)
  expect(await storage.backup(path)).toMatchObject({ keys: 2, bytes: 200_005 })
  expect(disk.failures).toBeGreaterThan(2)
  disk.heal()
  tar('xf', path, '-C', folder)
  const after = statSync(join(folder, 'default/shared/key'), { bigint: true })
  expect([after.mtimeNs, Number(after.mode) & 0o777]).toEqual([before.mtimeNs, 0o644])
})

test('a commit that is certain but not in place yet is in the backup', async () => {
  const disk = new FaultyFileSystem(nodeFs)
  await reopen({ fs: disk.fs })
  const { shared } = storage.workspace()
  for (const key of ['set', 'deleted']) await shared.set(key, 'old')
  const isSecond = (name: string, target: unknown): boolean =>
    name === 'renameSync' && /\/s\d+$|\/deleted$/.test(String(target))
  disk.fail({ code: 'EIO', after: 1, isLasting: true }, isSecond)
  const write = storage.transaction(async (tx) => {
    const scope = tx.scope(shared)
    await scope.set('first', 'new')
    await scope.set('set', 'new')
    await scope.delete('deleted')
  })
  await expect(write).rejects.toMatchObject({ outcome: 'committed' })
  expect(readFileSync(join(shared.path, 'set'), 'utf8')).toBe('old')
  await storage.backup(path)
  expect(readFileSync(join(shared.path, 'set'), 'utf8')).toBe('old')
  disk.heal()
  const restored = join(folder, 'restored')
  await restore(path, { into: restored })
  expect(await readAll(restored)).toEqual({ 'default  first': 'new', 'default  set': 'new' })
})

test('in memory a backup is written to and read from the same disk', async () => {
  const disk = await createMemoryDisk()
  const memory = await disk.open()
  const { shared } = memory.workspace()
  await shared.set('key', 'value')
  await shared.set('large', Buffer.alloc(2 * MIB, 'x'))
  expect(await memory.backup('/backup.tar')).toMatchObject({ path: '/backup.tar', keys: 2 })
  await shared.set('key', 'changed')
  expect(await restore('/backup.tar', { into: memory, overwrite: true })).toMatchObject({
    keys: 1,
    unchanged: 1,
  })
  expect(await shared.get('key', 'text')).toBe('value')
  disk.failNext('write', 'ENOSPC')
  await expect(memory.backup('/backup.tar')).rejects.toMatchObject({ code: 'DISK_FULL' })
  expect(disk.files.readdirSync('/')).toEqual(['backup.tar', 'data'])
  await restore('/backup.tar', { into: memory })
  await memory.close()
  await checkStore('/data', disk.files)
})

describe('a backup that fails leaves the older one whole, and nothing else', () => {
  let old: Buffer

  beforeEach(async () => {
    const { shared } = storage.workspace()
    await Promise.all(
      Array.from({ length: 30 }, (_, index) => shared.set(`key-${index}`, Buffer.alloc(100_000, index))),
    )
    await storage.backup(path)
    old = readFileSync(path)
    await storage.workspace().shared.set('another', 'value')
  })

  afterEach(() => {
    expect(readFileSync(path).equals(old)).toBe(true)
    expect(readdirSync(folder).filter((name) => name.startsWith('backup'))).toEqual(['backup.tar'])
    expect(readdirSync(join(root, '.plainkeep')).filter((name) => name.startsWith('b'))).toEqual([])
  })

  test('where writes stop short and then fail, as on a full disk', async () => {
    const { write } = nodeFs
    let room = 1.5 * MIB
    vi.spyOn(nodeFs, 'write').mockImplementation(((...args: Parameters<typeof write>) => {
      const [descriptor, bytes, offset, length, position, callback] = args as unknown as [
        number,
        Uint8Array,
        number,
        number,
        number,
        (error: Error | null) => void,
      ]
      if (room === 0)
        return setImmediate(() => callback(Object.assign(new Error('full'), { code: 'ENOSPC' })))
      const allowed = Math.min(length, room)
      room -= allowed
      return write(descriptor, bytes, offset, allowed, position, callback)
    }) as typeof write)
    await expect(storage.backup(path)).rejects.toMatchObject({ code: 'DISK_FULL' })
    expect(room).toBe(0)
  })

  test.each(['fsync', 'rename', 'open'] as const)('where %s fails', async (call) => {
    const original = nodeFs[call] as (...args: unknown[]) => unknown
    vi.spyOn(nodeFs, call).mockImplementation(((...args: unknown[]) => {
      const callback = args.at(-1) as (error: Error) => void
      const isArchive = call === 'fsync' || String(args[0]).startsWith(`${path}.`)
      if (!isArchive) return original(...args)
      setImmediate(() => callback(Object.assign(new Error(call), { code: 'EIO' })))
    }) as never)
    await expect(storage.backup(path)).rejects.toMatchObject({ code: 'IO_ERROR' })
    vi.restoreAllMocks()
  })

  test('over a look-alike of node:fs, whatever call of its own fails', async () => {
    const disk = new FaultyFileSystem(nodeFs)
    await reopen({ fs: disk.fs })
    const isOutside = (name: string, target: unknown): boolean =>
      name !== 'unlinkSync' && (typeof target === 'number' || String(target).startsWith(path))
    const codes: string[] = []
    for (let after = 0; after < 1000; after += 25) {
      disk.fail({ code: 'ENOSPC', after, isLasting: true }, isOutside)
      const outcome = await storage.backup(path).then(
        () => 'done',
        (error: { code: string }) => error.code,
      )
      disk.heal()
      codes.push(outcome)
      if (outcome === 'done') break
      expect(readFileSync(path).equals(old)).toBe(true)
      await storage.close().catch(() => undefined)
      await reopen({ fs: disk.fs })
    }
    expect(new Set(codes)).toContain('DISK_FULL')
    writeFileSync(path, old)
  })
})

const canMount = process.platform === 'linux' && process.getuid?.() === 0 && tryMount()

describe.skipIf(!canMount)('on a real tmpfs of 4 MB (needs root and the right to mount)', () => {
  let mount: string

  beforeEach(() => {
    mount = mkdtempSync(join(tmpdir(), 'plainkeep-tmpfs-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', mount])
  })

  afterEach(() => {
    execFileSync('umount', [mount])
    rmSync(mount, { recursive: true, force: true })
  })

  test('a backup that does not fit is DISK_FULL, and the older one is there still', async () => {
    const target = join(mount, 'backup.tar')
    await storage.workspace().shared.set('key', Buffer.alloc(MIB, 'old'))
    await storage.backup(target)
    const old = readFileSync(target)
    await storage.workspace().shared.set('key', Buffer.alloc(8 * MIB, 'new'))
    await expect(storage.backup(target)).rejects.toMatchObject({ code: 'DISK_FULL' })
    expect(readFileSync(target).equals(old)).toBe(true)
    expect(readdirSync(mount)).toEqual(['backup.tar'])
  })
})

/** Whether this process may mount; a root without the right to is common in containers. */
function tryMount(): boolean {
  const target = mkdtempSync(join(tmpdir(), 'plainkeep-mount-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', target], { stdio: 'ignore' })
    execFileSync('umount', [target])
    return true
  } catch {
    return false
  } finally {
    rmSync(target, { recursive: true, force: true })
  }
}
