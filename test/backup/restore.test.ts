/** Restoring: what comes back, what is never replaced, and which archives are refused. */

import nodeFs, {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openStorage, restore, type Scope, type Storage, verifyBackup } from '../../lib/index.js'
import { checkStore } from '../setup/check-store.js'
import { FaultyFileSystem } from '../setup/faulty-fs.js'
import { Random } from '../setup/random.js'
import { type Member, manifestOf, packBackup, packMembers } from './archive.js'

let folder: string
let path: string
let into: string
let storage: Storage
let shared: Scope
let plugin: Scope

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'plainkeep-restore-'))
  path = join(folder, 'backup.tar')
  into = join(folder, 'restored')
  storage = await openStorage(join(folder, 'store'))
  shared = storage.workspace().shared
  plugin = storage.workspace().plugin('acme/weather').storage
})

afterEach(async () => {
  await storage.close()
  await checkStore(storage.path, nodeFs)
  if (existsSync(into)) await checkStore(into, nodeFs)
  rmSync(folder, { recursive: true, force: true })
})

/** The store that was restored; closed when the test ends with it. */
const opened = (): Promise<Storage> => openStorage(into)

test('what was backed up is in the new store, byte for byte, one commit for each scope', async () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
  await shared.set('bytes', bytes)
  await shared.set('empty', '')
  await plugin.set('large', Buffer.alloc(300_000, 'x'))
  await plugin.set('Ünïcode 😀/..', 'found')
  await storage.workspace('other').shared.set('k'.repeat(240), 'long')
  await storage.backup(path)
  const told: string[] = []
  const onProgress = ({ phase }: { phase: string }): void => void (told.at(-1) !== phase && told.push(phase))
  const report = await restore(path, { into, onProgress })
  expect(report).toEqual({ store: into, keys: 5, bytes: 256 + 300_000 + 5 + 4, unchanged: 0 })
  expect(told).toEqual(['verify', 'restore'])
  await using restored = await opened()
  expect(Buffer.from(await restored.workspace().shared.get('bytes')).equals(bytes)).toBe(true)
  expect(await restored.workspace().shared.get('empty', 'text')).toBe('')
  const other = restored.workspace().plugin('acme/weather').storage
  expect((await other.get('large')).byteLength).toBe(300_000)
  expect(await other.keys()).toEqual(['large', 'Ünïcode 😀/..'])
  expect(await restored.workspace('other').shared.get('k'.repeat(240), 'text')).toBe('long')
  expect(await restored.backup(path)).toMatchObject({ revision: 3 })
})

test('a restored entry has a new version and time: it was written now', async () => {
  const version = await shared.set('key', 'value')
  await storage.backup(path)
  await shared.set('key', 'changed')
  const before = await shared.entry('key')
  await restore(path, { into: storage, overwrite: true })
  const after = await shared.entry('key', 'text')
  expect(after?.value).toBe('value')
  expect(after?.version).not.toBe(version)
  expect(after?.modifiedAt.getTime()).toBeGreaterThanOrEqual(before?.modifiedAt.getTime() as number)
})

