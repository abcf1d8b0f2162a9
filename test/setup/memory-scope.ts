/** A store in memory for one test. */

import { createFsFromVolume, Volume } from 'memfs'
import { onTestFinished } from 'vitest'
import { type FileSystem, openStorage, type Scope } from '../../lib/index.js'
import { checkStore } from './check-store.js'

/** A plugin's own scope in a new store, which is closed and looked over when the test ends. */
export async function openMemoryScope(): Promise<Scope> {
  const fs = createFsFromVolume(new Volume()) as unknown as FileSystem
  const storage = await openStorage('/store', { fs })
  onTestFinished(async () => {
    await storage.close()
    await checkStore('/store', fs)
  })
  return storage.workspace().plugin('plugin').storage
}
