/** The store's own folder in hostile hands: whatever is done to it, no call hangs, lies, or loses what was acknowledged. */

import { execFileSync } from 'node:child_process'
import fs, {
  existsSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  checkStorage,
  type FileSystem,
  openStorage,
  type Scope,
  type Storage,
  StorageError,
} from '../../lib/index.js'
import { Child } from '../processes/child.js'
import { checkStore } from '../setup/check-store.js'

/** Longer than any call takes that does not wait for somebody else. */
const SOON_MS = 5000

let folder: string
let root: string
let storage: Storage
let scope: Scope

beforeEach(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'plainkeep-control-')))
  root = join(folder, 'store')
  storage = await openStorage(root)
  scope = storage.workspace().shared
  await scope.set('key', 'before')
})

afterEach(async () => {
  await storage.close().catch(() => undefined)
  rmSync(folder, { recursive: true, force: true })
})

const control = (name = ''): string => join(root, '.plainkeep', name)

async function reopen(): Promise<void> {
  await storage.close()
  storage = await openStorage(root)
  scope = storage.workspace().shared
}

/** How a promise ends, in time. */
async function settle(call: Promise<unknown>): Promise<StorageError | undefined> {
  const start = performance.now()
  const failure = await call.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(performance.now() - start).toBeLessThan(SOON_MS)
  if (failure !== undefined) expect(failure).toBeInstanceOf(StorageError)
  return failure as StorageError | undefined
}

describe('format.json', () => {
  test('is huge: the store is refused in an instant, without reading it', async () => {
    await storage.close()
    const descriptor = openSync(control('format.json'), 'r+')
    ftruncateSync(descriptor, 40 * 1024 ** 3)
    fs.closeSync(descriptor)
    const before = process.memoryUsage().arrayBuffers
    expect(await settle(openStorage(root))).toMatchObject({ code: 'UNSUPPORTED_FORMAT' })
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10_000_000)
    expect(await checkStorage(root)).toMatchObject({ counts: { 'unsupported-format': 1 } })
    writeFileSync(control('format.json'), '{"format":1}\n')
    ftruncateSync(openSync(control('format.json'), 'r+'), 13)
    await reopen()
    expect(await scope.get('key', 'text')).toBe('before')
    await storage.close()
    await checkStore(root, fs)
  })

  test.each<[string, (path: string) => unknown]>([
    ['a folder', (path) => mkdirSync(path)],
    ['a link to another one', (path) => symlinkSync('other.json', path)],
    ['a link to nothing', (path) => symlinkSync('nothing', path)],
    ['a FIFO', (path) => execFileSync('mkfifo', [path])],
  ])('is %s: an error says so, and it stays', async (_, plant) => {
    await storage.close()
    writeFileSync(control('other.json'), '{"format":2}')
    unlinkSync(control('format.json'))
    plant(control('format.json'))
    const before = lstatSync(control('format.json'))
    expect(await settle(openStorage(root))).toMatchObject({
      code: 'IO_ERROR',
      message: expect.stringContaining('format.json'),
    })
    expect(lstatSync(control('format.json'))).toMatchObject({ ino: before.ino, mode: before.mode })
    expect(readFileSync(control('other.json'), 'utf8')).toBe('{"format":2}')
    rmSync(control('format.json'), { recursive: true })
    unlinkSync(control('other.json'))
    storage = await openStorage(root)
    expect(await storage.workspace().shared.get('key', 'text')).toBe('before')
    await storage.close()
    await checkStore(root, fs)
  })
})

describe('the lock', () => {
  test.each<[string, (path: string) => unknown]>([
    ['a file', (path) => writeFileSync(path, 'locked')],
    ['a link out of the store', (path) => symlinkSync('/etc', path)],
    ['a folder with something in it', (path) => mkdirSync(join(path, 'in'), { recursive: true })],
  ])(
    'is %s: that costs nothing but time, also among processes',
    async (_, plant) => {
      await storage.close()
      plant(control('lock'))
      storage = await openStorage(root)
      scope = storage.workspace().shared
      const child = new Child('writer.js', root, 'child', 40, 'sequence')
      await child.saying('revision')
      for (let number = 0; number < 20; number += 1)
        expect(await settle(scope.set('key', `${number}`))).toBeUndefined()
      await child.done()
      expect(child.lines.filter((line) => 'error' in line)).toEqual([])
      expect(await scope.get('key', 'text')).toBe('19')
      await storage.close()
      rmSync(control('lock'), { recursive: true, force: true })
      expect(existsSync('/etc/passwd')).toBe(true)
      await checkStore(root, fs)
    },
    60_000,
  )
})

