/** Several keys as one step. */

import assert from 'node:assert/strict'
import type { TransactionScope } from '../../index.js'
import { equalBytes, rejectionOf, rejectsWith, throwsWith } from '../assertions.js'
import type { Cases } from '../harness.js'
import { setAll } from './set-all.js'

/** Transactions. */
export const transactionCases: Cases = {
  'a transaction writes all, and gives what its body gives': async ({ context, storage }) => {
    const result = await context.transaction(async (scopes) => {
      await scopes.storage.set('own', 'one')
      scopes.workspace.set('shared', 'two')
      return 7
    })
    assert.equal(result, 7)
    equalBytes(await context.getPluginStorage('own'), 'one')
    equalBytes(await context.getWorkspaceStorage('shared'), 'two')
    const host = storage.workspace('host').shared
    await storage.transaction(async (transaction) => {
      const own = transaction.scope(context.storage)
      transaction.scope(host).set('moved', await own.get('own'))
      own.delete('own')
    })
    equalBytes(await host.get('moved'), 'one')
    assert.equal(await context.storage.has('own'), false)
  },

  'a body that throws writes nothing and passes its error on': async ({ scope }) => {
    await scope.set('key', 'old')
    const reason = new Error('no')
    const failing = (): Promise<unknown> =>
      scope.transaction(async (own) => {
        await own.get('key')
        await own.set('key', 'new')
        await own.set('other', 'new')
        throw reason
      })
    assert.equal(await rejectionOf(failing), reason)
    assert.deepEqual(await scope.keys(), ['key'])
    equalBytes(await scope.get('key'), 'old')
  },

  'a body sees its own writes, and nobody else does': async ({ scope }) => {
    await setAll(scope, ['a', 'b'])
    await scope.transaction(async (own) => {
      await own.set('c', 'new')
      assert.equal(await own.delete('a'), true)
      assert.equal(await own.delete('a'), false)
      assert.equal(await own.get('c', 'text'), 'new')
      assert.deepEqual([await own.has('a'), await own.find('a')], [false, undefined])
      await rejectsWith('KEY_NOT_FOUND', () => own.get('a'))
      assert.deepEqual(await own.keys(), ['b', 'c'])
      assert.deepEqual(await own.keys({ after: 'b', limit: 1 }), ['c'])
      assert.equal(await own.update('n', (n) => Number(n ?? 1) * 2, { codec: 'json' }), 2)
      const found: string[] = []
      for await (const { key } of own.entries()) found.push(key)
      assert.deepEqual(found, ['b', 'c', 'n'])
      assert.deepEqual(await scope.keys(), ['a', 'b'])
      assert.equal(await own.clear({ prefix: 'b' }), 1)
    })
    assert.deepEqual(await scope.keys(), ['c', 'n'])
  },

  'a body runs again when a key that it read was changed': async ({ scope }) => {
    await scope.set('key', 'one')
    const seen: string[] = []
    await scope.transaction(async (own) => {
      seen.push(await own.get('key', 'text'))
      if (seen.length === 1) await scope.set('key', 'two')
      own.set('copy', seen.at(-1))
    })
    assert.deepEqual(seen, ['one', 'two'])
    equalBytes(await scope.get('copy'), 'two')
  },

  'a body runs again when a key appears or goes that it looked for or listed': async ({ scope }) => {
    for (const look of [
      (own: TransactionScope) => own.has('key'),
      (own: TransactionScope) => own.find('key'),
      (own: TransactionScope) => own.keys({ prefix: 'k' }),
    ]) {
      let runs = 0
      await scope.transaction(async (own) => {
        runs += 1
        await look(own)
        if (runs === 1) await scope.set('key', 'value')
        if (runs === 2) await scope.delete('key')
        own.set('copy', 'x')
      })
      assert.equal(runs, 3)
      await scope.clear()
    }
  },

  'what a transaction did not read does not disturb it': async ({ scope }) => {
    let runs = 0
    await scope.transaction(async (own) => {
      runs += 1
      await own.keys({ prefix: 'k' })
      await scope.set('other', `${runs}`)
      own.set('written', 'x')
    })
    assert.equal(runs, 1)
    assert.deepEqual(await scope.keys(), ['other', 'written'])
  },

  'a body that only reads sees one moment': async ({ scope }) => {
    await scope.transaction(async (own) => {
      own.set('left', '5')
      own.set('right', '5')
    })
    let runs = 0
    const sum = await scope.transaction(async (own) => {
      runs += 1
      const left = Number(await own.get('left', 'text'))
      if (runs === 1)
        await scope.transaction(async (other) => {
          other.set('left', '4')
          other.set('right', '6')
        })
      return left + Number(await own.get('right', 'text'))
    })
    assert.deepEqual([sum, runs], [10, 2])
  },

  'an error over what was never there at one moment is not passed on': async ({ scope }) => {
    await setAll(scope, ['left', 'right'])
    let runs = 0
    await scope.transaction(async (own) => {
      runs += 1
      if (runs === 2) return
      await own.get('left')
      await scope.clear()
      await own.get('right')
    })
    assert.equal(runs, 2)
  },

  'a body that always meets a conflict gets the store to itself': async ({ scope }) => {
    await scope.set('count', '0')
    let runs = 0
    await scope.transaction(async (own) => {
      runs += 1
      const count = Number(await own.get('count', 'text'))
      const disturbance = scope.set('count', `${count + 1}`)
      if (runs < 4) await disturbance
      else disturbance.catch(() => undefined) // waits until this body has ended
      own.set('count', `${count + 100}`)
    })
    assert.equal(runs, 4)
  },

  'a body that takes too long with the store to itself is given up': async ({ scope }) => {
    await scope.set('count', '0')
    let runs = 0
    let kept: TransactionScope | undefined
    const stuck = scope.transaction(
      async (own) => {
        runs += 1
        await own.get('count')
        kept = own
        if (runs < 4) await scope.set('count', `${runs}`)
        else await new Promise((resolve) => setTimeout(resolve, 400))
        await own.set('count', 'stuck')
      },
      { timeout: 50 },
    )
    const error = await rejectsWith('LOCK_TIMEOUT', () => stuck)
    assert.equal(error.outcome, 'none')
    await rejectsWith('TRANSACTION_ENDED', () => (kept as TransactionScope).get('count'))
    await scope.set('count', 'free')
    await new Promise((resolve) => setTimeout(resolve, 500))
    equalBytes(await scope.get('count'), 'free')
  },

  'a transaction that has ended is of no use': async ({ scope, context, storage }) => {
    const kept: TransactionScope[] = []
    await scope.set('key', 'value')
    await scope.transaction(async (own) => void kept.push(own))
    await context.transaction(async (scopes) => void kept.push(scopes.storage, scopes.workspace))
    await storage.transaction(async (transaction) => void kept.push(transaction.scope(scope)))
    const failing = scope.transaction(async (own) => {
      kept.push(own)
      throw new Error('no')
    })
    await rejectionOf(() => failing)
    for (const own of kept) {
      await rejectsWith('TRANSACTION_ENDED', () => own.get('key'))
      await rejectsWith('TRANSACTION_ENDED', () => own.find('key'))
      await rejectsWith('TRANSACTION_ENDED', () => own.has('key'))
      await rejectsWith('TRANSACTION_ENDED', () => own.set('key', 'late'))
      await rejectsWith('TRANSACTION_ENDED', () => own.update('key', () => 'late'))
      await rejectsWith('TRANSACTION_ENDED', () => own.delete('key'))
      await rejectsWith('TRANSACTION_ENDED', () => own.keys())
      await rejectsWith('TRANSACTION_ENDED', () => own.entries().next())
      const error = await rejectsWith('TRANSACTION_ENDED', () => own.clear())
      assert.deepEqual([error.kind, error.outcome], ['state', 'none'])
    }
    equalBytes(await scope.get('key'), 'value')
    assert.deepEqual(await context.getWorkspaceStorageKeys(), [])
    await storage.transaction(async (transaction) => {
      throwsWith('INVALID_OPTION', () => transaction.scope({ store: storage.path } as never))
    })
  },

  'a write that is refused fails the transaction, awaited or not': async ({ scope }) => {
    const bad = scope.transaction(async (own) => {
      own.set('good', 'x')
      own.set('bad', () => undefined)
    })
    await rejectsWith('INVALID_VALUE', () => bad)
    await rejectsWith('INVALID_KEY', () => scope.transaction(async (own) => void own.set('', 'x')))
    assert.deepEqual(await scope.keys(), [])
  },

  'a signal ends a transaction before its next run': async ({ scope }) => {
    const controller = new AbortController()
    const reason = new Error('given up')
    await scope.set('key', '0')
    const given = scope.transaction(
      async (own) => {
        await own.get('key')
        await scope.set('key', '1')
        controller.abort(reason)
        own.set('key', '2')
      },
      { signal: controller.signal },
    )
    assert.equal(await rejectionOf(() => given), reason)
    equalBytes(await scope.get('key'), '1')
  },
}
