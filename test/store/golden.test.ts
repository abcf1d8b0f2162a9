import fs, { cpSync, mkdtempSync, readFileSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { openStorage } from '../../lib/index.js'
import { checkStore } from '../setup/check-store.js'

const fixture = fileURLToPath(new URL('../../fixtures/format-1', import.meta.url))

test('a store of format 1, as a power cut left it, is recovered and read', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'plainkeep-golden-'))
  const root = join(folder, 'store')
  cpSync(join(fixture, 'store'), root, { recursive: true })
  // Version control keeps no times, and recovery asks whether a file is older than a commit.
  for (const key of ['shared_config', 'gone']) utimesSync(join(root, 'default/shared', key), 0, 0)
  const manifest = JSON.parse(readFileSync(join(fixture, 'manifest.json'), 'utf8')) as Record<string, string>
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
  expect(Object.keys(found).sort()).toEqual(Object.keys(manifest).sort())
  expect(Object.keys(manifest).filter((place) => found[place] !== manifest[place])).toEqual([])
  await storage.workspace().shared.set('new', 'value')
  await storage.close()
  await checkStore(root, fs)
  rmSync(folder, { recursive: true })
})
