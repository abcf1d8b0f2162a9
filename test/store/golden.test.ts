import { execFileSync } from 'node:child_process'
import fs, { cpSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { host } from '../../lib/disk/host.js'
import { openStorage } from '../../lib/index.js'
import { checkStore } from '../setup/check-store.js'

const fixture = fileURLToPath(new URL('../../fixtures/format-1', import.meta.url))

test('a store of format 1, as a power cut left it, is recovered and read', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'plainkeep-golden-'))
  const root = join(folder, 'store')
  cpSync(join(fixture, 'store'), root, { recursive: true })
  // Version control keeps no times, and recovery asks whether a file is older than a commit.
  for (const key of ['shared_config', 'gone']) utimesSync(join(root, 'default/shared', key), 0, 0)
  const manifest = JSON.parse(readFileSync(join(fixture, 'manifest.json'), 'utf8')) as Values
  await expectValues(root, manifest)
  rmSync(folder, { recursive: true })
})

// Only where the system says so is another boot's process known to be dead.
test.skipIf(host.identity.boot === '')(
  'a store of format 1 whose owner died in the middle of a group is recovered and read',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'plainkeep-golden-'))
    const root = join(folder, 'store')
    cpSync(join(fixture, 'store-of-a-dead-owner'), root, { recursive: true })
    const manifest = readFileSync(join(fixture, 'manifest-of-a-dead-owner.json'), 'utf8')
    const { times, values } = JSON.parse(manifest) as { times: Record<string, string>; values: Values }
    for (const [path, time] of Object.entries(times)) {
      // No double is exact enough for `utimesSync` of Node 24 and later, which does not cut it to microseconds.
      execFileSync('touch', ['-d', `@${time.slice(0, -9)}.${time.slice(-9)}`, join(root, path)])
      expect(fs.statSync(join(root, path), { bigint: true }).mtimeNs).toBe(BigInt(time))
    }
    const claim = join(root, '.plainkeep/c2')
    const record = JSON.parse(readFileSync(claim, 'utf8')) as { owner: object }
    const owner = { ...record.owner, machine: host.identity.machine } // an earlier boot of this machine
    writeFileSync(claim, JSON.stringify({ ...record, owner }))
    await expectValues(root, values)
    rmSync(folder, { recursive: true })
  },
)

/** Values in base64 by workspace, plugin and key. */
type Values = Readonly<Record<string, string>>

/** A store holds these values and no others, and takes a new one. */
async function expectValues(root: string, expected: Values): Promise<void> {
  const storage = await openStorage(root)
  const found: Record<string, string> = {}
  for (const workspace of await storage.workspaces()) {
    const plugins = await storage.workspace(workspace).plugins()
    for (const plugin of [null, ...plugins]) {
      const place = storage.workspace(workspace)
      const scope = plugin === null ? place.shared : place.plugin(plugin).storage
      for await (const { key, value } of scope.entries()) {
        found[JSON.stringify([workspace, plugin, key])] = Buffer.from(value).toString('base64')
      }
    }
  }
  expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort())
  expect(Object.keys(expected).filter((place) => found[place] !== expected[place])).toEqual([])
  await storage.workspace().shared.set('new', 'value')
  await storage.close()
  await checkStore(root, fs)
}