describe('.plainkeep, while the store is open,', () => {
  test.each<[string, () => unknown, () => unknown]>([
    [
      'is moved away',
      () => renameSync(control(), join(folder, 'away')),
      () => {
        rmSync(control(), { recursive: true, force: true })
        renameSync(join(folder, 'away'), control())
      },
    ],
    [
      'becomes a file',
      () => {
        renameSync(control(), join(folder, 'away'))
        writeFileSync(join(root, '.plainkeep'), 'a file')
      },
      () => {
        unlinkSync(join(root, '.plainkeep'))
        renameSync(join(folder, 'away'), control())
      },
    ],
    [
      'becomes a link to another folder',
      () => {
        renameSync(control(), join(folder, 'away'))
        mkdirSync(join(folder, 'other'))
        symlinkSync(join(folder, 'other'), join(root, '.plainkeep'))
      },
      () => {
        unlinkSync(join(root, '.plainkeep'))
        renameSync(join(folder, 'away'), control())
      },
    ],
  ])('%s: reads go on, no write lies, and when it is back all goes on', async (_, harm, heal) => {
    harm()
    expect(await scope.get('key', 'text')).toBe('before')
    expect(await scope.keys()).toEqual(['key'])
    const failure = await settle(scope.set('key', 'meanwhile'))
    const present = await scope.get('key', 'text')
    if (failure === undefined) expect(present).toBe('meanwhile')
    else if (failure.outcome === 'none') expect(present).toBe('before')
    heal()
    await reopen()
    if (failure === undefined) expect(await scope.get('key', 'text')).toBe('meanwhile')
    else expect(['before', 'meanwhile']).toContain(await scope.get('key', 'text'))
    expect(await settle(scope.set('key', 'after'))).toBeUndefined()
    expect(await scope.get('key', 'text')).toBe('after')
    await storage.close()
    await checkStore(root, fs)
  })

  test.each<[string, RegExp]>([
    ['the claim', /^c\d+$/],
    ['the work folder', /^w[0-9a-f]{24}$/],
    ['everything but the format', /^(?!format)/],
    ['everything', /./],
  ])('loses %s: no write lies, and the next one works', async (_, names) => {
    for (const name of readdirSync(control()))
      if (names.test(name)) rmSync(control(name), { recursive: true })
    const failure = await settle(scope.set('key', 'meanwhile'))
    if (failure === undefined) expect(await scope.get('key', 'text')).toBe('meanwhile')
    else expect(failure).toMatchObject({ code: 'FENCED', outcome: 'unknown' })
    expect(await settle(scope.set('key', 'after'))).toBeUndefined()
    expect(await settle(scope.set('other', 'after'))).toBeUndefined()
    expect(await scope.get('key', 'text')).toBe('after')
    await storage.close()
    const again = await openStorage(root)
    expect(await again.workspace().shared.get('key', 'text')).toBe('after')
    await again.close()
    await checkStore(root, fs)
  })

  test.each(['c9', 'w0123456789abcdef01234567', 'kept-9', 'f9'])(
    'has something of another kind at %s: no write lies, and without it the next one works',
    async (name) => {
      await reopen()
      if (name.startsWith('w')) writeFileSync(control(name), 'a file')
      else mkdirSync(control(name))
      const failure = await settle(scope.set('key', 'meanwhile'))
      if (failure === undefined) expect(await scope.get('key', 'text')).toBe('meanwhile')
      else expect(failure).toMatchObject({ outcome: 'none' })
      if (existsSync(control(name))) rmSync(control(name), { recursive: true })
      expect(await settle(scope.set('key', 'after'))).toBeUndefined()
      expect(await scope.get('key', 'text')).toBe('after')
      await storage.close()
      await checkStore(root, fs)
    },
  )

  test('every write failed with IO_ERROR: a file that is called like a work folder is left alone', async () => {
    await storage.close()
    const names = [`w${'0'.repeat(24)}`, `w${'1'.repeat(24)}.s7`]
    for (const name of names) writeFileSync(control(name), 'a file')
    storage = await openStorage(root)
    expect(await settle(storage.workspace().shared.set('key', 'after'))).toBeUndefined()
    await storage.close()
    for (const name of names) {
      expect(readFileSync(control(name), 'utf8')).toBe('a file')
      unlinkSync(control(name))
    }
    await checkStore(root, fs)
  })

  test('names that would be numbers, but are none, mean nothing', async () => {
    const odd = [
      'c0',
      'c01',
      'c-1',
      'c1e3',
      'C9',
      'f',
      `c${'9'.repeat(16)}`,
      'kept-',
      'kept--1',
      'w123',
      `w${'A'.repeat(24)}`,
    ]
    for (const name of odd) writeFileSync(control(name), 'odd')
    expect(await settle(scope.set('key', 'after'))).toBeUndefined()
    await reopen()
    expect(await settle(scope.set('key', 'later'))).toBeUndefined()
    for (const name of odd) {
      expect(readFileSync(control(name), 'utf8'), name).toBe('odd')
      unlinkSync(control(name))
    }
    await storage.close()
    await checkStore(root, fs)
  })

  test('a claim of the highest number there is stops no one for ever', async () => {
    await storage.close()
    const claim = readFileSync(control('c1'))
    writeFileSync(control(`c${'9'.repeat(15)}`), claim)
    storage = await openStorage(root)
    const failure = await settle(storage.workspace().shared.set('key', 'after'))
    if (failure === undefined) expect(await storage.workspace().shared.get('key', 'text')).toBe('after')
    else expect(failure).toMatchObject({ outcome: 'none' })
  })
})

