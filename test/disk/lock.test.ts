/** What the lock says of its holder before. */

import fs, { mkdirSync, mkdtempSync, rmdirSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { FileSystem } from '../../lib/disk/file-system.js'
import { createLock, type Lock } from '../../lib/disk/lock.js'

let folder: string
let path: string
let locks: Lock[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'plainkeep-lock-'))
  path = join(folder, 'lock')
  locks = []
})

afterEach(() => {
  for (const lock of locks) lock.release()
  rmSync(folder, { recursive: true, force: true })
})

function makeLock(own: Partial<FileSystem> = {}): Lock {
  const lock = createLock({ ...fs, ...own } as FileSystem, path, `${path}-${locks.length}`)
  locks.push(lock)
  return lock
}

test('it is free when nobody holds it, held while somebody does, and stale when it was not renewed for long', () => {
  const [first, second] = [makeLock(), makeLock()]
  expect(first.tryAcquire()).toBe('free')
  expect(first.tryAcquire()).toBe('free')
  expect(second.tryAcquire()).toBeUndefined()
  first.release()
  expect(second.tryAcquire()).toBe('free')
  second.release()
  mkdirSync(path)
  utimesSync(path, 1, 1)
  expect(first.tryAcquire()).toBe('stale')
})

test('a living owner was fenced: its lock was seen, and taken away before it was had', () => {
  const taken = makeLock()
  taken.tryAcquire()
  let isTaken = false
  const statSync = ((at: string, options: { throwIfNoEntry: false }) => {
    const stat = fs.statSync(at, options)
    if (!isTaken) rmdirSync(path)
    isTaken = true
    return stat
  }) as FileSystem['statSync']
  expect(makeLock({ statSync }).tryAcquire()).toBe('free')
})
