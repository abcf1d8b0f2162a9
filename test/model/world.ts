/**
 * A store and what it should hold: two scopes as plain maps, several handles on one folder, and the hands of a person.
 *
 * Every step does something to the store, compares what it gives with what the maps say, and does the same to the maps.
 */

import fc from 'fast-check'
import { expect } from 'vitest'
import { encodeFilename } from '../../lib/base/filename.js'
import {
  ConflictError,
  type FileSystem,
  KeyNotFoundError,
  openStorage,
  type Scope,
  type Storage,
  type TransactionScope,
} from '../../lib/index.js'
import { checkStore } from '../setup/check-store.js'

/** A filesystem that a test edits by hand, too. */
export type EditableFs = FileSystem &
  Pick<typeof import('node:fs'), 'existsSync' | 'readFileSync' | 'rmSync' | 'writeFileSync'>

/** What a key holds. */
interface Held {
  readonly bytes: Buffer
  /** Undefined where a person wrote it. */
  readonly version: string | undefined
}

/** What the store should hold. */
interface Model {
  readonly scopes: readonly Map<string, Held>[]
  /** Every version that was ever given. */
  readonly versions: Set<string>
}

/** The store itself. */
interface Real {
  readonly fs: EditableFs
  readonly root: string
  /** The filesystem of each handle: handles of one share an engine, others are like other processes. */
  readonly engines: readonly FileSystem[]
  readonly handles: Storage[]
}

type Step = fc.AsyncCommand<Model, Real>

const KEYS = ['a', 'A', 'ab', 'b', 'a/b', 'é', '😀', 'con']
const key = fc.constantFrom(...KEYS)
const handle = fc.nat({ max: 2 })
const scope = fc.nat({ max: 1 })
const place = { handle, scope, key }
const value = fc.oneof(
  { weight: 6, arbitrary: fc.uint8Array({ maxLength: 20 }) },
  { weight: 1, arbitrary: fc.constant(new Uint8Array()) },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 65_530, max: 65_545 }).map((size) => new Uint8Array(size).fill(7)),
  },
)
const query = fc.record(
  {
    prefix: fc.constantFrom('', 'a', 'b', 'a/', 'x'),
    after: fc.constantFrom('', 'a', 'ab', '😀'),
    limit: fc.nat({ max: 5 }),
  },
  { requiredKeys: [] },
)

/** Names itself for the report of a failure. */
function step<T>(
  name: string,
  input: fc.Arbitrary<T>,
  run: (model: Model, real: Real, input: T) => Promise<void>,
): fc.Arbitrary<Step> {
  return input.map((given) => ({
    check: () => true,
    run: (model: Model, real: Real) => run(model, real, given),
    toString: () => `${name} ${fc.stringify(given)}`,
  }))
}

/** A handle's way to a scope: a plugin's own, or the shared one. */
function scopeOf({ handles }: Real, at: { readonly handle: number; readonly scope: number }): Scope {
  const context = (handles[at.handle % handles.length] as Storage).workspace().plugin('plugin')
  return at.scope === 0 ? context.storage : context.workspace
}

/** Quick also for large values. */
function expectBytes(found: Uint8Array | undefined, wanted: Buffer | undefined): void {
  if (found === undefined || wanted === undefined) expect(found).toBe(wanted)
  else if (!wanted.equals(found)) expect(Buffer.from(found)).toEqual(wanted)
}

const mapOf = (model: Model, index: number): Map<string, Held> => model.scopes[index] as Map<string, Held>

function hold(model: Model, at: { scope: number; key: string }, bytes: Uint8Array, version: string): void {
  expect(model.versions, 'the version was given before').not.toContain(version)
  model.versions.add(version)
  mapOf(model, at.scope).set(at.key, { bytes: Buffer.from(bytes), version })
}

/** The keys of a map that a query asks for; sorted as UTF-8 is. */
function select(
  map: ReadonlyMap<string, Held>,
  { prefix = '', after, limit }: { prefix?: string; after?: string; limit?: number },
): string[] {
  const sorted = [...map.keys()].sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)))
  const isBehind = (each: string): boolean =>
    after === undefined || Buffer.compare(Buffer.from(each), Buffer.from(after)) > 0
  return sorted.filter((each) => each.startsWith(prefix) && isBehind(each)).slice(0, limit)
}

const set = step('set', fc.record({ ...place, value }), async (model, real, given) => {
  hold(model, given, given.value, await scopeOf(real, given).set(given.key, given.value))
})

const setTogether = step(
  'set together',
  fc.record({
    handle,
    scope,
    changes: fc.array(fc.tuple(key, fc.option(value)), { minLength: 2, maxLength: 6 }),
  }),
  async (model, real, { changes, ...at }) => {
    const own = scopeOf(real, at)
    const calls = changes.map(([name, bytes]) => (bytes === null ? own.delete(name) : own.set(name, bytes)))
    const results = await Promise.all(calls)
    for (const [index, [name, bytes]] of changes.entries()) {
      const map = mapOf(model, at.scope)
      if (bytes === null) expect(results[index]).toBe(map.delete(name))
      else hold(model, { ...at, key: name }, bytes, results[index] as string)
    }
  },
)

