/** Watching a document: what is given of it, and what is not. */

import fs, { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { openStorage, type Scope, type Storage } from '../../lib/index.js'
import { checkStore } from '../setup/check-store.js'
import { sleep } from '../watch/log.js'

const DEFAULTS = { port: 80, tls: { on: false } }

let root: string
let storage: Storage
let scope: Scope

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'plainkeep-document-'))
  storage = await openStorage(root)
  scope = storage.workspace().plugin('server').storage
  await scope.set('other', '1')
})

afterEach(async () => {
  await storage.close()
  await checkStore(root, fs)
  rmSync(root, { recursive: true, force: true })
})

const editSettings = (text: string): void => writeFileSync(join(scope.path, 'settings'), text)
const schema = z.object({ port: z.number(), tls: z.object({ on: z.boolean() }) })

test('an edit by hand gives the object with its defaults, and changes of other keys give nothing', async () => {
  const watcher = scope.document('settings', { schema, defaults: DEFAULTS }).watch()
  await watcher.ready
  await scope.set('other', '2')
  editSettings('{"tls":{"on":true}}')
  expect((await watcher.next()).value).toEqual({ port: 80, tls: { on: true } })
  const next = watcher.next()
  await watcher.close()
  expect(await next).toEqual({ done: true, value: undefined })
})

test('of changes that nobody took only the latest is given', async () => {
  const document = scope.document('settings', { defaults: DEFAULTS })
  const watcher = document.watch()
  await watcher.ready
  const given: number[] = []
  watcher.on('change', ({ port }) => given.push(port))
  for (let port = 1; port <= 5; port += 1) await document.update({ port })
  while (given.at(-1) !== 5) await sleep(5)
  expect((await watcher.next()).value).toEqual({ port: 5, tls: { on: false } })
  expect(given).toEqual([...given].sort())
})

test('a file that an edit broke is an `error`, and the next change is given', async () => {
  const watcher = scope.document('settings', { schema, defaults: DEFAULTS }).watch()
  const errors: unknown[] = []
  watcher.on('error', (error) => errors.push(error))
  await watcher.ready
  editSettings('{"port":')
  while (errors.length === 0) await sleep(5)
  editSettings('{"port":"many"}')
  while (errors.length === 1) await sleep(5)
  expect(errors).toMatchObject([{ code: 'DECODE_FAILED' }, { code: 'VALIDATION_FAILED' }])
  editSettings('{"port":1}')
  expect((await watcher.next()).value).toEqual({ port: 1, tls: { on: false } })
  await watcher.close()
})

test('where nobody listens for `error` it is thrown, and the watcher has ended', async () => {
  const watcher = scope.document('settings', { defaults: DEFAULTS }).watch()
  await watcher.ready
  editSettings('{')
  await expect(watcher.next()).rejects.toMatchObject({ code: 'DECODE_FAILED', key: 'settings' })
  expect(await watcher.next()).toEqual({ done: true, value: undefined })
})

test('it ends with the store, with its signal, and with `await using`', async () => {
  const document = scope.document('settings', { defaults: DEFAULTS })
  const abort = new AbortController()
  const watchers = [document.watch(), document.watch({ signal: abort.signal }), document.watch()]
  await Promise.all(watchers.map(({ ready }) => ready))
  const ends = watchers.map((watcher) => watcher.next())
  await watchers[0]?.[Symbol.asyncDispose]()
  abort.abort()
  await storage.close()
  for (const end of ends) expect(await end).toEqual({ done: true, value: undefined })
})

test('`own: false` gives what others change', async () => {
  const watcher = scope.document('settings', { defaults: DEFAULTS }).watch({ own: false })
  await watcher.ready
  await scope.document('settings', { defaults: DEFAULTS }).update({ port: 1 })
  await storage
    .workspace()
    .plugin('server')
    .storage.document('settings', { defaults: DEFAULTS })
    .update({ port: 2 })
  editSettings('{"port":3}')
  expect((await watcher.next()).value).toEqual({ port: 3, tls: { on: false } })
  await watcher.close()
})

test('a key that cannot be one, and an option that does not exist, throw at once', () => {
  expect(() => scope.document('', { defaults: DEFAULTS }).watch()).toThrow(
    expect.objectContaining({ code: 'INVALID_KEY' }),
  )
  expect(() => scope.document('settings', { defaults: DEFAULTS }).watch({ prefix: 'a' } as never)).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTION' }),
  )
})
