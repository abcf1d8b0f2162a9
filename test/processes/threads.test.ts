/** Worker threads that open the same store: each has an engine of its own, in one process. */

import fs, { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { checkStorage, openStorage } from '../../lib/index.js'
import { checkStore } from '../setup/check-store.js'

/** A thread that has ended is known to be gone, like a process; its lock gets stale much later. */
const SOON_MS = 3000

let root: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'plainkeep-threads-'))
})

afterEach(() => {
  rmSync(root, { recursive: true, force: true })
})

/** A thread that writes, and what it says was acknowledged. */
class Thread {
  readonly worker: Worker
  readonly done: string[] = []
  readonly ended: Promise<number>

  constructor(name: string, count: number) {
    const script = fileURLToPath(new URL('worker.js', import.meta.url))
    this.worker = new Worker(script, { workerData: { folder: root, name, count } })
    this.worker.on('message', (key: string) => this.done.push(key))
    this.ended = new Promise((resolve, reject) => this.worker.on('exit', resolve).on('error', reject))
  }

  async saying(count: number): Promise<void> {
    while (this.done.length < count) await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

test('threads that write at once, and the main one beside them, lose nothing', async () => {
  const threads = ['x', 'y', 'z'].map((name) => new Thread(name, 60))
  const storage = await openStorage(root)
  const scope = storage.workspace().shared
  for (let number = 0; number < 60; number += 1) await scope.set(`main-${number}`, 'main')
  await Promise.all(threads.map((thread) => thread.ended))
  expect(await scope.keys()).toHaveLength(240)
  await storage.close()
  await checkStore(root, fs)
}, 60_000)

test('the others waited 5 s for a thread that was terminated: it is known to be gone, and loses nothing', async () => {
  const storage = await openStorage(root)
  const scope = storage.workspace().shared
  const expected = new Set<string>()
  for (let round = 0; round < 3; round += 1) {
    const thread = new Thread(`t${round}`, 100_000)
    await thread.saying(10)
    await thread.worker.terminate()
    const start = performance.now()
    await scope.set(`main-${round}`, 'after')
    expect(performance.now() - start).toBeLessThan(SOON_MS)
    for (const key of [...thread.done, `main-${round}`]) expected.add(key)
  }
  const present = new Set(await scope.keys())
  expect([...expected].filter((key) => !present.has(key))).toEqual([])
  await storage.close()
  await checkStore(root, fs)
}, 60_000)

test('a check tells which thread owns the store', async () => {
  const thread = new Thread('t', 100_000)
  await thread.saying(5)
  const { owner, isSound } = await checkStorage(root)
  expect(owner).toMatchObject({ pid: process.pid, thread: thread.worker.threadId, isAlive: true })
  expect(isSound).toBe(true)
  await thread.worker.terminate()
  expect((await checkStorage(root)).owner).toMatchObject({ isAlive: false })
  await (await openStorage(root)).close()
  await checkStore(root, fs)
}, 60_000)