const remove = step('delete', fc.record(place), async (model, real, given) => {
  expect(await scopeOf(real, given).delete(given.key)).toBe(mapOf(model, given.scope).delete(given.key))
})

const read = step('read', fc.record(place), async (model, real, given) => {
  const own = scopeOf(real, given)
  const held = mapOf(model, given.scope).get(given.key)
  const entry = await own.entry(given.key)
  expect(await own.has(given.key)).toBe(held !== undefined)
  expectBytes(entry?.value, held?.bytes)
  expect(entry?.size).toEqual(held?.bytes.length)
  if (held?.version !== undefined) expect(entry?.version).toBe(held.version)
  if (held === undefined) await expect(own.get(given.key)).rejects.toBeInstanceOf(KeyNotFoundError)
  else expectBytes(await own.get(given.key), held.bytes)
})

const list = step(
  'list',
  fc.record({ handle, scope, query }),
  async (model, real, { query: asked, ...at }) => {
    const map = mapOf(model, at.scope)
    const own = scopeOf(real, at)
    const wanted = select(map, asked)
    expect(await own.keys(asked)).toEqual(wanted)
    const entries: string[] = []
    for await (const entry of own.entries(asked)) {
      expectBytes(entry.value, map.get(entry.key)?.bytes)
      entries.push(entry.key)
    }
    expect(entries).toEqual(wanted)
    const bytes = [...map.values()].reduce((total, held) => total + held.bytes.length, 0)
    expect(await own.usage()).toEqual({ keys: map.size, bytes })
  },
)

const clear = step(
  'clear',
  fc.record({ handle, scope, prefix: fc.constantFrom('', 'a', 'b', 'x') }),
  async (model, real, { prefix, ...at }) => {
    const map = mapOf(model, at.scope)
    const gone = select(map, { prefix })
    expect(await scopeOf(real, at).clear({ prefix })).toBe(gone.length)
    for (const name of gone) map.delete(name)
  },
)

const update = step(
  'update',
  fc.record({ ...place, change: fc.constantFrom('append', 'delete', 'throw') }),
  async (model, real, { change, ...at }) => {
    const own = scopeOf(real, at)
    const map = mapOf(model, at.scope)
    const before = map.get(at.key)
    const seen: (Uint8Array | undefined)[] = []
    const call = own.update(at.key, (present) => {
      seen.push(present)
      if (change === 'throw') throw new RangeError('not now')
      return change === 'delete' ? undefined : Buffer.concat([present ?? Buffer.alloc(0), Buffer.from('+')])
    })
    if (change === 'throw') await expect(call).rejects.toBeInstanceOf(RangeError)
    else await call
    for (const present of seen) expectBytes(present, before?.bytes)
    if (change === 'delete') map.delete(at.key)
    if (change !== 'append') return
    const version = (await own.entry(at.key))?.version as string
    hold(model, at, Buffer.concat([before?.bytes ?? Buffer.alloc(0), Buffer.from('+')]), version)
  },
)

/** With the version that is there, with one that was there, or for a key that must hold nothing. */
const swap = step(
  'swap',
  fc.record({ ...place, value: fc.option(value), by: fc.constantFrom('present', 'past', 'absent') }),
  async (model, real, { value: bytes, by, ...at }) => {
    const own = scopeOf(real, at)
    const map = mapOf(model, at.scope)
    const present = (await own.entry(at.key))?.version
    const past = [...model.versions].find((version) => version !== present) ?? 'no version'
    const ifVersion = by === 'past' ? past : (present ?? 'no version')
    const condition = by === 'absent' ? { ifAbsent: true } : { ifVersion }
    const holds = by === 'absent' ? present === undefined : ifVersion === present
    if (bytes === null && by !== 'absent') {
      const call = own.delete(at.key, { ifVersion })
      if (!holds) return expect(call).rejects.toBeInstanceOf(ConflictError)
      expect(await call).toBe(true)
      map.delete(at.key)
      return
    }
    const call = own.set(at.key, bytes ?? new Uint8Array(3), condition)
    if (!holds) return expect(call).rejects.toBeInstanceOf(ConflictError)
    hold(model, at, bytes ?? new Uint8Array(3), await call)
  },
)

const action = fc.oneof(fc.constant('read' as const), fc.constant('delete' as const), value)

