import { execFileSync, spawn } from 'node:child_process'
import fs, {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, relative, sep } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { KeyNotFoundError, openStorage, type Scope, type Storage, StorageError } from '../../lib/index.js'
import { checkStore } from '../setup/check-store.js'

/** Longer than any call takes that does not wait for somebody else. */
const SOON_MS = 2000

const PASSWORDS = '/etc/passwd'

let folder: string
let root: string
let storage: Storage
let scope: Scope

beforeEach(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'plainkeep-hostile-')))
  root = join(folder, 'store')
  storage = await openStorage(root)
  scope = storage.workspace().plugin('plugin').storage
})

afterEach(async () => {
  await storage.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('what is no value in a scope folder', () => {
  const kinds: Readonly<Record<string, (path: string) => unknown>> = {
    'a link to a value': (path) => symlinkSync('value', path),
    'a link out of the store': (path) => symlinkSync(PASSWORDS, path),
    'a link to nothing': (path) => symlinkSync('nothing', path),
    'a link to itself': (path) => symlinkSync('odd', path),
    'a link to a folder': (path) => symlinkSync('/etc', path),
    'a FIFO': (path) => execFileSync('mkfifo', [path]),
    'a socket': (path) => listenAt(path),
    'a folder': (path) => mkdirSync(path),
  }

  test.each(Object.keys(kinds))('%s is not opened blockingly, followed, listed or deleted', async (kind) => {
    await scope.set('value', 'value')
    const odd = join(scope.path, 'odd')
    const planted = await kinds[kind]?.(odd)
    const before = describeFile(odd)
    const waker = spawn('sh', ['-c', `sleep 5; [ -p "${odd}" ] && : > "${odd}"`]) // a blocked reader is let go
    const start = performance.now()
    await expect(scope.get('odd')).rejects.toBeInstanceOf(KeyNotFoundError)
    expect(await scope.find('odd')).toBeUndefined()
    expect(await scope.entry('odd')).toBeUndefined()
    expect(await scope.has('odd')).toBe(false)
    expect(await scope.keys()).toEqual(['value'])
    expect(await scope.usage()).toEqual({ keys: 1, bytes: 5 })
    expect(await readEntryKeys(scope)).toEqual(['value'])
    if (kind === 'a folder') {
      await expect(scope.delete('odd')).rejects.toMatchObject({ code: 'IO_ERROR', outcome: 'none' })
    } else {
      expect(await scope.delete('odd')).toBe(false)
    }
    expect(await scope.clear()).toBe(1)
    expect(performance.now() - start).toBeLessThan(SOON_MS)
    waker.kill()
    expect(describeFile(odd)).toBe(before)
    if (kind === 'a socket') await closeServer(planted as Server)
    rmSync(odd, { recursive: true, force: true })
    await storage.close()
    await checkStore(root, fs)
  })

  test.each(Object.keys(kinds).filter((kind) => kind !== 'a folder'))(
    'a set replaces %s, and what it leads to stays as it is',
    async (kind) => {
      await scope.set('value', 'value')
      const odd = join(scope.path, 'odd')
      const planted = await kinds[kind]?.(odd)
      const passwords = readFileSync(PASSWORDS, 'utf8')
      await scope.set('odd', 'own')
      const stat = lstatSync(odd)
      expect([stat.isFile(), stat.mode & 0o7777]).toEqual([true, 0o600])
      expect(await scope.get('odd', 'text')).toBe('own')
      expect(await scope.get('value', 'text')).toBe('value')
      expect(await scope.keys()).toEqual(['odd', 'value'])
      expect(readFileSync(PASSWORDS, 'utf8')).toBe(passwords)
      expect(readdirSync(scope.path).sort()).toEqual(['odd', 'value'])
      if (kind === 'a socket') await closeServer(planted as Server) // this removes its path, whatever is there
      await storage.close()
      await checkStore(root, fs)
    },
  )

  test.each([0, 1])(
    'a set over a folder with %i files in it is an IO_ERROR and hinders no other',
    async (count) => {
      await scope.set('value', 'value')
      const odd = join(scope.path, 'odd')
      mkdirSync(odd)
      if (count > 0) writeFileSync(join(odd, 'precious'), 'precious')
      const [folderSet, other, large] = await Promise.allSettled([
        scope.set('odd', 'own'),
        scope.set('other', 'other'),
        scope.set('odd', Buffer.alloc(100_000)),
      ])
      for (const refused of [folderSet, large]) {
        expect(refused).toMatchObject({
          status: 'rejected',
          reason: { name: 'StorageError', code: 'IO_ERROR', outcome: 'none', key: 'odd', scope: scope.id },
        })
      }
      expect(other.status).toBe('fulfilled')
      expect(readdirSync(odd)).toEqual(count > 0 ? ['precious'] : [])
      expect(await scope.keys()).toEqual(['other', 'value'])
      renameSync(odd, join(folder, 'away'))
      await scope.set('odd', 'own')
      expect(await scope.get('odd', 'text')).toBe('own')
      await storage.close()
      await checkStore(root, fs)
    },
  )

  test('foreign names are not listed and are left alone', async () => {
    await scope.set('a', 'small')
    const names = [
      'A',
      '%zz',
      '%61',
      'two\nlines',
      'ß',
      'con',
      '.hidden',
      'end.',
      'a~0',
      'a~2',
      '%41',
      'a b',
      '~',
    ]
    for (const name of names) writeFileSync(join(scope.path, name), `foreign ${name}`)
    const before = new Map(names.map((name) => [name, describeFile(join(scope.path, name))]))
    expect(await scope.keys()).toEqual(['a'])
    expect(await scope.usage()).toEqual({ keys: 1, bytes: 5 })
    await scope.set('A', 'capital')
    expect(await scope.keys()).toEqual(['A', 'a'])
    expect(await scope.get('A', 'text')).toBe('capital')
    expect(await scope.clear()).toBe(2)
    for (const [name, seen] of before) {
      const path = join(scope.path, name)
      expect(describeFile(path), name).toBe(seen)
      unlinkSync(path)
    }
    await storage.close()
    await checkStore(root, fs)
  })

  test.skipIf(process.platform !== 'linux')(
    'names that are no UTF-8 are not listed and are left alone',
    async () => {
      await scope.set('value', 'value')
      const endings = [[0xff], [0xc3], [0x80, 0x80], [0xed, 0xa0, 0x80], [0xc0, 0xae]]
      const paths = endings.map((bytes) =>
        Buffer.concat([Buffer.from(`${scope.path}/bad`), Buffer.from(bytes)]),
      )
      for (const path of paths) writeFileSync(path, 'foreign')
      expect(await scope.keys()).toEqual(['value'])
      expect(await readEntryKeys(scope)).toEqual(['value'])
      expect(await scope.clear()).toBe(1)
      for (const path of paths) {
        expect(readFileSync(path, 'utf8')).toBe('foreign')
        unlinkSync(path)
      }
      await storage.close()
      await checkStore(root, fs)
    },
  )

  test('foreign folders and files beside the scopes are no workspaces and no plugins', async () => {
    await scope.set('value', 'value')
    const odd = ['README', 'Upper', '%zz', '.git', 'node modules']
    for (const name of odd) mkdirSync(join(root, name))
    for (const name of odd) mkdirSync(join(dirname(scope.path), name))
    writeFileSync(join(root, 'notes'), '')
    symlinkSync('/etc', join(root, 'linked'))
    symlinkSync('/etc', join(dirname(scope.path), 'linked'))
    expect(await storage.workspaces()).toEqual(['default'])
    expect(await storage.workspace().plugins()).toEqual(['plugin'])
    for (const name of [...odd, 'notes', 'linked']) {
      expect(existsSync(join(root, name)), name).toBe(true)
      rmSync(join(root, name), { recursive: true })
      rmSync(join(dirname(scope.path), name), { recursive: true, force: true })
    }
    await storage.close()
    await checkStore(root, fs)
  })
})

describe('a folder of a scope that is not as it was', () => {
  const levels: Readonly<Record<string, () => string>> = {
    "the scope's own": () => scope.path,
    "the plugins'": () => dirname(scope.path),
    "the workspace's": () => dirname(dirname(scope.path)),
  }

  test.each(Object.keys(levels))(
    '%s folder is a link out of the store: a set writes nothing there',
    async (level) => {
      const path = levels[level]?.() as string
      const outside = join(folder, 'outside')
      mkdirSync(outside)
      mkdirSync(join(outside, 'plugins', 'plugin'), { recursive: true })
      mkdirSync(join(outside, 'plugin'))
      mkdirSync(dirname(path), { recursive: true })
      symlinkSync(outside, path)
      const before = listTree(outside)
      for (const value of ['small', Buffer.alloc(100_000)]) {
        await expect(scope.set('key', value)).rejects.toMatchObject({ code: 'IO_ERROR', outcome: 'none' })
      }
      expect(listTree(outside)).toEqual(before)
      expect(readlinkSync(path)).toBe(outside)
      unlinkSync(path)
      await scope.set('key', 'small')
      expect(await scope.get('key', 'text')).toBe('small')
      await storage.close()
      await checkStore(root, fs)
    },
  )

  test.each(Object.keys(levels))(
    '%s folder becomes a link while the store is open: the next set writes nothing there',
    async (level) => {
      await scope.set('key', 'before')
      const path = levels[level]?.() as string
      const outside = join(folder, 'outside')
      renameSync(path, outside)
      symlinkSync(outside, path)
      const before = listTree(outside)
      await expect(scope.set('key', 'after')).rejects.toMatchObject({ code: 'IO_ERROR', outcome: 'none' })
      expect(listTree(outside)).toEqual(before)
      unlinkSync(path)
      renameSync(outside, path)
      expect(await scope.get('key', 'text')).toBe('before')
      await scope.set('key', 'after')
      expect(await scope.get('key', 'text')).toBe('after')
      await storage.close()
      await checkStore(root, fs)
    },
  )

  test.each(Object.keys(levels))(
    '%s folder is removed while the store is open: the next set makes it anew',
    async (level) => {
      const path = levels[level]?.() as string
      for (const value of [Buffer.from('small'), Buffer.alloc(100_000, 'large')]) {
        await scope.set('key', 'value')
        await scope.set('other', 'value')
        rmSync(path, { recursive: true })
        await expect(scope.get('key')).rejects.toBeInstanceOf(KeyNotFoundError)
        expect(await scope.keys()).toEqual([])
        expect(await scope.delete('key')).toBe(false)
        await scope.set('key', value)
        expect(Buffer.from(await scope.get('key')).equals(value)).toBe(true)
        expect(await scope.keys()).toEqual(['key'])
        expect(statSync(scope.path).mode & 0o7777).toBe(0o700)
      }
      await storage.close()
      await checkStore(root, fs)
    },
  )

  test.each(Object.keys(levels))(
    '%s folder is a file before the first set: an error says so',
    async (level) => {
      const path = levels[level]?.() as string
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, 'a file')
      await expect(scope.set('key', 'value')).rejects.toMatchObject({
        code: 'IO_ERROR',
        outcome: 'none',
        message: expect.stringContaining(path),
      })
      await expect(scope.get('key')).rejects.toBeInstanceOf(StorageError)
      expect(readFileSync(path, 'utf8')).toBe('a file')
      unlinkSync(path)
      await scope.set('key', 'value')
      expect(await scope.get('key', 'text')).toBe('value')
      await storage.close()
      await checkStore(root, fs)
    },
  )

  test.each(Object.keys(levels))(
    '%s folder becomes a file while the store is open: an error says so',
    async (level) => {
      const path = levels[level]?.() as string
      await scope.set('key', 'before')
      renameSync(path, join(folder, 'away'))
      writeFileSync(path, 'a file')
      const start = performance.now()
      await expect(scope.set('key', 'value')).rejects.toMatchObject({
        code: 'IO_ERROR',
        outcome: 'none',
        message: expect.stringContaining(path),
      })
      expect(performance.now() - start).toBeLessThan(SOON_MS)
      expect(readFileSync(path, 'utf8')).toBe('a file')
      unlinkSync(path)
      renameSync(join(folder, 'away'), path)
      expect(await scope.get('key', 'text')).toBe('before')
      await scope.set('key', 'value')
      expect(await scope.get('key', 'text')).toBe('value')
      await storage.close()
      await checkStore(root, fs)
    },
  )
})

describe('edits by hand', () => {
  test('are seen at once by get, has, entry and keys, and change the version', async () => {
    const versions = new Set([await scope.set('a', 'set')])
    const seen = async (keys: Record<string, string>): Promise<void> => {
      expect(await scope.keys()).toEqual(Object.keys(keys).sort())
      for (const [key, text] of Object.entries(keys)) expect(await scope.get(key, 'text')).toBe(text)
      for (const key of ['a', 'b', 'c']) expect(await scope.has(key)).toBe(key in keys)
    }
    const file = (name: string): string => join(scope.path, name)
    writeFileSync(file('a'), 'by hand')
    await seen({ a: 'by hand' })
    versions.add((await scope.entry('a'))?.version as string)
    cpSync(file('a'), file('b'))
    await seen({ a: 'by hand', b: 'by hand' })
    await scope.set('a', 'set again')
    versions.add((await scope.entry('a'))?.version as string)
    renameSync(file('b'), file('a'))
    await seen({ a: 'by hand' })
    versions.add((await scope.entry('a'))?.version as string)
    execFileSync('sh', ['-c', 'cp a b && mv b c && echo long >> c && cp c a'], { cwd: scope.path })
    await seen({ a: 'by handlong\n', c: 'by handlong\n' })
    versions.add((await scope.entry('a'))?.version as string)
    execFileSync('rm', ['a'], { cwd: scope.path })
    await seen({ c: 'by handlong\n' })
    expect(await scope.delete('a')).toBe(false)
    writeFileSync(file('a'), 'back')
    expect(await scope.delete('a')).toBe(true)
    unlinkSync(file('c'))
    await seen({})
    await scope.set('c', 'set')
    await seen({ c: 'set' })
    expect(versions.size).toBe(5)
    await storage.close()
    await checkStore(root, fs)
  })

  test('in folders that nobody set anything in are seen at once too', async () => {
    const other = storage.workspace('Other').plugin('New').storage
    mkdirSync(other.path, { recursive: true })
    writeFileSync(join(other.path, 'key'), 'by hand')
    expect(await other.get('key', 'text')).toBe('by hand')
    expect(await other.keys()).toEqual(['key'])
    expect(await storage.workspaces()).toEqual(['Other'])
    expect(await storage.workspace('Other').plugins()).toEqual(['New'])
    await other.set('key', 'set')
    await storage.close()
    expect(readFileSync(join(other.path, 'key'), 'utf8')).toBe('set')
    await checkStore(root, fs)
  })

  test('stay through a close and an opening', async () => {
    await scope.set('edited', 'set')
    await scope.set('removed', 'set')
    writeFileSync(join(scope.path, 'edited'), 'by hand')
    writeFileSync(join(scope.path, 'added'), 'by hand')
    unlinkSync(join(scope.path, 'removed'))
    await storage.close()
    storage = await openStorage(root)
    const again = storage.workspace().plugin('plugin').storage
    expect(await again.keys()).toEqual(['added', 'edited'])
    expect(await again.get('edited', 'text')).toBe('by hand')
    await storage.close()
    await checkStore(root, fs)
  })
})

describe('permission bits', () => {
  test.each([10, 100_000])(
    'a replaced file of %i bytes keeps its mode, new ones are for the owner alone',
    async (size) => {
      const modes = [0o640, 0o666, 0o600, 0o400, 0o755]
      for (const mode of modes) {
        const key = mode.toString(8)
        await scope.set(key, Buffer.alloc(size, 'a'))
        expect(modeOf(join(scope.path, key))).toBe(0o600)
        chmodSync(join(scope.path, key), mode)
        await scope.set(key, Buffer.alloc(size, 'b'))
        expect(modeOf(join(scope.path, key)).toString(8)).toBe(key)
      }
      for (const path of [scope.path, dirname(scope.path), dirname(dirname(scope.path)), root]) {
        expect(modeOf(path), path).toBe(0o700)
      }
      await storage.close()
      await checkStore(root, fs)
    },
  )

  test('the options fileMode and folderMode change both, before the umask', async () => {
    const other = join(folder, 'parent', 'other')
    const open = await openStorage(other, { fileMode: 0o666, folderMode: 0o777 })
    const { storage: own } = open.workspace().plugin('plugin')
    await own.set('small', 'value')
    await own.set('large', Buffer.alloc(100_000))
    await open.close()
    const allowed = ~process.umask()
    for (const name of ['small', 'large']) expect(modeOf(join(own.path, name))).toBe(0o666 & allowed)
    for (let path = own.path; path !== folder; path = dirname(path))
      expect(modeOf(path)).toBe(0o777 & allowed)
    expect(modeOf(join(other, '.plainkeep'))).toBe(0o777 & allowed)
    await checkStore(other, fs)
  })
})

describe('names that want to get out', () => {
  const parts = [
    '..',
    '.',
    '/',
    '\\',
    '\0',
    '~',
    '%2e',
    '%2F',
    '%',
    'C:',
    ':',
    '.plainkeep',
    'shared',
    'plugins',
  ]
  const others = [
    'con',
    'A',
    'é',
    'e\u0301',
    'ﬁ',
    '\u202e',
    '．',
    '／',
    '😀',
    '\n',
    ' ',
    'etc',
    'w0',
    '*',
    '\ud800',
  ]
  const nasty = fc
    .array(fc.constantFrom(...parts, ...others), { minLength: 1, maxLength: 6 })
    .map((pieces) => pieces.join(''))
  const name = fc.oneof(nasty, fc.string({ unit: 'binary', maxLength: 80 }), fc.string({ maxLength: 260 }))

  test('whatever names are accepted, the folder and the file lie inside the store and not in its control folder', async () => {
    let tried = 0
    let accepted = 0
    const control = listTree(join(root, '.plainkeep')).filter((line) => line.startsWith('format'))
    await fc.assert(
      fc.asyncProperty(name, fc.option(name), name, async (workspace, plugin, key) => {
        tried += 1
        const value = `value ${tried}`
        const target = nameScope(workspace, plugin)
        if (target === undefined || !(await trySet(target, key, value))) return
        accepted += 1
        const files = readdirSync(target.path).filter(
          (file) => readFileSync(join(target.path, file), 'utf8') === value,
        )
        expect(files).toHaveLength(1)
        expectInside(target.path)
        expectInside(join(target.path, files[0] as string))
        expect(await target.get(key, 'text')).toBe(value)
        expect(await target.keys()).toContain(key)
        expect(readdirSync(folder)).toEqual(['store'])
      }),
      { numRuns: 300 },
    )
    expect(accepted).toBeGreaterThan(100)
    expect(listTree(join(root, '.plainkeep')).filter((line) => line.startsWith('format'))).toEqual(control)
    await storage.close()
    await checkStore(root, fs)
  }, 60_000)

  function nameScope(workspace: string, plugin: string | null): Scope | undefined {
    return refusable(() => {
      const named = storage.workspace(workspace)
      const target = plugin === null ? named.shared : named.plugin(plugin).storage
      expectInside(target.path)
      return target
    })
  }

  async function trySet(target: Scope, key: string, value: string): Promise<boolean> {
    try {
      await target.set(key, value)
      return true
    } catch (error) {
      return (
        refusable(() => {
          throw error
        }) !== undefined
      )
    }
  }
})

/** What a call gives, or undefined if it refuses a name. */
function refusable<T>(call: () => T): T | undefined {
  try {
    return call()
  } catch (error) {
    expect(error).toBeInstanceOf(StorageError)
    expect(['INVALID_KEY', 'KEY_TOO_LONG']).toContain((error as StorageError).code)
    return undefined
  }
}

/** A path is strictly inside the store by its name, and so is what is there; and not in the store's own folder. */
function expectInside(path: string): void {
  for (const found of [path, existsSync(path) ? realpathSync(path) : path]) {
    const steps = relative(root, found).split(sep)
    expect(steps.length).toBeGreaterThan(1)
    expect(steps).not.toContain('..')
    expect(steps).not.toContain('')
    expect(steps[0]?.toLowerCase()).not.toBe('.plainkeep')
    expect(join(root, ...steps)).toBe(found)
  }
}

async function readEntryKeys(from: Scope): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of from.entries()) keys.push(key)
  return keys
}

function listenAt(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(path, () => resolve(server))
  })
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
}

function modeOf(path: string): number {
  return statSync(path).mode & 0o7777
}

/** Everything about a name that a careless store would change. */
function describeFile(path: string): string {
  const { ino, mode, mtimeMs, size } = lstatSync(path)
  return [ino, mode, mtimeMs, size].join(' ')
}

/** Every path with its kind, time and bytes. */
function listTree(path: string): string[] {
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const stat = lstatSync(join(path, name))
      return `${name} ${stat.mode} ${stat.mtimeMs} ${stat.isFile() ? readFileSync(join(path, name), 'utf8') : ''}`
    })
}
