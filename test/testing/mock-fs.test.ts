/** A plugin's test that puts memfs in place of node:fs needs to tell the store nothing. */

import { fs, vol } from 'memfs'
import { expect, test, vi } from 'vitest'
import { openStorage } from '../../lib/index.js'

vi.mock('node:fs', async () => {
  const memory = await import('memfs')
  return { default: memory.fs, ...memory.fs }
})

test('a store that is opened under vi.mock lies in memory', async () => {
  const storage = await openStorage('/mocked')
  await storage.workspace().plugin('p').setStorage('count', 1)
  expect(await storage.workspace().plugin('p').getStorage('count')).toBe(1)
  await storage.close()
  expect(vol.toJSON()['/mocked/default/plugins/p/count']).toBe('1')
  const { existsSync } = await vi.importActual<typeof import('node:fs')>('node:fs')
  expect([existsSync('/mocked'), fs.existsSync('/mocked')]).toEqual([false, true])
})
