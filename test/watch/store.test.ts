/** Watching all scopes of a store: those that are there, and those that come and go. */

import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFsFromVolume, Volume } from 'memfs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type FileSystem, openStorage, type Storage } from '../../lib/index.js'
import { Child } from '../processes/child.js'
import { checkStore } from '../setup/check-store.js'
import { WatchLog } from './log.js'

let root: string
let fileSystem: FileSystem
let storage: Storage

async function open(place: string): Promise<void> {
  root = place === 'memory' ? '/store' : fs.mkdtempSync(join(tmpdir(), 'plainkeep-all-'))
  fileSystem = place === 'memory' ? (createFsFromVolume(new Volume()) as unknown as FileSystem) : fs
  storage = await openStorage(root, { fs: fileSystem })
}

afterEach(async () => {
  await storage.close()
  await checkStore(root, fileSystem as unknown as FileSystem)
  if (root !== '/store') fs.rmSync(root, { recursive: true, force: true })
})

/** The changes with their scopes, such as `default/clock set time local`. */
function linesOf({ changes }: WatchLog): string[] {
  return changes.map(({ scope, type, key, source }) =>
    [`${scope.workspace}/${scope.plugin ?? ''}`, type, key, source].join(' '),
  )
}

async function watching(...options: Parameters<Storage['watch']>): Promise<WatchLog> {
  const log = new WatchLog(storage.watch(...options))
  await log.watcher.ready
  return log
}

describe.each(['a real filesystem', 'memory'])('in %s', (place) => {
  beforeEach(() => open(place))

  test('a change carries its workspace and its plugin', async () => {
    await storage.workspace().plugin('clock').storage.set('old', '1')
    const log = await watching()
    await storage.workspace().plugin('clock').storage.set('time', '1')
    await storage.workspace().plugin('clock').workspace.set('shared', '1')
    await storage.workspace('two').shared.set('host', '1')
    await log.until(({ changes }) => changes.length === 3)
    expect(log.changes.map(({ scope, by }) => ({ ...scope, by }))).toEqual([
      { workspace: 'default', plugin: 'clock', by: 'clock' },
      { workspace: 'default', by: 'clock' },
      { workspace: 'two', by: undefined },
    ])
  })

  test('one commit in several scopes is told as one', async () => {
    const log = await watching()
    const scopes = [
      storage.workspace().shared,
      storage.workspace().plugin('a').storage,
      storage.workspace('two').shared,
    ]
    await storage.transaction(async (tx) => {
      for (const scope of scopes) await tx.scope(scope).set('key', '1')
    })
    await log.until(({ changes }) => changes.length === 3)
    expect(log.changes.map(({ commit }) => commit)).toEqual([0, 1, 2].map((index) => ({ index, size: 3 })))
    expect(new Set(log.changes.map(({ revision }) => revision)).size).toBe(1)
  })

  test('`initial` gives what is in all scopes', async () => {
    await storage.workspace().shared.set('a', '1')
    await storage.workspace('two').plugin('p').storage.set('b', '1')
    const log = await watching({ initial: true })
    expect(linesOf(log).sort()).toEqual(['default/ set a initial', 'two/p set b initial'])
    await storage.workspace('three').plugin('q').storage.set('c', '1')
    await log.until(({ changes }) => changes.length === 3)
    expect(linesOf(log).at(-1)).toBe('three/q set c local')
  })

  test('scopes that are made by hand are found, and what is in them is told', async () => {
    const files = fileSystem as unknown as typeof fs
    const log = await watching()
    files.mkdirSync(join(root, 'mine', 'plugins', 'hand'), { recursive: true })
    files.writeFileSync(join(root, 'mine', 'plugins', 'hand', 'a'), '1')
    files.mkdirSync(join(root, 'mine', 'shared'))
    files.writeFileSync(join(root, 'mine', 'shared', 'b'), '1')
    await log.until(({ changes }) => changes.length === 2)
    expect(linesOf(log).sort()).toEqual(['mine/ set b external', 'mine/hand set a external'])
    files.writeFileSync(join(root, 'mine', 'plugins', 'hand', 'a'), '22')
    await log.until(({ changes }) => changes.length === 3)
    expect(await storage.workspace('mine').plugins()).toEqual(['hand'])
    expect(log.reasons).toEqual([])
  })

  test('a scope that is removed and comes again is told of', async () => {
    const files = fileSystem as unknown as typeof fs
    const scope = storage.workspace().plugin('gone').storage
    await scope.set('key', '1')
    const log = await watching()
    files.rmSync(join(root, 'default', 'plugins'), { recursive: true })
    await log.told('delete key external')
    await scope.set('key', '2')
    await log.told('set key local')
    files.writeFileSync(join(scope.path, 'hand'), '1')
    await log.told('set hand external')
    await log.until(({ reasons }) => reasons.includes('folder'))
  })

  test('`plugins` and `workspaces` are as the folders are, whoever makes and removes them', async () => {
    const files = fileSystem as unknown as typeof fs
    const workspace = storage.workspace()
    expect([await storage.workspaces(), await workspace.plugins()]).toEqual([[], []])
    await workspace.plugin('commit').storage.set('key', '1')
    files.mkdirSync(join(root, 'default', 'plugins', 'hand'))
    files.mkdirSync(join(root, 'two'))
    expect([await storage.workspaces(), await workspace.plugins()]).toEqual([
      ['default', 'two'],
      ['commit', 'hand'],
    ])
    files.rmdirSync(join(root, 'default', 'plugins', 'hand'))
    expect(await workspace.plugins()).toEqual(['commit'])
  })
})

test('another process makes scopes: its commits are told, in order, with who wrote', async () => {
  await open('a real filesystem')
  const log = await watching()
  const child = new Child('watch-scopes.js', root)
  await child.done()
  await log.until(({ changes }) => changes.length === 60)
  expect(log.changes.map(({ revision }) => revision)).toEqual(Array.from({ length: 60 }, (_, n) => n + 1))
  expect(linesOf(log)).toEqual(Array.from({ length: 60 }, (_, n) => `w${n % 3}/p${n % 5} set k${n} process`))
  expect(log.changes.every(({ scope, by }) => scope.plugin === by)).toBe(true)
  await log.quiet()
  expect(log.changes).toHaveLength(60)
  expect(log.reasons).toEqual([])
})
