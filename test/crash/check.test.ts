/** The checker must see what a crash may do to a store. Here the damage is done by hand; the programs import dist/. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'

let folder: string
let store: string
let log: string

function run(program: string, ...argv: string[]): { status: number | null; stdout: string } {
  const path = fileURLToPath(new URL(program, import.meta.url))
  const env = { ...process.env, CRASH_DIR: store, CRASH_ACK: log, CRASH_SEED: '1', CRASH_ONCE: '1' }
  return spawnSync(process.execPath, [path, ...argv], { encoding: 'utf8', env })
}

const check = () => run('check.js', store, log)

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'plainkeep-check-'))
  store = join(folder, 'store')
  log = join(folder, 'log')
  writeFileSync(log, '')
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

const ACCOUNT = 'default/plugins/bank/account-0'
const VALUE = 'default/shared/k3'

test.each<[damage: string, workload: string[], words: RegExp, path: string, act: (path: string) => void]>([
  ['an account without bytes', ['transfers'], /^CORRUPT .*account-0/, ACCOUNT, (path) => truncateSync(path)],
  ['another balance', ['transfers'], /^SPLIT account-0/, ACCOUNT, (path) => writeFileSync(path, '7')],
  ['a value without bytes', ['prepare'], /^EMPTY shared\/k3/, VALUE, (path) => truncateSync(path)],
  ['a value that ends early', ['prepare'], /^TORN shared\/k3/, VALUE, (path) => truncateSync(path, 9)],
  ['a value that is gone', ['prepare'], /^LOST shared\/k3/, VALUE, (path) => rmSync(path)],
])('the checker finds %s, and nothing before', (_damage, workload, words, path, act) => {
  expect(run('workload.js', ...workload).status).toBe(0)
  expect(check()).toMatchObject({ status: 0, stdout: '' })
  act(join(store, path))
  const { status, stdout } = check()
  expect(stdout).toMatch(words)
  expect(status).toBe(1)
})
