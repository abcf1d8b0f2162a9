/** Calls that are given up. */

import assert from 'node:assert/strict'
import type { Scope } from '../../index.js'
import { equalBytes, rejectionOf } from '../assertions.js'
import type { Calls } from '../calls.js'
import type { Cases } from '../harness.js'
import { setAll } from './set-all.js'

function callsWithSignal(scope: Scope): Calls<[signal: AbortSignal]> {
  return {
    set: (signal) => scope.set('a', 'newer', { signal }),
    'set of a new key': (signal) => scope.set('new', 'newer', { signal }),
    delete: (signal) => scope.delete('a', { signal }),
    clear: (signal) => scope.clear({ signal }),
    keys: (signal) => scope.keys({ signal }),
    entries: (signal) => scope.entries({ signal }).next(),
  }
}

/** Signals. */
export const abortCases: Cases = {
  'an aborted signal rejects with its reason, and nothing changes': async ({ scope }) => {
    await setAll(scope, ['a', 'b'])
    const version = (await scope.entry('a'))?.version
    for (const reason of [new Error('given up'), 'a reason that is no error', undefined]) {
      const signal = AbortSignal.abort(reason)
      for (const [name, call] of Object.entries(callsWithSignal(scope))) {
        assert.equal(await rejectionOf(() => call(signal)), signal.reason, name)
      }
    }
    assert.deepEqual(await scope.keys(), ['a', 'b'])
    assert.equal((await scope.entry('a'))?.version, version)
  },

  'a signal that is aborted after the call has no effect': async ({ scope }) => {
    const controller = new AbortController()
    await scope.set('key', 'value', { signal: controller.signal })
    controller.abort()
    equalBytes(await scope.get('key'), 'value')
    await scope.set('key', 'newer')
    equalBytes(await scope.get('key'), 'newer')
  },

  'a write that is given up while it waits is not made, or is made whole': async ({ scope }) => {
    for (let round = 0; round < 10; round += 1) {
      const controller = new AbortController()
      const reason = new Error('given up')
      const before = scope.set('key', 'before')
      const during = scope.set('key', 'during', { signal: controller.signal })
      if (round % 2 === 1) await Promise.resolve()
      controller.abort(reason)
      const failure = await during.then(
        () => undefined,
        (error: unknown) => error,
      )
      await before
      if (failure !== undefined) assert.equal(failure, reason)
      equalBytes(await scope.get('key'), failure === undefined ? 'during' : 'before')
    }
  },

  'writes beside one that is given up are made': async ({ scope }) => {
    const controller = new AbortController()
    const writes = ['a', 'b', 'c', 'd'].map((key) =>
      scope.set(key, key, key === 'c' ? { signal: controller.signal } : {}),
    )
    controller.abort()
    const outcomes = await Promise.allSettled(writes)
    const made = ['a', 'b', 'c', 'd'].filter((_, index) => outcomes[index]?.status === 'fulfilled')
    assert.deepEqual(await scope.keys(), made)
    assert.deepEqual(
      made.filter((key) => key !== 'c'),
      ['a', 'b', 'd'],
    )
  },

  'entries stop where they are when they are given up': async ({ scope }) => {
    await setAll(scope, ['a', 'b', 'c'])
    const controller = new AbortController()
    const reason = new Error('given up')
    const entries = scope.entries({ signal: controller.signal })
    assert.equal((await entries.next()).value?.key, 'a')
    controller.abort(reason)
    assert.equal(await rejectionOf(() => entries.next()), reason)
    assert.deepEqual(await entries.next(), { done: true, value: undefined })
  },
}
