/** What a repair puts right, what it leaves, and that nothing is lost however it ends. */

import fs, {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFsFromVolume, Volume } from 'memfs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  checkStorage,
  type FileSystem,
  openStorage,
  type RepairReport,
  type Storage,
} from '../../lib/index.js'
import { Child } from '../processes/child.js'
import { checkStore } from '../setup/check-store.js'
import { FaultyFileSystem } from '../setup/faulty-fs.js'
import { makeMachine, SCOPE } from '../setup/store-process.js'
import { listTree } from '../setup/tree.js'

let folder: string
let root: string
let storage: Storage
let path: string

beforeEach(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'plainkeep-repair-')))
  root = join(folder, 'store')
  storage = await openStorage(root, { limits: { valueBytes: 200_000 } })
  const { shared } = storage.workspace()
  await shared.set('key', 'value')
  path = shared.path
})

afterEach(async () => {
  await storage.close()
  rmSync(folder, { recursive: true, force: true })
})

const plant = (name: string, text = `by hand: ${name}`, mode = 0o600): void =>
  writeFileSync(join(path, name), text, { mode })
const describeRepaired = ({ repaired }: RepairReport): string[] =>
  repaired.map(({ finding, action }) => `${finding.kind} ${finding.path}: ${action}`).sort()
const describeLeft = ({ left }: RepairReport): string[] =>
  left.map(({ finding, reason }) => `${finding.kind} ${finding.path}: ${reason}`).sort()

test('a sound store is left as it is, and not even owned', async () => {
  await storage.close()
  storage = await openStorage(root)
  const before = listTree(root)
  const report = await storage.repair()
  expect(report).toMatchObject({ repaired: [], left: [], check: { isSound: true, keys: 1 } })
  expect(listTree(root)).toEqual(before)
  await storage.close()
  await expect(storage.repair()).rejects.toMatchObject({ code: 'STORE_CLOSED' })
  await checkStore(root, fs)
})

test('files of foreign names get the name of their key, and are then values like all others', async () => {
  plant('README')
  plant('a b')
  plant('large Value', 'x'.repeat(150_000))
  plant('Open', 'read by all', 0o644)
  const report = await storage.repair()
  expect(describeRepaired(report)).toEqual([
    'foreign-name default/shared/Open: Renamed "default/shared/Open" to "Open~1", which has the permissions of a new file.',
    'foreign-name default/shared/README: Renamed "default/shared/README" to "README~3f".',
    'foreign-name default/shared/a b: Renamed "default/shared/a b" to "a%20b".',
    'foreign-name default/shared/large Value: Renamed "default/shared/large Value" to "large%20Value~20".',
  ])
  expect(report.left).toEqual([])
  const { shared } = storage.workspace()
  expect(await shared.keys()).toEqual(['Open', 'README', 'a b', 'key', 'large Value'])
  expect(await shared.get('README', 'text')).toBe('by hand: README')
  expect(await shared.get('large Value')).toHaveLength(150_000)
  expect(readdirSync(path).sort()).toEqual(['Open~1', 'README~3f', 'a%20b', 'key', 'large%20Value~20'])
  await storage.close()
  await checkStore(root, fs)
})

test('what is not evident, taken, too large or no file is left, and the reason is said', async () => {
  plant('README')
  plant('README~3f', 'another one')
  plant('key~', 'the backup of an editor')
  plant('Too Large', 'x'.repeat(200_001))
  plant('wide', 'read by all', 0o644)
  mkdirSync(join(path, 'folder'))
  symlinkSync('/etc/passwd', join(path, 'link'))
  mkdirSync(join(root, 'My Workspace', 'shared'), { recursive: true })
  const before = listTree(path)
  const report = await storage.repair()
  expect(report.repaired).toEqual([])
  expect(describeLeft(report)).toEqual([
    'folder-in-scope default/shared/folder: What is in it is not known to be of no use.',
    'foreign-name My Workspace: A folder is renamed by hand, while no process uses the store.',
    'foreign-name default/shared/README: Something else is called "README~3f".',
    'foreign-name default/shared/Too Large: It has 200001 bytes, and a value may have 200000.',
    'link-in-scope default/shared/link: Where it leads is not looked at.',
    'stray default/shared/key~: It may be of use to somebody else.',
    'wide-permissions default/shared/wide: Permissions are not changed.',
  ])
  expect(listTree(path)).toEqual(before)
  expect(report.check.isSound).toBe(false)
  for (const name of ['README', 'key~', 'Too Large', 'folder', 'link'])
    rmSync(join(path, name), { recursive: true })
  rmSync(join(root, 'My Workspace'), { recursive: true })
  await storage.close()
  await checkStore(root, fs)
})

