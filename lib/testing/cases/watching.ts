/** Changes as they happen, of one's own hands. */

import assert from 'node:assert/strict'
import type { Change } from '../../index.js'
import { throwsWith } from '../assertions.js'
import type { Cases } from '../harness.js'

/** So many changes of a watcher, in short. */
async function take(watcher: AsyncIterable<Change>, count: number): Promise<Change[]> {
  const changes: Change[] = []
  for await (const change of watcher) {
    changes.push(change)
    if (changes.length === count) break
  }
  return changes
}

const describe = ({ type, key, source }: Change): string => `${type} ${key} ${source}`

/** Watchers. */
export const watchingCases: Cases = {
  'each commit is told once, in order, with version, writer and origin': async ({ scope, context }) => {
    const watcher = scope.watch()
    await watcher.ready
    const versions = [await scope.set('key', '1'), await scope.set('key', '2')]
    await scope.delete('key')
    const changes = await take(watcher, 3)
    assert.deepEqual(changes.map(describe), ['set key local', 'set key local', 'delete key local'])
    assert.deepEqual(
      changes.map(({ version }) => version),
      [...versions, undefined],
    )
    assert.ok(changes.every(({ by }) => by === context.pluginId))
    const [first = 0, ...rest] = changes.map(({ revision }) => revision as number)
    assert.deepEqual(rest, [first + 1, first + 2])
  },

  'the changes of a transaction come one behind the other': async ({ context, storage }) => {
    const watcher = storage.watch()
    await watcher.ready
    await context.transaction(async ({ storage: own, workspace }) => {
      await own.set('b', '1')
      await workspace.set('a', '1')
      await own.set('a', '1')
    })
    const changes = await take(watcher, 3)
    assert.deepEqual(
      changes.map(({ key, scope, commit }) => [key, scope.plugin, commit]),
      [
        ['b', context.pluginId, { index: 0, size: 3 }],
        ['a', undefined, { index: 1, size: 3 }],
        ['a', context.pluginId, { index: 2, size: 3 }],
      ],
    )
  },

  '`initial` gives what is there, then what changes': async ({ scope }) => {
    await scope.set('a', '1')
    await scope.set('b', '1')
    const watcher = scope.watch({ initial: true })
    await watcher.ready
    await scope.set('a', '2')
    const changes = (await take(watcher, 3)).map(describe)
    assert.deepEqual(changes.slice(0, 2).sort(), ['set a initial', 'set b initial'])
    assert.equal(changes[2], 'set a local')
  },

  'keys are chosen by prefix or by name, and `own: false` leaves out what the plugin wrote': async ({
    scope,
    context,
    storage,
  }) => {
    const [byPrefix, byName] = [scope.watch({ prefix: 'pref_' }), scope.watch({ keys: ['b'] })]
    const others = context.workspace.watch({ own: false })
    await Promise.all([byPrefix.ready, byName.ready, others.ready])
    for (const key of ['a', 'pref_a', 'b']) await scope.set(key, '1')
    await context.workspace.set('mine', '1')
    await storage.workspace().shared.set('theirs', '1')
    assert.deepEqual((await take(byPrefix, 1)).map(describe), ['set pref_a local'])
    assert.deepEqual((await take(byName, 1)).map(describe), ['set b local'])
    assert.deepEqual((await take(others, 1)).map(describe), ['set theirs local'])
  },

  'another handle of the store tells the same': async ({ openAgain, scope }) => {
    const other = await openAgain()
    const watcher = other.watch()
    await watcher.ready
    await scope.set('key', '1')
    const [change] = await take(watcher, 1)
    assert.equal(change?.key, 'key')
    assert.ok(['local', 'process'].includes(change?.source as string))
  },

  'a watcher ends with the store, with its signal, and when it is closed': async ({ scope, storage }) => {
    const abort = new AbortController()
    const watchers = [scope.watch(), scope.watch({ signal: abort.signal }), scope.watch()]
    await Promise.all(watchers.map(({ ready }) => ready))
    const ends = watchers.map((watcher) => watcher.next())
    await watchers[0]?.close()
    abort.abort()
    await storage.close()
    for (const end of ends) assert.deepEqual(await end, { done: true, value: undefined })
    throwsWith('STORE_CLOSED', () => scope.watch())
  },

  'a document is given with its defaults, after each change': async ({ scope }) => {
    const defaults = { port: 80, tls: { on: false } }
    const document = scope.document('settings', { defaults })
    const given: unknown[] = []
    for await (const value of document.watch({ initial: true })) {
      given.push(value)
      if (given.length === 1) await document.update({ tls: { on: true } })
      else if (given.length === 2) await document.delete()
      else break
    }
    assert.deepEqual(given, [defaults, { port: 80, tls: { on: true } }, defaults])
  },
}
