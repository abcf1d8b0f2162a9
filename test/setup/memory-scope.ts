/** A store in memory for one test. */

import { createFsFromVolume, Volume } from 'memfs'
import { onTestFinished } from 'vitest'
import { openStorage, type PluginContext, type Scope, type StorageOptions } from '../../lib/index.js'
import { checkStore, type ReadableFs } from './check-store.js'

/** A plugin's context in a new store, which is closed and looked over when the test ends. */
export async function openMemoryContext(): Promise<PluginContext> {
  const fs = createFsFromVolume(new Volume())
  const storage = await openStorage('/store', { fs: fs as unknown as NonNullable<StorageOptions['fs']> })
  onTestFinished(async () => {
    await storage.close()
    await checkStore('/store', fs as unknown as ReadableFs)
  })
  return storage.workspace().plugin('plugin')
}

/** A plugin's own scope in a new store. */
export async function openMemoryScope(): Promise<Scope> {
  return (await openMemoryContext()).storage
}