describe('a store that holds something already', () => {
  beforeEach(async () => {
    await shared.set('a', 'backup')
    await shared.set('b', 'backup')
    await plugin.set('c', 'backup')
    await storage.backup(path)
  })

  test('keeps what it holds, and gets what it lacks', async () => {
    await shared.delete('b')
    await shared.set('own', 'store')
    expect(await restore(path, { into: storage })).toMatchObject({ keys: 1, bytes: 6, unchanged: 2 })
    expect(await shared.keys()).toEqual(['a', 'b', 'own'])
  })

  test('is not touched at all if a single key holds another value', async () => {
    await shared.delete('a')
    await plugin.set('c', 'store') // in the scope that comes first or last: all are looked at before the first commit
    const refused = restore(path, { into: storage })
    await expect(refused).rejects.toMatchObject({ code: 'CONFLICT', key: 'c', scope: plugin.id })
    expect(await shared.keys()).toEqual(['b'])
    expect(await plugin.get('c', 'text')).toBe('store')
  })

  test('gets the values of the backup if it is told to overwrite; keys that the backup lacks stay', async () => {
    await shared.set('a', 'store')
    await shared.set('b', 'b')
    await shared.set('own', 'store')
    expect(await restore(path, { into: storage, overwrite: true })).toMatchObject({ keys: 2, unchanged: 1 })
    expect(await shared.get('a', 'text')).toBe('backup')
    expect(await shared.get('own', 'text')).toBe('store')
  })

  test('that was restored already is not written to', async () => {
    const version = (await shared.entry('a'))?.version
    expect(await restore(path, { into: storage, overwrite: true })).toMatchObject({ keys: 0, unchanged: 3 })
    expect((await shared.entry('a'))?.version).toBe(version)
  })

  test('gets only the scopes that are named', async () => {
    await restore(path, { into, scopes: [{ workspace: 'default', plugin: 'acme/weather' }] })
    await using restored = await opened()
    expect(await restored.workspace().plugins()).toEqual(['acme/weather'])
    expect(await restored.workspace().shared.keys()).toEqual([])
  })

  test('gets them whatever its limits are: they are for those who write, not for what was there', async () => {
    await using limited = await openStorage(into, { limits: { valueBytes: 1, keysPerScope: 1 } })
    expect(await restore(path, { into: limited })).toMatchObject({ keys: 3 })
  })

  test('rejects with what the callback throws, or the reason of the abort, and a scope is whole or untouched', async () => {
    const stop = new Error('stop')
    let calls = 0
    const onProgress = ({ phase }: { phase: string }): void => {
      if (phase === 'restore' && ++calls === 4) throw stop
    }
    await expect(restore(path, { into, onProgress })).rejects.toBe(stop)
    const controller = new AbortController()
    const abort = ({ phase }: { phase: string }): void => {
      if (phase === 'restore') controller.abort(stop)
    }
    await expect(restore(path, { into, onProgress: abort, signal: controller.signal })).rejects.toBe(stop)
    await using restored = await opened()
    expect(await restored.workspace().plugin('acme/weather').storage.keys()).toEqual(['c'])
    expect(await restored.workspace().shared.keys()).toEqual([])
  })

  test('refuses options that are none', async () => {
    await expect(restore(path, {} as never)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    await expect(restore(path, { into: {} as never })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    await expect(restore('', { into })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    await expect(restore(folder, { into })).rejects.toMatchObject({ code: 'IO_ERROR' })
    await expect(restore(join(folder, 'none'), { into })).rejects.toMatchObject({ code: 'IO_ERROR' })
    expect(existsSync(into)).toBe(false)
  })
})

test('a new file has the mode that it had, as far as nobody else may write to it; a replaced one keeps its own', async () => {
  const modes = { read: 0o644, write: 0o666, run: 0o4755, kept: 0o644 }
  for (const [key, mode] of Object.entries(modes)) {
    await shared.set(key, 'value')
    chmodSync(join(shared.path, key), mode)
  }
  await storage.backup(path)
  await using restored = await opened()
  const target = restored.workspace().shared
  await target.set('kept', 'other')
  await restore(path, { into: restored, overwrite: true })
  const found = Object.keys(modes).map((key) => statSync(join(target.path, key)).mode & 0o7777)
  expect(found).toEqual([0o644, 0o644, 0o755, 0o600])
})

test('a store that others opened with wider modes takes wider ones', async () => {
  await shared.set('key', 'value')
  chmodSync(join(shared.path, 'key'), 0o664)
  await storage.backup(path)
  await using restored = await openStorage(into, { fileMode: 0o660 })
  await restore(path, { into: restored })
  expect(statSync(join(into, 'default/shared/key')).mode & 0o777).toBe(0o664)
})

test('an archive that is changed between its verification and its use is refused, and its scope untouched', async () => {
  await shared.set('key', Buffer.alloc(200_000, 'x'))
  await storage.backup(path)
  const change = ({ phase }: { phase: string }): void => {
    if (phase === 'restore') writeFileSync(path, readFileSync(path).fill('y', 100_000, 100_010))
  }
  await expect(restore(path, { into, onProgress: change })).rejects.toMatchObject({ code: 'CORRUPT_BACKUP' })
  await using restored = await opened()
  expect(await restored.workspace().shared.keys()).toEqual([])
})

test('a disk that is full in the midst of a scope leaves the scope untouched', async () => {
  for (const key of ['a', 'b', 'c']) await shared.set(key, Buffer.alloc(100_000, key))
  await storage.backup(path)
  const disk = new FaultyFileSystem(nodeFs)
  await using restored = await openStorage(into, { fs: disk.fs })
  disk.limitRoom(into, 250_000)
  await expect(restore(path, { into: restored })).rejects.toMatchObject({
    code: 'DISK_FULL',
    outcome: 'none',
  })
  expect(await restored.workspace().shared.keys()).toEqual([])
  disk.heal()
  expect(await restore(path, { into: restored })).toMatchObject({ keys: 3 })
})

test('a description says what is in a backup without restoring it', async () => {
  const before = Date.now()
  await shared.set('key', 'value')
  await storage.backup(path)
  const { createdAt, ...rest } = await verifyBackup(path)
  expect(rest).toEqual({ path, revision: 1, keys: 1, bytes: 5 })
  expect(createdAt.getTime()).toBeGreaterThanOrEqual(before)
})

const KEY: Member = { path: 'default/shared/key', contents: 'value' }
const OTHER: Member = { path: 'default/shared/other', contents: 'more' }
const HUGE = 8 ** 11 + 5

describe('an archive is refused, and nothing made, if', () => {
  const refuse = async (bytes: Uint8Array, told: string, code = 'CORRUPT_BACKUP'): Promise<void> => {
    writeFileSync(path, bytes)
    const refused = { code, message: expect.stringContaining(told) }
    await expect(restore(path, { into, overwrite: true })).rejects.toMatchObject(refused)
    await expect(verifyBackup(path)).rejects.toMatchObject(refused)
    expect(readdirSync(folder).sort()).toEqual(['backup.tar', 'store'])
  }

  test('it is none that the tests make by hand: those are accepted', async () => {
    const folders: Member[] = ['default', 'default/shared'].map((name) => ({ path: name, kind: 'folder' }))
    writeFileSync(path, packBackup([...folders, KEY, OTHER]))
    expect(await restore(path, { into })).toMatchObject({ keys: 2, bytes: 9 })
  })

  test.each([
    ['../x', '../x'],
    ['default/shared/../../../x', '../../../x'],
    ['default/../../x', '../../x'],
    ['/etc/x', '/etc/x'],
    ['/default/shared/key', 'default/shared/key'],
    ['default//shared/key', 'shared/key'],
    ['./default/shared/key', 'default/shared/key'],
    ['default/shared/a/b', 'a/b'],
    ['default/plugins/key', 'key'],
    ['default/other/key', 'key'],
    ['default/shared/..', '..'],
    ['.plainkeep/c1', 'c1'],
    ['.plainkeep/lock', 'lock'],
    ['default/shared/.hidden', '.hidden'],
    ['default/shared/KEY', 'KEY'],
    ['default/shared/na%C3%AFve', 'na%C3%AFve'],
    ['default/shared/nai\u0308ve', 'nai'],
    ['default/shared/a\\b', 'a'],
    ['default/shared/a\nb', 'a'],
    ['key', 'key'],
    ['', ''],
  ])('a file of it is called %j', async (name, told) => {
    await refuse(packBackup([{ ...KEY, path: name }]), told)
  })

  test.each(['../x', '/etc', 'default/other', 'default/shared/sub', 'default/plugins/a/b', '.plainkeep/w1'])(
    'a folder of it is called %j',
    async (name) => {
      await refuse(packBackup([{ path: name, kind: 'folder' }, KEY]), 'no path of a folder in a store')
    },
  )

  test.each([
    ['1', 'a hard link'],
    ['2', 'a symbolic link'],
    ['3', 'a device'],
    ['6', 'a FIFO'],
    ['S', 'a sparse file'],
    ['L', 'a long name of another format'.replace('a long', 'the long')],
    ['g', 'a header for the whole archive'],
  ])('it holds an entry of type %s', async (type, told) => {
    const link: Member = { path: 'default/shared/link', header: { 156: type, 157: '/etc/passwd' } }
    await refuse(packBackup([KEY, link]), told)
  })

  test('a plain file of it has the target of a link', async () => {
    await refuse(packBackup([{ ...KEY, header: { 157: '/etc/passwd' } }]), 'the target of a link')
  })

  test('it holds a path twice, in whatever manner', async () => {
    await refuse(packBackup([KEY, OTHER, KEY]), 'twice')
    await refuse(packBackup([KEY, { path: KEY.path, kind: 'folder' }]), 'twice')
    const format: Member = { path: '.plainkeep/format.json', contents: '{"format":1}\n' }
    await refuse(packBackup([KEY, format]), 'twice')
    await refuse(packMembers([format, KEY, manifestOf([KEY]), manifestOf([KEY])]), 'follows its manifest')
  })

  test('a file is longer or shorter than it says', async () => {
    await refuse(packBackup([{ ...KEY, size: 4 }]), 'not that of the manifest')
    await refuse(packBackup([{ ...KEY, size: 6 }]), 'not that of the manifest')
    await refuse(packBackup([{ ...KEY, size: 5000 }]), '') // its headers do not lie where they should any more
    await refuse(packBackup([{ ...KEY, size: 100_000 }]), 'it ends in the middle of')
    await refuse(packBackup([{ ...KEY, size: HUGE }]), 'it ends in the middle of')
    await refuse(packBackup([{ ...KEY, size: Number.MAX_SAFE_INTEGER }]), 'it ends in the middle of')
    await refuse(packBackup([KEY], { ...manifestOf([KEY]), size: HUGE }), 'it ends in the middle of')
  })

  test('its manifest does not go with its files', async () => {
    await refuse(packBackup([KEY], manifestOf([])), 'its manifest')
    await refuse(packBackup([], manifestOf([KEY])), 'its manifest')
    await refuse(packBackup([KEY, OTHER], manifestOf([OTHER, KEY])), 'does not go with')
    await refuse(packBackup([KEY], manifestOf([{ ...KEY, contents: 'Value' }])), 'are damaged')
    await refuse(packBackup([KEY], manifestOf([{ ...KEY, contents: 'valu' }])), 'not that of the manifest')
    await refuse(packBackup([KEY], manifestOf([KEY], { keys: 2 })), 'does not list the files')
    await refuse(packBackup([KEY], manifestOf([KEY], { bytes: 6 })), 'does not list the files')
    await refuse(packBackup([KEY], manifestOf([KEY], { keys: -1 })), 'does not begin as one')
    await refuse(packBackup([KEY], manifestOf([KEY], { createdAt: 'never' })), 'does not begin as one')
  })

  test.each([
    ['', 'does not list'],
    ['no JSON\n', 'does not begin as one'],
    ['null\n', 'does not begin as one'],
    [`${'x'.repeat(20_000)}\n`, ''],
    ['x'.repeat(20_000), 'too long'],
    [`${manifestOf([KEY]).contents}null\n`, 'a line of its manifest is none'],
    [String(manifestOf([KEY]).contents).trimEnd(), 'not whole'],
    [
      String(manifestOf([KEY]).contents).replace(/"crc32":"\w+"/, '"crc32":"0"'),
      'a line of its manifest is none',
    ],
  ])('its manifest is %j', async (contents, told) => {
    await refuse(packBackup([KEY], { path: '.plainkeep/manifest.jsonl', contents }), told)
  })

  test('its manifest, its format or its end is missing', async () => {
    const format: Member = { path: '.plainkeep/format.json', contents: '{"format":1}\n' }
    await refuse(packMembers([format, KEY]), 'it has no manifest')
    await refuse(packMembers([KEY, manifestOf([KEY])]), 'does not begin with .plainkeep/format.json')
    await refuse(packMembers([format, KEY, manifestOf([KEY])], Buffer.alloc(0)), 'its end is missing')
    await refuse(packMembers([format, KEY, manifestOf([KEY])], Buffer.alloc(512)), 'its end is missing')
    await refuse(packMembers([format, KEY, manifestOf([KEY])], Buffer.alloc(1024, 'x', 'latin1')), '')
    const behind = Buffer.concat([Buffer.alloc(1024), Buffer.from('something')])
    await refuse(packMembers([format, KEY, manifestOf([KEY])], behind), 'something follows its end')
  })

  test('it is of a later version', async () => {
    const later: Member = { path: '.plainkeep/format.json', contents: '{"format":2}\n' }
    await refuse(packMembers([later, KEY, manifestOf([KEY])]), 'format 2', 'UNSUPPORTED_FORMAT')
    await refuse(packBackup([KEY], manifestOf([KEY], { backup: 2 })), 'version 2', 'UNSUPPORTED_FORMAT')
  })

  test('it is no tar archive at all', async () => {
    await refuse(Buffer.alloc(0), 'its end is missing')
    await refuse(Buffer.alloc(511), 'its end is missing')
    await refuse(Buffer.alloc(1024), 'no backup of plainkeep')
    await refuse(Buffer.alloc(100_000, 'text'), 'there is no tar header')
    await refuse(Buffer.from('1f8b0800000000000003', 'hex'), 'its end is missing')
  })

  test('it is cut off, anywhere', async () => {
    const whole = packBackup([KEY, OTHER, { path: 'default/shared/long', contents: 'x'.repeat(2000) }])
    for (let length = 0; length < whole.length; length += 256) await refuse(whole.subarray(0, length), '')
  })
})

test('whatever byte of an archive is changed, it is refused, or its values are the same', async () => {
  await shared.set('short', 'value')
  await plugin.set('Long '.repeat(30), 'x'.repeat(1000))
  await storage.backup(path)
  const whole = readFileSync(path)
  const seed = Date.now() % 1_000_000
  const random = new Random(seed)
  let refusals = 0
  for (let round = 0; round < 80; round += 1) {
    const bytes = Buffer.from(whole)
    const offset = random.below(bytes.length)
    bytes[offset] = (bytes[offset] as number) ^ (1 << random.below(8))
    writeFileSync(path, bytes)
    const target = join(folder, 'changed')
    const outcome = await restore(path, { into: target }).catch((error: { code: string }) => error)
    if ('code' in outcome) {
      expect(['CORRUPT_BACKUP', 'UNSUPPORTED_FORMAT'], `seed ${seed}, byte ${offset}`).toContain(outcome.code)
      refusals += 1
      continue
    }
    await using restored = await openStorage(target)
    const values = [
      await restored.workspace().shared.get('short', 'text'),
      await restored.workspace().plugin('acme/weather').storage.get('Long '.repeat(30), 'text'),
    ]
    expect(values, `seed ${seed}, byte ${offset}`).toEqual(['value', 'x'.repeat(1000)])
    expect(await restored.workspaces()).toEqual(['default'])
    await restored.close()
    rmSync(target, { recursive: true })
  }
  expect(refusals).toBeGreaterThan(10)
})

test('an archive with holes that claims to be huge is refused without being read into memory', async () => {
  const [manifest] = [manifestOf([KEY])]
  writeFileSync(path, packBackup([KEY], { ...manifest, contents: '', size: 20 * 1024 ** 3 }))
  truncateSync(path, 21 * 1024 ** 3) // a file of 21 GiB, hardly any of it on the disk
  await expect(verifyBackup(path)).rejects.toMatchObject({
    code: 'CORRUPT_BACKUP',
    message: expect.stringContaining('too long'),
  })
})

test('a backup that is reached by a link is read', async () => {
  await shared.set('key', 'value')
  await storage.backup(path)
  symlinkSync(path, join(folder, 'latest'))
  mkdirSync(into)
  expect(await restore(join(folder, 'latest'), { into })).toMatchObject({ keys: 1 })
})
