/** The contract of a store holds on a real filesystem and in memory, and leaves the folder as it should be. */

import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFsFromVolume, Volume } from 'memfs'
import { afterAll, describe, test } from 'vitest'
import { openStorage, type Storage, type StorageOptions } from '../lib/index.js'
import { describeStorage } from '../lib/testing/conformance.js'
import { checkStore } from './setup/check-store.js'

type FileSystem = NonNullable<StorageOptions['fs']>

describe('on a real filesystem', () => {
  const folder = fs.mkdtempSync(join(tmpdir(), 'plainkeep-conformance-'))
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

  describeStorage({
    test,
    open: (options) => openStorage(fs.mkdtempSync(join(folder, 'store-')), options),
    openAgain: (storage) => openStorage(storage.path),
    check: (storage) => checkStore(storage.path, fs),
  })
})

describe('in memory', () => {
  const volumes = new WeakMap<Storage, FileSystem>()
  const volumeOf = (storage: Storage): FileSystem => volumes.get(storage) as FileSystem

  describeStorage({
    test,
    open: async (options) => {
      const volume = createFsFromVolume(new Volume()) as unknown as FileSystem
      const storage = await openStorage('/store', { ...options, fs: volume })
      volumes.set(storage, volume)
      return storage
    },
    openAgain: (storage) => openStorage('/store', { fs: volumeOf(storage) }),
    check: (storage) => checkStore('/store', volumeOf(storage)),
  })
})