describe('a scope whose folder cannot be written to, while the store is open,', () => {
  /** As if somebody had taken the right to write away; root cannot take it from itself. */
  function denying(isDenied: () => boolean): FileSystem {
    const deny = (): never => {
      throw Object.assign(new Error('EACCES: injected'), { code: 'EACCES' })
    }
    const isThere = (path: unknown): boolean => isDenied() && String(path).includes('/default/shared')
    return {
      ...fs,
      accessSync: (path: string, mode: number) => (isThere(path) ? deny() : fs.accessSync(path, mode)),
      renameSync: (from: string, to: string) =>
        isThere(from) || isThere(to) ? deny() : fs.renameSync(from, to),
      openSync: (path: string, flags: number, mode?: number) =>
        isThere(path) && (flags & fs.constants.O_CREAT) !== 0 ? deny() : fs.openSync(path, flags, mode),
    } as FileSystem
  }

  test('refuses writes with ACCESS_DENIED, reads on, and hinders no other scope', async () => {
    await storage.close()
    let isDenied = false
    storage = await openStorage(root, { fs: denying(() => isDenied) })
    const { shared } = storage.workspace()
    const other = storage.workspace('other').shared
    await shared.set('key', 'written')
    isDenied = true
    const calls: Promise<unknown>[] = [
      shared.set('key', 'refused'),
      shared.set('large', Buffer.alloc(100_000)),
      shared.delete('key'),
      shared.clear(),
      shared.update('key', () => 'refused'),
      storage.transaction(async (tx) => {
        await tx.scope(other).set('half', 'of a commit')
        await tx.scope(shared).set('key', 'refused')
      }),
    ]
    for (const call of calls)
      expect(await settle(call)).toMatchObject({ code: 'ACCESS_DENIED', outcome: 'none', kind: 'disk' })
    expect(await settle(other.set('key', 'written'))).toBeUndefined()
    expect(await shared.get('key', 'text')).toBe('written')
    expect(await other.keys()).toEqual(['key'])
    isDenied = false
    expect(await settle(shared.set('key', 'again'))).toBeUndefined()
    expect(await shared.get('key', 'text')).toBe('again')
    await storage.close()
    await checkStore(root, fs)
  })
})

describe('a value that may not be read', () => {
  test.each(['EACCES', 'EIO', 'EMFILE'])(
    '(%s) is no missing key, is listed, can be replaced, and hinders no other',
    async (code) => {
      await storage.close()
      const openSync = ((path: string, flags: number, mode?: number) => {
        if (path.endsWith('/secret') && !isReplaced)
          throw Object.assign(new Error(`${code}: injected`), { code })
        return fs.openSync(path, flags, mode)
      }) as FileSystem['openSync']
      let isReplaced = true
      storage = await openStorage(root, { fs: { ...fs, openSync } })
      const { shared } = storage.workspace()
      await shared.set('secret', 'secret')
      isReplaced = false
      const wanted = { code: code === 'EACCES' ? 'ACCESS_DENIED' : 'IO_ERROR', key: 'secret' }
      expect(await settle(shared.get('secret'))).toMatchObject(wanted)
      expect(await settle(shared.find('secret'))).toMatchObject(wanted)
      expect(await settle(shared.entry('secret'))).toMatchObject(wanted)
      expect(await shared.keys()).toEqual(['key', 'secret'])
      expect(await shared.has('secret')).toBe(true)
      expect(await shared.get('key', 'text')).toBe('before')
      expect(await settle(shared.set('secret', 'public'))).toBeUndefined()
      isReplaced = true
      expect(await shared.get('secret', 'text')).toBe('public')
      await storage.close()
      await checkStore(root, fs)
    },
  )
})

test('an empty folder in place of the store, while it is open, is refilled by writes', async () => {
  await scope.set('other', 'before')
  rmSync(root, { recursive: true })
  mkdirSync(root, { mode: 0o700 })
  expect(await scope.keys()).toEqual([])
  await settle(scope.set('key', 'first'))
  const failure = await settle(scope.set('key', 'second'))
  if (failure === undefined) expect(await scope.get('key', 'text')).toBe('second')
  await storage.close().catch(() => undefined)
  storage = await openStorage(root)
  expect(await settle(storage.workspace().shared.set('key', 'third'))).toBeUndefined()
  expect(await storage.workspace().shared.get('key', 'text')).toBe('third')
  await storage.close()
  await checkStore(root, fs)
})
