import { execFileSync } from 'node:child_process'
import nodeFs, {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type FileSystem, openStorage, type Storage, type StorageOptions } from '../../lib/index.js'
import { checkStore } from '../setup/check-store.js'

let folder: string
let root: string

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'plainkeep-open-')))
  root = join(folder, 'store')
})

afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

const canMount = process.platform === 'linux' && process.getuid?.() === 0 && tryMount()

describe('the folder', () => {
  test('opening makes it with its parents, for the owner alone, and names the format', async () => {
    const deep = join(root, 'a', 'b')
    const storage = await openStorage(deep)
    expect(storage.path).toBe(deep)
    for (const path of [root, join(root, 'a'), deep, join(deep, '.plainkeep')]) {
      expect(modeOf(path), path).toBe(0o700)
    }
    const format = join(deep, '.plainkeep', 'format.json')
    expect(JSON.parse(readFileSync(format, 'utf8'))).toEqual({ format: 1 })
    expect(modeOf(format)).toBe(0o600)
    await storage.close()
    await checkStore(deep, nodeFs)
  })

  test('opening a folder that is there keeps its mode and what is in it', async () => {
    mkdirSync(root, { mode: 0o755 })
    mkdirSync(join(root, 'other', 'shared'), { recursive: true })
    const storage = await openStorage(root)
    expect(modeOf(root)).toBe(0o755 & ~process.umask())
    expect(await storage.workspaces()).toEqual(['other'])
    await storage.close()
    await checkStore(root, nodeFs)
  })

  test('opening again changes nothing, and finds what was set', async () => {
    await fill(root)
    const before = listTree(root)
    const storage = await openStorage(root)
    expect(await storage.workspace().shared.get('key', 'text')).toBe('value')
    await storage.close()
    expect(listTree(root)).toEqual(before)
    await checkStore(root, nodeFs)
  })

  test.each(['', '/below', '/far/below'])(
    'a path that leads to a file (then "%s") is an IO_ERROR',
    async (rest) => {
      writeFileSync(root, 'a file')
      await expect(openStorage(root + rest)).rejects.toMatchObject({
        name: 'StorageError',
        code: 'IO_ERROR',
        message: expect.stringContaining(root),
      })
      expect(readFileSync(root, 'utf8')).toBe('a file')
      expect(readdirSync(folder)).toEqual(['store'])
    },
  )

  test('a control folder that is a file is an IO_ERROR', async () => {
    mkdirSync(root)
    writeFileSync(join(root, '.plainkeep'), 'a file')
    await expect(openStorage(root)).rejects.toMatchObject({ code: 'IO_ERROR' })
    expect(readFileSync(join(root, '.plainkeep'), 'utf8')).toBe('a file')
  })

  test.each(['EACCES', 'EPERM', 'EROFS'])(
    'a folder that cannot be made (%s) is ACCESS_DENIED',
    async (code) => {
      const mkdirSync = (): never => fail(code)
      const fs = { ...nodeFs, mkdirSync } as FileSystem
      await expect(openStorage(root, { fs })).rejects.toMatchObject({ code: 'ACCESS_DENIED', store: root })
      expect(readdirSync(folder)).toEqual([])
      const storage = await openStorage(root)
      await storage.close()
      await checkStore(root, nodeFs)
    },
  )
})

describe('the format', () => {
  test.each([
    ['newer', '{"format":2}'],
    ['far newer', '{"format":1000,"more":true}\n'],
    ['older than any', '{"format":0}'],
    ['in words', '{"format":"1"}'],
    ['a fraction', '{"format":1.5}'],
    ['missing', '{}'],
    ['null', 'null'],
    ['malformed', '{"format":'],
    ['no JSON', 'format 1'],
    ['empty', ''],
  ])('a format that is %s is UNSUPPORTED_FORMAT, and nothing is touched', async (_, text) => {
    await fill(root)
    writeFileSync(join(root, '.plainkeep', 'format.json'), text)
    const before = listTree(root)
    await expect(openStorage(root)).rejects.toMatchObject({
      code: 'UNSUPPORTED_FORMAT',
      kind: 'corruption',
      store: root,
    })
    expect(listTree(root)).toEqual(before)
    writeFileSync(join(root, '.plainkeep', 'format.json'), '{ "format": 1 }')
    const storage = await openStorage(root)
    expect(await storage.workspace().shared.get('key', 'text')).toBe('value')
    await storage.close()
    writeFileSync(join(root, '.plainkeep', 'format.json'), '{"format":1}')
    await checkStore(root, nodeFs)
  })
})

