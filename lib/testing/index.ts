/** plainkeep/testing: stores in memory for unit tests, disks that fail when told to, and the contract of a store. */

export { describeStorage } from './conformance.js'
export type { ConformanceHarness, ConformanceOptions } from './harness.js'
export { createMemoryDisk, createMemoryStorage, MemoryDisk, type MemoryOptions } from './memory-disk.js'
export type { PowerCutOptions } from './power.js'
export type { DiskSnapshot, MemoryFiles } from './snapshot.js'
export type { FaultOptions, SystemCall } from './volatile-fs.js'
