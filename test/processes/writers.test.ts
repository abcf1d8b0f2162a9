import fs, { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { LOCK_STALE_MS } from '../../lib/base/limits.js'
import { openStorage } from '../../lib/index.js'
import { checkStore } from '../setup/check-store.js'
import { Child, type Line } from './child.js'

let root: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'plainkeep-writers-'))
})

afterEach(() => {
  rmSync(root, { recursive: true, force: true })
})

const acknowledged = (children: readonly Child[]): Line[] =>
  children.flatMap(({ lines }) => lines).filter((line) => line.revision !== undefined)
const failed = (children: readonly Child[]): Line[] =>
  children.flatMap(({ lines }) => lines).filter((line) => line.error !== undefined)

/** Every key holds the value of its last revision, or of a commit whose outcome nobody knows. */
async function checkValues(children: readonly Child[]): Promise<void> {
  const last = new Map<string, Line>()
  for (const line of acknowledged(children)) {
    const present = last.get(String(line.key))
    if (present === undefined || Number(present.revision) < Number(line.revision))
      last.set(String(line.key), line)
  }
  const done = new Set(acknowledged(children).map(({ value }) => value))
  const begun = children.flatMap(({ lines }) => lines).filter((line) => line.begun !== undefined)
  const unknown = new Set(begun.map(({ value }) => value).filter((value) => !done.has(value)))
  const storage = await openStorage(root)
  const scope = storage.workspace().plugin('writer').storage
  for (const [key, { value }] of last) {
    const found = await scope.get(key, 'text')
    if (!unknown.has(found)) expect(found, key).toBe(value)
    expect(readFileSync(join(scope.path, key), 'utf8')).toBe(found)
  }
  await storage.close()
  await checkStore(root, fs)
}

/** Revisions 1 to n, each once; with commits of unknown outcome some of them may be theirs. */
function checkRevisions(children: readonly Child[]): void {
  const revisions = acknowledged(children)
    .map(({ revision }) => Number(revision))
    .sort((left, right) => left - right)
  expect(new Set(revisions).size).toBe(revisions.length)
  const missing = (revisions.at(-1) ?? 0) - revisions.length
  expect(missing).toBeGreaterThanOrEqual(0)
  expect(missing).toBeLessThanOrEqual(failed(children).length)
}

test.each([
  ['two processes', 2, 'sequence', 300],
  ['four processes', 4, 'sequence', 150],
  ['four processes, ten keys at a time', 4, 'burst', 600],
])(
  '%s write at once: every acknowledged write is there, revisions without gap or repeat',
  async (_, number, mode, count) => {
    const children = Array.from(
      { length: number },
      (_, index) => new Child('writer.js', root, `w${index}`, count, mode),
    )
    await Promise.all(children.map((child) => child.done()))
    expect(failed(children)).toEqual([])
    expect(acknowledged(children)).toHaveLength(number * count)
    checkRevisions(children)
    await checkValues(children)
  },
  60_000,
)

test('taking the lock away at any moment costs speed only', async () => {
  const startMs = performance.now()
  const children = [0, 1, 2].map((index) => new Child('writer.js', root, `w${index}`, 150, 'sequence'))
  const thief = setInterval(() => rmSync(join(root, '.plainkeep/lock'), { recursive: true, force: true }), 3)
  await Promise.all(children.map((child) => child.done()))
  clearInterval(thief)
  // Who has the lock waits until the owner has kept the store for 5 s: on a machine that is busy enough it may live still.
  expect(failed(children).length).toBeLessThanOrEqual(
    Math.floor((performance.now() - startMs) / LOCK_STALE_MS),
  )
  for (const line of failed(children)) expect(line).toMatchObject({ error: 'FENCED', outcome: 'unknown' })
  checkRevisions(children)
  await checkValues(children)
}, 60_000)

test('giving the lock to everybody costs speed only', async () => {
  const children = [0, 1, 2].map(
    (index) => new Child('writer.js', root, `w${index}`, 40, 'sequence,any-lock'),
  )
  await Promise.all(children.map((child) => child.done()))
  for (const line of failed(children)) expect(line).toMatchObject({ error: 'FENCED', outcome: 'unknown' })
  console.log(
    `everybody had the lock: ${acknowledged(children).length} done, ${failed(children).length} of unknown outcome`,
  )
  checkRevisions(children)
  await checkValues(children)
}, 120_000)

test('a killed writer loses nothing that it acknowledged, and the next one goes on at once', async () => {
  const seed = Date.now() % 100_000
  const children: Child[] = []
  const waits: number[] = []
  for (let round = 0; round < 8; round += 1) {
    const child = new Child('writer.js', root, `w${round}`, 100_000, round % 2 ? 'burst' : 'sequence')
    children.push(child)
    await child.saying('revision')
    await new Promise((resolve) => setTimeout(resolve, (seed * (round + 3)) % 60))
    await child.kill()
    const storage = await openStorageQuietly(waits)
    await storage.close()
  }
  const middle = waits.sort((left, right) => left - right)[waits.length >> 1]
  console.log(
    `seed ${seed}; open and set after a kill: ${waits.map((ms) => ms.toFixed(0)).join(' ')} ms, median ${middle}`,
  )
  expect(middle).toBeLessThan(2000)
  expect(failed(children)).toEqual([])
  await checkValues(children)
}, 60_000)

async function openStorageQuietly(waits: number[]): Promise<Awaited<ReturnType<typeof openStorage>>> {
  const start = performance.now()
  const storage = await openStorage(root)
  await storage.workspace().shared.set('next', 'goes on')
  waits.push(performance.now() - start)
  return storage
}