describe('options', () => {
  test.each<[string, unknown]>([
    ['an unknown option', { lockTimeuot: 1 }],
    ['an unknown limit', { limits: { valueByte: 1 } }],
    ['a negative time', { lockTimeout: -1 }],
    ['a time that is no number', { lockTimeout: '1000' }],
    ['NaN', { syncReadLimit: Number.NaN }],
    ['null for a number', { syncReadLimit: null }],
    ['a mode in words', { fileMode: '600' }],
    ['a mode that is a fraction', { fileMode: 0.5 }],
    ['a mode without end', { folderMode: Number.POSITIVE_INFINITY }],
    ['a mode with more than permission bits', { fileMode: 0o100600 }],
    ['a negative limit', { limits: { valueBytes: -1 } }],
    ['limits that are no object', { limits: 5 }],
    ['options that are no object', 'fast'],
    ['options that are null', null],
    ['a filesystem that is none', { fs: {} }],
  ])('%s is INVALID_OPTION, and nothing is made', async (_, options) => {
    await expect(openStorage(root, options as StorageOptions)).rejects.toMatchObject({
      name: 'StorageError',
      code: 'INVALID_OPTION',
      kind: 'usage',
    })
    expect(readdirSync(folder)).toEqual([])
  })

  test.each([[''], [undefined], [null], [7], [Buffer.from('store')], ['a\0b']])(
    'a path that is %j is INVALID_OPTION',
    async (path) => {
      await expect(openStorage(path as string)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    },
  )

  test('options may be undefined, and numbers may be without end where that has a meaning', async () => {
    const storage = await openStorage(root, {
      fs: undefined,
      limits: { valueBytes: Number.POSITIVE_INFINITY },
      lockTimeout: undefined,
      syncReadLimit: Number.POSITIVE_INFINITY,
      fileMode: undefined,
    })
    await storage.workspace().shared.set('key', 'value')
    expect(await storage.workspace().shared.get('key', 'text')).toBe('value')
    await storage.close()
    await checkStore(root, nodeFs)
  })
})

describe('a store on a read-only filesystem', () => {
  test('opens, reads and lists, and denies writes (injected)', async () => {
    await fill(root)
    const before = listTree(root)
    await useReadOnly(await openStorage(root, { fs: readOnlyFs() }))
    expect(listTree(root)).toEqual(before)
    await checkStore(root, nodeFs)
  })

  test('opens and reads a copy that no close ended, and leaves it as it is (injected)', async () => {
    await fill(root)
    const copy = join(folder, 'copy')
    const storage = await openStorage(root)
    await storage.workspace().shared.set('last', 'words')
    nodeFs.cpSync(root, copy, { recursive: true, preserveTimestamps: true })
    const before = listTree(copy)
    const dead = await openStorage(copy, { fs: readOnlyFs() })
    expect(await dead.workspace().shared.get('last', 'text')).toBe('words')
    expect(await dead.workspace().shared.keys()).toEqual(['key', 'last'])
    await dead.close()
    expect(listTree(copy)).toEqual(before)
    await storage.close()
    await checkStore(root, nodeFs)
  })

  test('is ACCESS_DENIED if there is none yet', async () => {
    mkdirSync(root)
    await expect(openStorage(root, { fs: readOnlyFs() })).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    expect(readdirSync(root)).toEqual([])
    await checkStore(root, nodeFs)
  })

  test.skipIf(!canMount)('opens, reads and lists, and denies writes (a real mount; needs root)', async () => {
    const mount = join(folder, 'mount')
    mkdirSync(mount)
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', mount])
    try {
      await fill(join(mount, 'store'))
      const before = listTree(mount)
      execFileSync('mount', ['-o', 'remount,ro', mount])
      await useReadOnly(await openStorage(join(mount, 'store')))
      await expect(openStorage(join(mount, 'new'))).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
      expect(listTree(mount)).toEqual(before)
      await checkStore(join(mount, 'store'), nodeFs)
    } finally {
      execFileSync('umount', [mount])
    }
  })
})

describe('several names of one folder', () => {
  test('a relative path, a slash at the end and a link are the same store', async () => {
    mkdirSync(root)
    symlinkSync(root, join(folder, 'link'))
    symlinkSync(folder, join(folder, 'folder-link'))
    const paths = [
      root,
      relative(process.cwd(), root),
      `${root}/`,
      `${root}//`,
      join(folder, 'link'),
      `${join(folder, 'link')}/`,
      join(folder, 'folder-link', 'store'),
      `${root}/../store/.`,
    ]
    const storages = await Promise.all(paths.map((path) => openStorage(path)))
    await Promise.all(
      storages.map((storage, index) => storage.workspace().shared.set(`key-${index}`, 'value')),
    )
    for (const storage of storages) {
      expect(storage.path).toBe(root)
      expect(await storage.workspace().shared.keys()).toEqual(paths.map((_, index) => `key-${index}`))
    }
    expect(readdirSync(join(root, '.plainkeep')).filter((name) => name.startsWith('w'))).toHaveLength(1)
    await Promise.all(storages.map((storage) => storage.close()))
    await checkStore(root, nodeFs)
  })

  test('a folder that is yet to be made through a link is the same store too', async () => {
    symlinkSync(folder, join(folder, 'link'))
    const [first, second] = await Promise.all([
      openStorage(join(folder, 'link', 'store')),
      openStorage(join(folder, 'store')),
    ])
    expect([first.path, second.path]).toEqual([root, root])
    await Promise.all([first.workspace().shared.set('a', '1'), second.workspace().shared.set('b', '2')])
    expect(await first.workspace().shared.keys()).toEqual(['a', 'b'])
    expect(readdirSync(join(root, '.plainkeep')).filter((name) => name.startsWith('w'))).toHaveLength(1)
    await Promise.all([first.close(), second.close()])
    await checkStore(root, nodeFs)
  })
})

/** A store with two scopes, closed. */
async function fill(path: string): Promise<void> {
  const storage = await openStorage(path)
  await storage.workspace().shared.set('key', 'value')
  await storage.workspace().plugin('plugin').storage.set('large', Buffer.alloc(100_000, 'large'))
  await storage.close()
}

/** What a filled store does where nothing can be written; closes it. */
async function useReadOnly(storage: Storage): Promise<void> {
  const { shared } = storage.workspace()
  const own = storage.workspace().plugin('plugin').storage
  const denied = { name: 'StorageError', code: 'ACCESS_DENIED', kind: 'disk', outcome: 'none' }
  await expect(shared.set('key', 'other')).rejects.toMatchObject(denied)
  await expect(shared.set('new', 'other')).rejects.toMatchObject(denied)
  await expect(own.set('large', Buffer.alloc(200_000))).rejects.toMatchObject(denied)
  await expect(own.delete('large')).rejects.toMatchObject(denied)
  await expect(shared.clear()).rejects.toMatchObject(denied)
  await expect(storage.workspace('new').shared.set('new', 'other')).rejects.toMatchObject(denied)
  expect(await shared.get('key', 'text')).toBe('value')
  expect(await own.get('large')).toHaveLength(100_000)
  expect(await shared.has('new')).toBe(false)
  expect(await shared.keys()).toEqual(['key'])
  expect(await own.keys()).toEqual(['large'])
  expect(await storage.workspaces()).toEqual(['default'])
  expect(await storage.workspace().plugins()).toEqual(['plugin'])
  await storage.close()
}

/** A node:fs whose every call that would change something fails as on a read-only filesystem. */
function readOnlyFs(): FileSystem {
  const names = 'fchmod futimes link mkdir rename rmdir unlink utimes write'.split(' ')
  const denying = Object.fromEntries(names.map((name) => [`${name}Sync`, () => fail('EROFS')]))
  const { O_CREAT, O_RDWR, O_TRUNC, O_WRONLY, W_OK } = nodeFs.constants
  const openSync = (path: string, flags: number, mode?: number): number =>
    (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) === 0
      ? nodeFs.openSync(path, flags, mode)
      : fail('EROFS')
  const accessSync = (path: string, mode: number): void =>
    (mode & W_OK) === 0 ? nodeFs.accessSync(path, mode) : fail('EROFS')
  const write = (...args: unknown[]): void => (args.at(-1) as (error: unknown) => void)(systemError('EROFS'))
  return { ...nodeFs, ...denying, openSync, accessSync, write } as unknown as FileSystem
}

function fail(code: string): never {
  throw systemError(code)
}

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code })
}

function modeOf(path: string): number {
  return statSync(path).mode & 0o7777
}

/** Every path with its kind, mode, time and bytes. */
function listTree(path: string): string[] {
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const stat = lstatSync(join(path, name))
      const bytes = stat.isFile() ? readFileSync(join(path, name)).toString('base64') : ''
      return `${name} ${stat.mode.toString(8)} ${stat.mtimeMs} ${bytes}`
    })
}

/** Whether this process may mount; a root without the right to is common in containers. */
function tryMount(): boolean {
  const path = mkdtempSync(join(tmpdir(), 'plainkeep-mount-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', path], { stdio: 'ignore' })
    execFileSync('umount', [path])
    return true
  } catch {
    return false
  } finally {
    rmSync(path, { recursive: true, force: true })
  }
}