/** Reads and writes over both scopes: the transaction sees what it wrote, and others do if it does not throw. */
const transact = step(
  'transaction',
  fc.record({
    handle,
    actions: fc.array(fc.record({ scope, key, action }), { minLength: 1, maxLength: 6 }),
    fails: fc.boolean(),
  }),
  async (model, real, { actions, fails, ...by }) => {
    const storage = real.handles[by.handle % real.handles.length] as Storage
    const call = storage.transaction(async (tx) => {
      const drafts = model.scopes.map((map) => new Map(map))
      for (const { action, ...at } of actions) {
        const own = tx.scope(scopeOf(real, { ...by, ...at }))
        await act(own, drafts[at.scope] as Map<string, Held>, at.key, action)
      }
      if (fails) throw new RangeError('not now')
      return drafts
    })
    if (fails) return expect(call).rejects.toBeInstanceOf(RangeError)
    const drafts = await call
    for (const [index, draft] of drafts.entries())
      await keepDraft(model, real, { ...by, scope: index }, draft)
  },
)

async function act(
  own: TransactionScope,
  draft: Map<string, Held>,
  name: string,
  action: 'read' | 'delete' | Uint8Array,
): Promise<void> {
  if (action === 'read') {
    const found = await own.find(name)
    expectBytes(found, draft.get(name)?.bytes)
    expect(await own.keys()).toEqual(select(draft, {}))
  } else if (action === 'delete') {
    expect(await own.delete(name)).toBe(draft.delete(name))
  } else {
    await own.set(name, action)
    draft.set(name, { bytes: Buffer.from(action), version: undefined })
  }
}

/** What a transaction has written gets the versions that the store gave it. */
async function keepDraft(
  model: Model,
  real: Real,
  at: { readonly handle: number; readonly scope: number },
  draft: ReadonlyMap<string, Held>,
): Promise<void> {
  const map = mapOf(model, at.scope)
  for (const name of [...map.keys()]) if (!draft.has(name)) map.delete(name)
  for (const [name, held] of draft) {
    if (map.get(name) === held) continue
    const version = (await scopeOf(real, at).entry(name))?.version as string
    hold(model, { ...at, key: name }, held.bytes, version)
  }
}

/** What a person does: an editor that writes in place, one that writes another file and moves it there, and `rm`. */
const edit = step(
  'edit by hand',
  fc.record({
    scope,
    key,
    value: fc.uint8Array({ maxLength: 20 }),
    how: fc.constantFrom('write', 'replace', 'remove'),
  }),
  async (model, real, { value: bytes, how, ...at }) => {
    const { path, store } = scopeOf(real, { handle: 0, ...at })
    const file = `${path}/${encodeFilename(at.key)}`
    if (!real.fs.existsSync(path)) return
    if (how === 'remove') {
      real.fs.rmSync(file, { force: true })
      mapOf(model, at.scope).delete(at.key)
      return
    }
    real.fs.writeFileSync(how === 'write' ? file : `${store}/draft`, bytes)
    if (how === 'replace') real.fs.renameSync(`${store}/draft`, file)
    mapOf(model, at.scope).set(at.key, { bytes: Buffer.from(bytes), version: undefined })
  },
)

const reopen = step('close and open', handle, async (_, real, number) => {
  const index = number % real.handles.length
  await real.handles[index]?.close()
  real.handles[index] = await openStorage(real.root, { fs: real.engines[index] })
})

/** What a person does not notice: the store is looked over, and told to repair itself. */
const check = step('check', handle, async (model, real, number) => {
  const storage = real.handles[number % real.handles.length] as Storage
  const { keys, isSound, findings } = await storage.check()
  expect(keys).toBe(model.scopes.reduce((total, map) => total + map.size, 0))
  expect([isSound, findings.filter(({ kind }) => kind !== 'wide-permissions')]).toEqual([true, []])
  expect((await storage.repair()).repaired).toEqual([])
})

/** Sequences of steps, and their parts when one fails. */
export const steps: fc.Arbitrary<Iterable<Step>> = fc.commands(
  [set, set, setTogether, remove, read, read, list, clear, update, swap, transact, edit, edit, reopen, check],
  { maxCommands: 40, size: '+1' },
)

/** Runs a sequence on a new store, and looks over all that is there at the end. */
export async function runSteps(
  fs: EditableFs,
  root: string,
  engines: readonly FileSystem[],
  sequence: Iterable<Step>,
): Promise<void> {
  const handles = await Promise.all(engines.map((engine) => openStorage(root, { fs: engine })))
  const model: Model = { scopes: [new Map(), new Map()], versions: new Set() }
  const real: Real = { fs, root, engines, handles }
  try {
    await fc.asyncModelRun(() => ({ model, real }), sequence)
    for (const handle of handles.keys())
      for (const index of model.scopes.keys()) await compare(model, real, { handle, scope: index })
  } finally {
    await Promise.all(handles.map((each) => each.close()))
  }
  await checkStore(root, fs)
}

/** A scope holds what its map says, for the library and as plain files. */
async function compare(model: Model, real: Real, at: { handle: number; scope: number }): Promise<void> {
  const own = scopeOf(real, at)
  const map = mapOf(model, at.scope)
  expect(await own.keys()).toEqual(select(map, {}))
  for (const [name, { bytes }] of map) {
    expectBytes(await own.get(name), bytes)
    expectBytes(real.fs.readFileSync(`${own.path}/${encodeFilename(name)}`), bytes)
  }
}
