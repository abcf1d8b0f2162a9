import fs, { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openStorage } from '../../lib/index.js'
import { checkStore } from '../setup/check-store.js'
import { Child } from './child.js'

test('half of a commit stayed for ever: a process that exits before the other half is in place lets nothing go', async () => {
  const root = mkdtempSync(join(tmpdir(), 'plainkeep-half-'))
  try {
    await new Child('half-publisher.js', root).done()
    const storage = await openStorage(root)
    expect(await storage.workspace().shared.keys()).toEqual(['first', 'second'])
    await storage.close()
    await checkStore(root, fs)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})
