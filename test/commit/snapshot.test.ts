/** Snapshots at the level of the engine: what is in them, whoever writes when, and what dead processes leave of them. */

import { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { ScopeId } from '../../lib/base/scope-id.js'
import type { Snapshot } from '../../lib/commit/engine.js'
import type { DiskCall } from '../setup/staged-disk.js'
import { type Machine, makeMachine, SCOPE, type StoreProcess } from '../setup/store-process.js'

const PLUGIN: ScopeId = { workspace: 'default', plugin: 'p' }

async function start(): Promise<{ machine: Machine; taker: StoreProcess; writer: StoreProcess }> {
  const machine = makeMachine()
  return { machine, taker: await machine.start().open(), writer: await machine.start().open() }
}

/** The values of a snapshot by scope and key; it is closed. */
async function readAll(snapshot: Snapshot): Promise<Record<string, string>> {
  const values: Record<string, string> = {}
  for (const { scope, values: held } of snapshot.scopes) {
    for (const value of held) {
      const reader = await snapshot.open(value)
      const bytes = Buffer.from(await reader.read(0, reader.size))
      reader.close()
      values[`${scope.plugin ?? 'shared'} ${value.key}`] = bytes.toString()
    }
  }
  await snapshot.close()
  return values
}

function setIn(process: StoreProcess, scope: ScopeId, key: string, value: string): Promise<unknown> {
  return process.engine.commit({ changes: [{ scope, key, value: Buffer.from(value) }] })
}

/** Runs something once, before the first call of the process that is meant. */
function before(
  process: StoreProcess,
  isMeant: (call: DiskCall) => boolean,
  body: () => Promise<unknown>,
): void {
  let isDone = false
  process.disk.intercept = async (call, perform) => {
    if (!isDone && isMeant(call)) {
      isDone = true
      await body()
    }
    return perform()
  }
}

const isLinking = ({ operation, paths }: DiskCall): boolean =>
  operation === 'link' && /\/b[0-9a-f]{24}\/l/.test(paths[1] ?? '')

/** Waits until folders that were just changed are older than a tick of the clock. */
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50))

const leftovers = (machine: Machine): string[] =>
  readdirSync(machine.layout.control).filter((name) => name.startsWith('b'))

test('what others change while links are made is in the snapshot, and what they change later is not', async () => {
  const { machine, taker, writer } = await start()
  await writer.commit({ a: 'old', b: 'old', gone: 'old' })
  await setIn(writer, PLUGIN, 'still', 'old')
  await settle()
  before(taker, isLinking, async () => {
    await writer.commit({ b: 'new', gone: undefined, added: 'new' })
    await setIn(writer, { workspace: 'another' }, 'c', 'new')
  })
  const snapshot = await taker.engine.snapshot({})
  await writer.commit({ a: 'later', b: undefined, added: 'later', more: 'later' })
  expect(snapshot.revision).toBe(4)
  expect(await readAll(snapshot)).toEqual({
    'shared a': 'old',
    'shared b': 'new',
    'shared added': 'new',
    'shared c': 'new',
    'p still': 'old',
  })
  expect(leftovers(machine)).toEqual([])
  await Promise.all([taker.close(), writer.close()])
})

test('others write while links are made, and while values are read', async () => {
  const { taker, writer } = await start()
  await writer.set('a', 'old')
  let written = 0
  before(taker, isLinking, async () => {
    for (; written < 5; written += 1) await writer.set('a', `new ${written}`)
  })
  const snapshot = await taker.engine.snapshot({})
  expect(written).toBe(5)
  await writer.set('a', 'later')
  expect(await readAll(snapshot)).toEqual({ 'shared a': 'new 4' })
  await Promise.all([taker.close(), writer.close()])
})

test('a process that takes the store over in the midst of it is in the snapshot whole or not at all', async () => {
  const { machine, taker, writer } = await start()
  await writer.commit({ a: '1', z: '1' })
  await writer.close()
  const thief = await machine.start().open()
  let isAhead = true
  const isLastLook = ({ operation, paths }: DiskCall): boolean => {
    if (isAhead && operation === 'link' && paths[1]?.endsWith('/l2') === true) {
      isAhead = false
      utimesSync(machine.layout.scopePath(SCOPE), 1, 1) // it does not stand still, so it is looked at again
    }
    return !isAhead && operation === 'stat' && paths[0]?.endsWith('/shared/z') === true
  }
  before(taker, isLastLook, async () => {
    machine.lockState = () => 'stale'
    await thief.commit({ a: '2', z: '2' })
    machine.lockState = () => undefined
    await thief.close()
  })
  await settle()
  expect(await readAll(await taker.engine.snapshot({}))).toEqual({ 'shared a': '2', 'shared z': '2' })
  await taker.close()
})

