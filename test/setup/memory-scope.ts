/** A store in memory for one test. */

import { createFsFromVolume, Volume } from 'memfs'
import { onTestFinished } from 'vitest'
import { type FileSystem, openStorage, type Scope } from '../../lib/index.js'
import { checkStore, type ReadableFs } from './check-store.js'

/** A plugin's own scope in a new store, which is closed and looked over when the test ends. */
export async function openMemoryScope(): Promise<Scope> {
  const fs = createFsFromVolume(new Volume())
  const storage = await openStorage('/store', { fs: fs as unknown as FileSystem })
  onTestFinished(async () => {
    await storage.close()
    await checkStore('/store', fs as unknown as ReadableFs)
  })
  return storage.workspace().plugin('plugin').storage
}