test('of two files that stand for one key the second is left, unless it holds the same', async () => {
  plant('%41', 'one')
  plant('A', 'other')
  plant('%42', 'same')
  plant('B', 'same')
  const report = await storage.repair()
  expect(report.repaired).toHaveLength(3)
  expect(report.left).toHaveLength(1)
  const { shared } = storage.workspace()
  expect(await shared.keys()).toEqual(['A', 'B', 'key'])
  const [rest] = report.left.map(({ finding }) => finding.path.split('/').at(-1) as string)
  const texts = [await shared.get('A', 'text'), readFileSync(join(path, rest as string), 'utf8')]
  expect(texts.sort()).toEqual(['one', 'other'])
  rmSync(join(path, rest as string))
  await storage.close()
  await checkStore(root, fs)
})

test('an edit in the midst of a repair is not lost', async () => {
  await storage.close()
  const renameSync = (from: string, to: string): void => {
    if (String(from).endsWith('/README')) writeFileSync(from, 'edited at the last moment')
    fs.renameSync(from, to)
  }
  storage = await openStorage(root, { fs: { ...fs, renameSync } as FileSystem })
  plant('README')
  const report = await storage.repair()
  expect(describeLeft(report)).toEqual([
    'foreign-name default/shared/README: It was edited meanwhile; repair once more.',
  ])
  expect(readFileSync(join(path, 'README'), 'utf8')).toBe('edited at the last moment')
  rmSync(join(path, 'README'))
  await storage.close()
  await checkStore(root, fs)
})

test('more than a report tells of at once are repaired', async () => {
  for (let index = 0; index < 1200; index += 1) plant(`Key ${index}`, `${index}`)
  const report = await storage.repair()
  expect(report.repaired).toHaveLength(1200)
  expect(report.check).toMatchObject({ findings: [], keys: 1201 })
  expect(await storage.workspace().shared.get('Key 1199', 'text')).toBe('1199')
  await storage.close()
  await checkStore(root, fs)
})

test('what is left in .plainkeep goes, and what is none of the store stays', async () => {
  await storage.close()
  storage = await openStorage(root)
  const control = (name: string): string => join(root, '.plainkeep', name)
  const folders = [`w${'1'.repeat(24)}`, `w${'2'.repeat(24)}`, `w${'3'.repeat(24)}.s1`]
  for (const name of folders) mkdirSync(control(name), { mode: 0o700 })
  const claim = JSON.parse(readFileSync(control('c1'), 'utf8'))
  claim.owner.pidNamespace = 'pid:[1]'
  writeFileSync(control(`${folders[1]}/record`), JSON.stringify(claim), { mode: 0o600 })
  mkdirSync(control('lock'))
  for (const name of [...folders, 'lock']) utimesSync(control(name), 1, 1)
  fs.copyFileSync(control('kept-1'), control('kept-0'))
  writeFileSync(control('notes'), 'mine', { mode: 0o600 })
  const report = await storage.repair()
  expect(describeRepaired(report)).toEqual(
    ['kept-0', 'lock', ...folders].map(
      (name) => `leftover .plainkeep/${name}: Cleared ".plainkeep/${name}" away.`,
    ),
  )
  expect(describeLeft(report)).toEqual(['stray .plainkeep/notes: It may be of use to somebody else.'])
  expect(readFileSync(control('notes'), 'utf8')).toBe('mine')
  rmSync(control('notes'))
  await storage.close()
  await checkStore(root, fs)
})

test('the commits of an owner that died are recovered', async () => {
  const machine = makeMachine()
  const [dead, reader] = [await machine.start().open(), await machine.start().open()]
  await dead.set('first', 'published')
  dead.disk.intercept = async (call, perform) => {
    if (call.operation === 'rename' && call.paths[1]?.endsWith('/second')) return new Promise(() => {})
    return perform()
  }
  void dead.set('second', 'not published')
  while (!dead.disk.log.some((call) => call.startsWith('rename') && call.endsWith('/second')))
    await new Promise((resolve) => setTimeout(resolve, 1))
  dead.crash()
  const report = await reader.engine.check()
  expect(report.findings).toMatchObject([{ kind: 'unrecovered', isHarmless: false }])
  expect(report.owner).toMatchObject({ isAlive: false })
  expect(report.journals).toMatchObject([{ state: 'unrecovered', revision: 2, synced: 0 }])
  const { repaired, left, check } = await reader.engine.repair({ valueBytes: 1000 })
  expect(repaired.map(({ action }) => action)).toEqual([
    expect.stringMatching(/^Recovered what ".*journal" held\.$/),
  ])
  expect([left, check.findings]).toEqual([[], []])
  expect(await reader.engine.list(SCOPE)).toEqual(['first', 'second'])
  await reader.close()
  await checkStore(machine.root, fs)
})

test('a store that cannot be owned is left as it is, with the reason', async () => {
  await storage.close()
  storage = await openStorage(root)
  plant('README')
  const kept = join(root, '.plainkeep', 'kept-1')
  const journal = readFileSync(kept)
  writeFileSync(kept, journal.subarray(0, 100))
  const before = listTree(path)
  const report = await storage.repair()
  expect(report.repaired).toEqual([])
  expect(describeLeft(report)).toEqual([
    'damaged-journal .plainkeep/kept-1: It may hold commits that are nowhere else; nothing is done about it without you.',
    expect.stringMatching(/^foreign-name default\/shared\/README: The journal .* is damaged/),
  ])
  expect(listTree(path)).toEqual(before)
  writeFileSync(kept, journal)
  expect((await storage.repair()).repaired).toHaveLength(1)
  await storage.close()
  await checkStore(root, fs)
})

