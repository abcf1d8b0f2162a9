/** Conditions beside people who edit the files by hand. */

import { execFileSync } from 'node:child_process'
import fs, { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
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
  await new Promise((resolve) => setTimeout(resolve, 1500))
  await expect(scope.set('c', 'x')).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' })
})

test('a scope is not counted for every write', async () => {
  let listings = 0
  const counting = {
    ...fs,
    readdir: (...args: Parameters<typeof fs.readdir>) => {
      listings += String(args[0]).endsWith('/shared') ? 1 : 0
      return fs.readdir(...args)
    },
  } as unknown as typeof fs
  storage = await openStorage(root, { fs: counting, limits: { keysPerScope: 1000 } })
  const scope = storage.workspace().shared
  for (let index = 0; index < 200; index += 1) await scope.set(`key${index % 50}`, 'x')
  expect(listings).toBeLessThan(20)
})