test('scopes that stand still are not listed while the store is kept from others', async () => {
  const { taker } = await start()
  await taker.set('a', 'value')
  await setIn(taker, PLUGIN, 'b', 'value')
  await settle()
  before(taker, isLinking, () => setIn(taker, PLUGIN, 'c', 'value'))
  taker.disk.log.length = 0
  const snapshot = await taker.engine.snapshot({})
  const listings = taker.disk.log.filter((line) => line.startsWith('listKind'))
  const count = (name: string): number => listings.filter((line) => line.endsWith(name)).length
  expect([count('/default/shared'), count('/plugins/p')]).toEqual([1, 2])
  expect(Object.keys(await readAll(snapshot))).toEqual(['shared a', 'p b', 'p c'])
  await taker.close()
})

test('a snapshot that is aborted or fails rejects, and leaves nothing', async () => {
  const { machine, taker } = await start()
  await taker.commit({ a: 'value', b: 'value' })
  const controller = new AbortController()
  const reason = new Error('enough')
  before(taker, isLinking, async () => controller.abort(reason))
  await expect(taker.engine.snapshot({ signal: controller.signal })).rejects.toBe(reason)
  before(taker, isLinking, () => Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' })))
  await expect(taker.engine.snapshot({})).rejects.toMatchObject({ code: 'DISK_FULL' })
  taker.disk.intercept = undefined
  expect(leftovers(machine)).toEqual([])
  expect(await readAll(await taker.engine.snapshot({}))).toEqual({ 'shared a': 'value', 'shared b': 'value' })
  await taker.close()
})

test('what a dead process leaves of a snapshot is removed by the next who opens the store, that of a live one is not', async () => {
  const { machine, taker, writer } = await start()
  await taker.set('a', 'value')
  await taker.engine.snapshot({})
  const [left] = leftovers(machine)
  await (await machine.start().open()).close()
  expect(leftovers(machine)).toEqual([left])
  expect((await writer.engine.check()).counts).toEqual({})
  taker.crash()
  const { findings } = await writer.engine.check()
  expect(findings).toContainEqual(expect.objectContaining({ kind: 'leftover', path: `.plainkeep/${left}` }))
  await (await machine.start().open()).close()
  expect(leftovers(machine)).toEqual([])
  expect((await writer.engine.check()).counts).toEqual({})
  await writer.close()
})

test('one whose maker cannot be looked up is removed after an hour without a change, one without a record soon', async () => {
  const { machine, taker } = await start()
  Object.assign(taker.site.host, { isAlive: () => undefined })
  const makeFolder = (digit: string, ageMs: number, hasRecord: boolean): string => {
    const name = `b${digit.repeat(24)}`
    const path = join(machine.layout.control, name)
    mkdirSync(path)
    writeFileSync(join(path, 'l1'), 'value')
    const record = { folder: name, owner: { ...taker.site.host.identity, boot: 'another', pid: 1 } }
    if (hasRecord) writeFileSync(join(path, 'record'), JSON.stringify(record))
    const time = new Date(Date.now() - ageMs)
    utimesSync(path, time, time)
    return name
  }
  const fresh = [makeFolder('a', 0, true), makeFolder('b', 50 * 60_000, true), makeFolder('c', 0, false)]
  makeFolder('d', 61 * 60_000, true)
  makeFolder('e', 10_000, false)
  await (await taker.engine.snapshot({})).close()
  expect(leftovers(machine).sort()).toEqual(fresh)
  await taker.close()
})

test('a value that was taken away by hand is an error, not another value', async () => {
  const { machine, taker } = await start()
  await taker.set('a', 'value')
  const snapshot = await taker.engine.snapshot({})
  const [name] = leftovers(machine)
  const [value] = snapshot.scopes[0]?.values ?? []
  if (value === undefined || name === undefined) throw new Error('The snapshot holds nothing.')
  await snapshot.drop(value)
  await expect(snapshot.open(value)).rejects.toMatchObject({ code: 'IO_ERROR', key: 'a' })
  await snapshot.close()
  await taker.close()
})
