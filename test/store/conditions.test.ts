/** Conditions beside people who edit the files by hand. */

import { execFileSync } from 'node:child_process'
import fs, { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ConflictError, openStorage, type Scope, type Storage, type StorageLimits } from '../../lib/index.js'
import { checkStore } from '../setup/check-store.js'

let root: string
let storage: Storage

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'plainkeep-conditions-'))
})

afterEach(async () => {
  await storage.close()
  await checkStore(root, fs)
  rmSync(root, { recursive: true, force: true })
})

async function openScope(limits?: StorageLimits): Promise<Scope> {
  storage = await openStorage(root, { limits })
  return storage.workspace().shared
}

const shell = (scope: Scope, script: string): unknown =>
  execFileSync('sh', ['-ec', script], { cwd: scope.path })

test.each([
  ['echo over it', 'echo five > key'],
  ['the same bytes again', 'printf value > key'],
  ['an append', 'echo more >> key'],
  ["an editor's save", 'cp key ../key.new && echo six >> ../key.new && mv ../key.new key'],
  ['mv of another file', 'echo other > ../other && mv ../other key'],
  ['rm and the same anew', 'rm key && printf value > key'],
  ['mv away and cp back', 'mv key ../key.old && cp ../key.old key && rm ../key.old'],
  ['touch', 'touch key'],
])('an edit by hand is a conflict: %s', async (_, script) => {
  const scope = await openScope()
  const version = await scope.set('key', 'value')
  shell(scope, script)
  const present = (await scope.entry('key'))?.version
  expect(present).not.toBe(version)
  await expect(scope.set('key', 'mine', { ifVersion: version })).rejects.toThrow(ConflictError)
  await expect(scope.delete('key', { ifVersion: version })).rejects.toMatchObject({ version: present })
  await scope.set('key', 'mine', { ifVersion: present })
})

test('a file that somebody made is a conflict for who wants none, and one that is gone for who wants a version', async () => {
  const scope = await openScope()
  const version = await scope.set('key', 'value')
  shell(scope, 'rm key && echo theirs > other')
  await expect(scope.set('key', 'mine', { ifVersion: version })).rejects.toMatchObject({ version: undefined })
  await scope.set('key', 'mine', { ifAbsent: true })
  const theirs = (await scope.entry('other'))?.version
  await expect(scope.set('other', 'mine', { ifAbsent: true })).rejects.toMatchObject({ version: theirs })
  await scope.set('other', 'mine', { ifVersion: theirs })
})

test('a chmod is no edit', async () => {
  const scope = await openScope()
  const version = await scope.set('key', 'value')
  shell(scope, 'chmod 640 key')
  await scope.set('key', 'mine', { ifVersion: version })
})

test('an update runs again when its value is edited by hand meanwhile', async () => {
  const scope = await openScope()
  await scope.set('count', 1, { codec: 'json' })
  const seen: unknown[] = []
  const add = (count: unknown): number => {
    seen.push(count)
    if (seen.length === 1) writeFileSync(join(scope.path, 'count'), '10')
    return Number(count) + 1
  }
  expect(await scope.update('count', add, { codec: 'json' })).toBe(11)
  expect(seen).toEqual([1, 10])
})

test('files made, replaced and removed by hand count towards the limits at once', async () => {
  const scope = await openScope({ keysPerScope: 3, bytesPerScope: 100 })
  await scope.set('a', 'x')
  shell(scope, 'echo 1 > b; echo 2 > c')
  await expect(scope.set('d', 'x')).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' })
  shell(scope, 'rm b')
  await scope.set('d', 'x')
  shell(scope, 'head -c 98 /dev/zero > ../big; mv ../big c')
  await expect(scope.set('a', 'xx')).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' })
})

test('a file that shrank in place makes room at once, and one that grew counts within seconds', async () => {
  const scope = await openScope({ bytesPerScope: 100 })
  await scope.set('a', 'x'.repeat(90))
  shell(scope, 'echo 1 > a')
  await scope.set('b', 'x'.repeat(90))
  shell(scope, 'head -c 50 /dev/zero >> a')
  let refused: unknown
  for (let size = 1; refused === undefined && size < 40; size += 1) {
    await new Promise((resolve) => setTimeout(resolve, 500))
    await scope.set('b', 'x'.repeat(50 + size)).catch((error: unknown) => {
      refused = error
    })
    await scope.set('b', 'x')
  }
  expect(refused).toMatchObject({ code: 'QUOTA_EXCEEDED' })
})

describe('a limited scope is not counted for every write', () => {
  /** Calls of node:fs on paths below a scope, and listings of it. */
  let calls = { all: 0, listings: 0 }

  const counting = Object.fromEntries(
    Object.entries(fs).map(([name, value]) => [
      name,
      typeof value !== 'function'
        ? value
        : (...args: unknown[]) => {
            const isScope = String(args[0]).includes('/default/shared')
            calls.all += isScope ? 1 : 0
            calls.listings += isScope && name.startsWith('readdir') ? 1 : 0
            return Reflect.apply(value, fs, args)
          },
    ]),
  ) as unknown as typeof fs

  /** What 100 writes to a scope of so many keys call, each by itself; `each` is run before each. */
  async function countCalls(keys: number, each = (_: Scope): unknown => undefined): Promise<typeof calls> {
    storage = await openStorage(root, { fs: counting, limits: { keysPerScope: 10_000, bytesPerScope: 1e6 } })
    const scope = storage.workspace().shared
    await scope.transaction(async (own) => {
      for (let index = 0; index < keys; index += 1) await own.set(`key${index}`, 'x')
    })
    await scope.set('first', 'x')
    calls = { all: 0, listings: 0 }
    for (let index = 0; index < 100; index += 1) {
      each(scope)
      await scope.set(`key${index % 20}`, `${index}`)
    }
    await storage.close()
    return calls
  }

  test('a write calls the disk no more often in a scope of 1,000 keys than in one of 20', async () => {
    const small = await countCalls(20)
    rmSync(root, { recursive: true })
    const large = await countCalls(1000)
    expect(small.listings).toBeLessThan(10)
    expect(large.listings).toBeLessThan(10)
    // A count that is renewed, since a second has passed, looks at every key once.
    expect(large.all - 1000 * large.listings).toBeLessThan(small.all + 200)
  })

  test('but it is after each edit by hand, since whatever may have been done', async () => {
    let edits = 0
    const edit = (scope: Scope): void => {
      edits += 1
      writeFileSync(join(scope.path, 'by-hand'), `${edits}`)
      if (edits % 2 === 0) rmSync(join(scope.path, 'by-hand'))
    }
    expect((await countCalls(20, edit)).listings).toBeGreaterThan(90)
  })
})
