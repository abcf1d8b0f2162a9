/** The contract finds what is wrong with a store, and only that: stores that are wrong on purpose. */

import { afterEach, expect, test } from 'vitest'
import { Scope, type Storage } from '../../lib/index.js'
import { createMemoryDisk, describeStorage, type MemoryDisk } from '../../lib/testing/index.js'

interface Case {
  readonly name: string
  readonly body: () => Promise<void>
}

/** The cases of the contract about some things, each `about: sentence`. */
function listCases(abouts?: readonly string[]): Case[] {
  const cases: Case[] = []
  const disks = new WeakMap<Storage, MemoryDisk>()
  describeStorage({
    test: (name, body) => void cases.push({ name, body }),
    open: async (options) => {
      const disk = await createMemoryDisk()
      const storage = await disk.open(options)
      disks.set(storage, disk)
      return storage
    },
    openAgain: (storage) => (disks.get(storage) as MemoryDisk).open(),
  })
  return cases.filter(({ name }) => abouts === undefined || abouts.includes(name.split(':')[0] as string))
}

/** The names of those that fail, or do not end. */
async function runCases(cases: readonly Case[]): Promise<string[]> {
  const failed: string[] = []
  const stuck = (): Promise<never> =>
    new Promise((_, reject) => setTimeout(reject, 60_000, new Error('stuck')))
  await Promise.all(
    cases.map(({ name, body }) => Promise.race([body(), stuck()]).catch(() => failed.push(name))),
  )
  return failed.sort()
}

const repairs: (() => void)[] = []
afterEach(() => {
  for (const repair of repairs.splice(0)) repair()
})

// biome-ignore lint/suspicious/noExplicitAny: whatever a method is given and gives
type Method = (...args: any[]) => any

/** Puts another method in the place of one of `Scope` until the test ends; it is given the right one. */
function breakScope(name: keyof Scope, make: (right: Method) => Method): void {
  const prototype = Scope.prototype as unknown as Record<string, Method>
  const right = prototype[name] as Method
  repairs.push(() => {
    prototype[name] = right
  })
  prototype[name] = function (this: Scope, ...args: unknown[]) {
    return make((...given) => Reflect.apply(right, this, given))(...args)
  }
}

test('a store that is right fails none', async () => {
  const cases = listCases()
  expect(cases.length).toBeGreaterThan(140)
  expect(await runCases(cases)).toEqual([])
}, 120_000)

const WRONG: readonly [string, () => void, abouts: readonly string[], failing: readonly string[]][] = [
  [
    'does not look at versions',
    () =>
      breakScope(
        'set',
        (set) =>
          (key, value, { codec } = {}) =>
            set(key, value, { codec }),
      ),
    ['conditions', 'aborting'],
    [
      'aborting: an aborted signal rejects with its reason, and nothing changes',
      'conditions: a condition that does not hold leaves the writes beside it alone',
      'conditions: conditions that make no sense are refused',
      'conditions: ifAbsent sets only a key that holds no value',
      'conditions: ifVersion sets and deletes only what has that version',
      'conditions: of many who set an absent key at once one wins',
    ],
  ],
  [
    'sorts keys by UTF-16 units',
    () => breakScope('keys', (keys) => async (query) => (await keys(query)).sort()),
    ['keys', 'entries', 'names'],
    [
      'entries: entries are those of the keys, in their order',
      'keys: after keeps the keys that sort behind it, present or not',
      'keys: keys are sorted by code point, whatever the order in which they were set',
      'keys: pages give together all keys, each once',
      'names: odd keys are kept apart, listed as they were set, and deleted one by one',
    ],
  ],
  [
    'keeps what a body wrote before it threw',
    () =>
      breakScope('transaction', (transaction) => (body, options) => {
        let failure: { reason: unknown } | undefined
        const run = transaction(async (own: unknown) => {
          failure = undefined
          return body(own).catch((reason: unknown) => {
            failure = { reason }
          })
        }, options)
        return run.then((value: unknown) => (failure ? Promise.reject(failure.reason) : value))
      }),
    ['transactions', 'update', 'documents'],
    [
      'documents: a step that throws leaves the version before it, whole',
      'transactions: a body that throws writes nothing and passes its error on',
    ],
  ],
  [
    'takes keys that differ in case for one',
    () => {
      const lower =
        (right: Method) =>
        (key: string, ...rest: unknown[]) =>
          right(key.toLowerCase(), ...rest)
      for (const name of ['get', 'find', 'set', 'has', 'delete', 'entry'] as const) breakScope(name, lower)
    },
    ['names', 'values', 'keys'],
    [
      'keys: a prefix keeps the keys that begin with it',
      'keys: clear deletes all keys and says how many',
      'keys: clear with a prefix deletes the keys that begin with it',
      'keys: keys are sorted by code point, whatever the order in which they were set',
      'keys: pages give together all keys, each once',
      'names: an odd key that is not there is missing, whichever of its like are',
      'names: no call takes an empty key, half of a surrogate pair, or what is no string',
      'names: odd keys are kept apart, listed as they were set, and deleted one by one',
    ],
  ],
  [
    'says that it deleted what was not there',
    () =>
      breakScope(
        'delete',
        (remove) =>
          async (...args) =>
            (await remove(...args)) || true,
      ),
    ['values', 'context', 'versions', 'conditions'],
    [
      'context: a deleted key is missing, and can be set again',
      'context: a missing key rejects with KeyNotFoundError when it is got or deleted',
      'context: a storage that was never written is empty, and is missing every key',
      'values: no bytes are a value too',
    ],
  ],
  [
    'gives no value where it cannot give one',
    () =>
      breakScope(
        'get',
        (get) =>
          (...args) =>
            get(...args).catch(() => undefined),
      ),
    ['values', 'codecs', 'documents', 'errors'],
    [
      'codecs: no file makes the codec for objects change a prototype',
      'documents: a schema keeps what is wrong from being written, and says so of what is there',
      'errors: an error names the store, the scope and the key',
      'errors: the message is one sentence on one line',
      'values: a codec that does not exist is refused, both ways',
      'values: a value that does not decode rejects, with the cause, and stays',
    ],
  ],
]

test.each(WRONG)(
  'a store that %s fails where it should',
  async (_, breakStore, abouts, failing) => {
    breakStore()
    const failed = await runCases(listCases(abouts))
    expect(failed).toEqual(failing)
  },
  120_000,
)
