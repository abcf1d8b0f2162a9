/** The contract of a store holds on a real filesystem and in memory, and leaves the folder as it should be. */

import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFsFromVolume, Volume } from 'memfs'
import { afterAll, describe, expect, test } from 'vitest'
import { openStorage, type Storage, type StorageOptions } from '../lib/index.js'
import { describeStorage } from '../lib/testing/conformance.js'
import { checkStore, findFlaws, type ReadableFs } from './setup/check-store.js'

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
    check: (storage) => checkStore('/store', volumeOf(storage) as unknown as ReadableFs),
  })
})

describe('the check of a store after a clean close', () => {
  const CLEAN = {
    '/store/.plainkeep/format.json': '{"format":1}',
    '/store/.plainkeep/c2': 'claim',
    '/store/.plainkeep/f2': '',
    '/store/.plainkeep/kept-17': 'journal',
    '/store/default/shared/shared_config': 'value',
    '/store/default/plugins/acme%2Fweather/userCount~10': '',
  }
  const flawsOf = (files: Record<string, string | null>): string[] =>
    findFlaws('/store', Volume.fromJSON({ ...CLEAN, ...files }) as unknown as ReadableFs)

  test('finds nothing wrong where nothing is', () => {
    expect(flawsOf({})).toEqual([])
  })

  test.each([
    ['a lock', { '/store/.plainkeep/lock': null }, '.plainkeep/lock is a folder'],
    ['a work folder', { '/store/.plainkeep/w00/journal': '' }, '.plainkeep/w00 is a folder'],
    ['a file of no kind', { '/store/.plainkeep/journal': '' }, '.plainkeep/journal was left behind'],
    ['another format', { '/store/.plainkeep/format.json': '{"format":2}' }, '.plainkeep/format.json holds'],
    ['two claims', { '/store/.plainkeep/c1': '', '/store/.plainkeep/f1': '' }, '.plainkeep holds claims 1,2'],
    ['a release without a claim', { '/store/.plainkeep/f3': '' }, '.plainkeep holds claims [2]'],
    ['a file beside workspaces', { '/store/notes': '' }, 'notes is a file'],
    ['a file in a workspace', { '/store/default/notes': '' }, 'default/notes has no place'],
    ['a file beside plugins', { '/store/default/plugins/one': '' }, 'default/plugins/one is a file'],
    ['a folder among values', { '/store/default/shared/a/b': '' }, 'default/shared/a is a folder'],
    ['a foreign name', { '/store/default/shared/A': '' }, 'default/shared/A has a name'],
    ['a foreign plugin', { '/store/default/plugins/A/a': '' }, 'default/plugins/A has a name'],
    ['a foreign workspace', { '/store/A/shared/a': '' }, 'A has a name'],
  ])('finds %s', (_, files: Record<string, string | null>, words) => {
    expect(flawsOf(files)).toEqual([expect.stringContaining(words)])
  })

  test('finds a link among values, wherever it leads', () => {
    const volume = Volume.fromJSON(CLEAN)
    volume.symlinkSync('/store/default/shared/shared_config', '/store/default/shared/link')
    expect(findFlaws('/store', volume as unknown as ReadableFs)).toEqual([
      expect.stringContaining('default/shared/link is a link or device'),
    ])
  })
})
