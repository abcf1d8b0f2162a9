/** The contract of a store, declared with node:test, by the package as it is built. */

import test from 'node:test'
import { createMemoryDisk, describeStorage } from 'plainkeep/testing'

const disks = new WeakMap()

describeStorage({
  test: (name, body) => void test(name, body),
  open: async (options) => {
    const disk = await createMemoryDisk()
    const storage = await disk.open(options)
    disks.set(storage, disk)
    return storage
  },
  openAgain: (storage) => disks.get(storage).open(),
})
