/** What errors say. */

import assert from 'node:assert/strict'
import type { ErrorCode, Scope } from '../../index.js'
import { rejectsWith } from '../assertions.js'
import type { Cases } from '../harness.js'

type Failure = readonly [code: ErrorCode, key: string, call: (key: string) => Promise<unknown>]

function failuresOf(scope: Scope): Failure[] {
  return [
    ['KEY_NOT_FOUND', 'absent', (key) => scope.get(key)],
    ['INVALID_VALUE', 'key', (key) => scope.set(key, undefined)],
    ['DECODE_FAILED', 'text', (key) => scope.get(key, 'json')],
    ['KEY_TOO_LONG', 'k'.repeat(300), (key) => scope.get(key)],
    ['KEY_TOO_LONG', 'k'.repeat(300), (key) => scope.set(key, 'value')],
    ['KEY_TOO_LONG', 'k'.repeat(300), (key) => scope.delete(key)],
    ['INVALID_KEY', '', (key) => scope.has(key)],
    ['INVALID_KEY', '\ud800', (key) => scope.set(key, 'value')],
  ]
}

/** The properties of errors. */
export const errorCases: Cases = {
  'an error names the store, the scope and the key': async ({ storage, context }) => {
    for (const scope of [context.storage, context.workspace]) {
      await scope.set('text', 'no JSON')
      for (const [code, key, call] of failuresOf(scope)) {
        await rejectsWith(code, () => call(key), { store: storage.path, scope: scope.id, key })
      }
    }
  },

  'a missing key that a plugin deletes is named in the same way': async ({ storage, context }) => {
    const place = { store: storage.path, key: 'absent' }
    const { id } = context.storage
    await rejectsWith('KEY_NOT_FOUND', () => context.deletePluginStorage('absent'), { ...place, scope: id })
    const shared = context.workspace.id
    await rejectsWith('KEY_NOT_FOUND', () => context.deleteWorkspaceStorage('absent'), {
      ...place,
      scope: shared,
    })
  },

  'the message is one sentence on one line': async ({ scope }) => {
    await scope.set('text', 'no JSON')
    for (const [code, key, call] of failuresOf(scope)) {
      const { message } = await rejectsWith(code, () => call(key))
      assert.match(message, /^[A-Z].*\.$/, message)
    }
  },

  'a refused write says that nothing changed': async ({ scope }) => {
    const long = 'k'.repeat(300)
    const errors = [
      await rejectsWith('INVALID_VALUE', () => scope.set('key', undefined)),
      await rejectsWith('KEY_TOO_LONG', () => scope.set(long, 'value')),
      await rejectsWith('KEY_TOO_LONG', () => scope.delete(long)),
      await rejectsWith('INVALID_KEY', () => scope.set('', 'value')),
    ]
    for (const error of errors) assert.equal(error.outcome, 'none', `${error.code} should have an outcome.`)
  },
}
