import assert from 'node:assert/strict'
import test from 'node:test'
import { createMemoryDisk, createMemoryStorage } from 'plainkeep/testing'
import { greet } from './plugin.js'

test('greetings are counted', async () => {
  const storage = await createMemoryStorage()
  const context = storage.workspace().plugin('greeter')
  await greet(context, 'Ada')
  assert.equal(await greet(context, 'Bob'), 'Hello Bob, you are number 2.')
  assert.deepEqual(await context.getPluginStorageKeys(), ['greetings'])
  await storage.close()
})

test('a greeting that cannot be counted is not given', async () => {
  const disk = await createMemoryDisk()
  const storage = await disk.open()
  const context = storage.workspace().plugin('greeter')
  disk.failNext('write', 'ENOSPC')
  await assert.rejects(greet(context, 'Ada'), { code: 'DISK_FULL', outcome: 'none' })
  assert.equal(await greet(context, 'Ada'), 'Hello Ada, you are number 1.')
  await storage.close()
})

test('the count is still there after a power cut', async () => {
  const disk = await createMemoryDisk()
  await greet((await disk.open()).workspace().plugin('greeter'), 'Ada')
  await disk.cutPower()
  const storage = await disk.open()
  assert.equal(await greet(storage.workspace().plugin('greeter'), 'Bob'), 'Hello Bob, you are number 2.')
  await storage.close()
})
