/** The queue of a watcher against a list: nothing is lost but what a later change of the same key replaces. */

import { expect, test } from 'vitest'
import { ChangeQueue } from '../../lib/store/watch-queue.js'
import { Random } from '../setup/random.js'

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000_000)
const scope = { workspace: 'default' }

interface Change {
  readonly scope: { readonly workspace: string; readonly plugin?: string }
  readonly key: string
  readonly number: number
}

test(`up to the bound all changes are kept, beyond it the last one of each key, seed ${SEED}`, () => {
  const random = new Random(SEED)
  for (let round = 0; round < 200; round += 1) {
    const limit = 1 + random.below(20)
    const queue = new ChangeQueue<Change>(limit)
    let model: Change[] = []
    let isKeyed = false
    let hasLost = false
    for (let number = 0; number < 300; number += 1) {
      if (random.chance(0.3)) {
        expect(queue.shift()).toEqual(model.shift())
        if (model.length === 0) isKeyed = hasLost = false
        continue
      }
      const change = { scope, key: `k${random.below(8)}`, number }
      isKeyed ||= model.length >= limit
      const before = model
      if (isKeyed) {
        const last = (one: Change, index: number): boolean =>
          !before.some((other, at) => at > index && other.key === one.key)
        model = before.filter(last).filter(({ key }) => key !== change.key)
      }
      const isLost = model.length < before.length
      model = [...model, change]
      expect(queue.push(change)).toBe(isLost && !hasLost)
      hasLost ||= isLost
    }
    while (model.length > 0) expect(queue.shift()).toEqual(model.shift())
    expect(queue.shift()).toBeUndefined()
  }
})

test('scopes have keys of their own', () => {
  const queue = new ChangeQueue<Change>(1)
  const plugin = { workspace: 'default', plugin: 'p' }
  queue.push({ scope, key: 'a', number: 1 })
  expect(queue.push({ scope: plugin, key: 'a', number: 2 })).toBe(false)
  expect(queue.push({ scope, key: 'a', number: 3 })).toBe(true)
  expect([queue.shift()?.number, queue.shift()?.number]).toEqual([2, 3])
})

test('200,000 changes are taken in a time that does not grow with the square, and one key takes no room', () => {
  const queue = new ChangeQueue<Change>(10)
  const start = performance.now()
  for (let number = 0; number < 200_000; number += 1) queue.push({ scope, key: `k${number}`, number })
  const wrong = Array.from({ length: 200_000 }, (_, number) => queue.shift()?.number === number).indexOf(
    false,
  )
  expect(wrong).toBe(-1)
  expect(performance.now() - start).toBeLessThan(10_000) // it was minutes
  const before = process.memoryUsage().heapUsed
  for (let number = 0; number < 500_000; number += 1) queue.push({ scope, key: 'one', number })
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(100e6)
  expect([queue.shift()?.number, queue.shift()]).toEqual([499_999, undefined])
}, 60_000)