test('on a filesystem that is read-only a store is checked, and a repair leaves all', async () => {
  await storage.close()
  plant('README')
  chmodSync(join(path, 'README'), 0o600)
  const deny = (): never => {
    throw Object.assign(new Error('EROFS: injected'), { code: 'EROFS' })
  }
  const names = ['fchmod', 'futimes', 'link', 'mkdir', 'rename', 'rmdir', 'unlink', 'utimes', 'write']
  const denying = Object.fromEntries(names.map((name) => [`${name}Sync`, deny]))
  storage = await openStorage(root, { fs: { ...fs, ...denying, accessSync: deny } as unknown as FileSystem })
  const before = listTree(root)
  expect(await storage.check()).toMatchObject({ isSound: true, counts: { 'foreign-name': 1 } })
  const report = await storage.repair()
  expect(report.repaired).toEqual([])
  expect(describeLeft(report)).toEqual([expect.stringContaining('the system denies access')])
  expect(listTree(root)).toEqual(before)
  rmSync(join(path, 'README'))
  await storage.close()
  await checkStore(root, fs)
})

test('beside processes that write without a pause all is repaired, and they lose nothing', async () => {
  for (let index = 0; index < 30; index += 1) plant(`Key ${index}`, `${index}`)
  const writers = ['a', 'b'].map((name) => new Child('writer.js', root, name, 200, 'sequence'))
  await Promise.all(writers.map((writer) => writer.saying('revision')))
  const report = await storage.repair()
  expect(report.repaired).toHaveLength(30)
  expect(report.left).toEqual([])
  await Promise.all(writers.map((writer) => writer.done()))
  for (const { lines } of writers) expect(lines.filter((line) => 'error' in line)).toEqual([])
  expect(await storage.workspace().shared.keys()).toHaveLength(31)
  await storage.close()
  await checkStore(root, fs)
})

test('an aborted repair rejects with the reason of its signal', async () => {
  plant('README')
  const reason = new Error('enough')
  await expect(storage.repair({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  expect((await storage.repair()).repaired).toHaveLength(1)
  await storage.close()
  await checkStore(root, fs)
})

describe('a repair that is cut short at any call', () => {
  type MemoryFs = FileSystem & typeof fs
  const FOREIGN = '/store/default/shared/README'
  const CANONICAL = '/store/default/shared/README~3f'

  async function prepare(): Promise<MemoryFs> {
    const memory = createFsFromVolume(new Volume()) as unknown as MemoryFs
    const first = await openStorage('/store', { fs: memory })
    await first.workspace().shared.set('key', 'value')
    await first.close()
    memory.writeFileSync(FOREIGN, 'by hand', { mode: 0o600 })
    return memory
  }

  test.each([false, true])('loses nothing, and the next one goes on (lasting: %s)', async (isLasting) => {
    let failures = 1
    let after = 0
    for (; failures > 0; after += 1) {
      const memory = await prepare()
      const faulty = new FaultyFileSystem(memory)
      const failing = await openStorage('/store', { fs: faulty.fs, lockTimeout: 1000 })
      faulty.fail({ code: 'EIO', after, isLasting })
      await failing.repair().catch((error: unknown) => expect(error).toMatchObject({ name: 'StorageError' }))
      failures = faulty.failures
      const files = [FOREIGN, CANONICAL].filter((file) => memory.existsSync(file))
      expect(files.length, `call ${after}`).toBeGreaterThan(0)
      for (const file of files) expect(memory.readFileSync(file, 'utf8')).toBe('by hand')
      faulty.heal()
      await failing.close().catch(() => undefined)
      const next = await openStorage('/store', { fs: memory })
      expect((await next.repair()).left, `call ${after}`).toEqual([])
      expect(await next.workspace().shared.get('README', 'text')).toBe('by hand')
      expect(memory.existsSync(FOREIGN)).toBe(false)
      await next.close()
      await checkStore('/store', memory)
    }
    expect(after).toBeGreaterThan(50)
  })
})

test('repairing is safe for a store that nobody has opened before', async () => {
  const other = join(folder, 'other')
  mkdirSync(join(other, 'default', 'shared'), { recursive: true, mode: 0o700 })
  writeFileSync(join(other, 'default', 'shared', 'Mine'), 'by hand', { mode: 0o600 })
  const opened = await openStorage(other)
  expect((await opened.repair()).repaired).toHaveLength(1)
  expect(await opened.workspace().shared.get('Mine', 'text')).toBe('by hand')
  await opened.close()
  expect((await checkStorage(other)).findings).toEqual([])
  await checkStore(other, fs)
})
