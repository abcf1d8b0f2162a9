/**
 * Whatever the store does on the disk, each of its calls may fail: once, or from then on. What the promise says then
 * must be true, nothing acknowledged may be lost, and the store works again when the disk does.
 *
 * A *run* is one scenario with one fault. It starts from a copy of a prepared store, so that runs do not meet, and all
 * runs of a scenario go on side by side, since most of what a failing store does is wait.
 */

import { createFsFromVolume, Volume } from 'memfs'
import { describe, expect, test } from 'vitest'
import { type FileSystem, openStorage, type Scope, type Storage, StorageError } from '../../lib/index.js'
import { findFlaws } from '../setup/check-store.js'
import { type Fault, FaultyFileSystem } from '../setup/faulty-fs.js'
import { SYSTEM_CODES } from '../setup/system-codes.js'

const ROOT = '/data'

/** Longer than a busy machine may keep the event loop from going round. */
const OPTIONS = { lockTimeout: 7000 }

/** A call that takes longer hangs. */
const HANG_MS = 25_000

/** Runs at the same time; more would make each other late. */
const RUNS_AT_ONCE = 64

/** After so many a scenario ends: they are likely to have one cause. */
const ENOUGH_PROBLEMS = 20

type MemoryFs = FileSystem & typeof import('node:fs')

/** One call that changes a key, and what came of it. */
interface Attempt {
  readonly key: string
  /** Undefined for a delete. */
  readonly value: string | undefined
  readonly done: Promise<unknown>
}

/** What a scenario works with. */
interface World {
  readonly disk: FaultyFileSystem
  /** Opens the store on the failing disk. */
  open(): Promise<Storage>
  set(storage: Storage, key: string, value: string): Promise<unknown>
  remove(storage: Storage, key: string): Promise<unknown>
}

interface Scenario {
  /** The end of a sentence: "when a call fails while …". */
  readonly name: string
  /** On a disk that does not fail, once for all runs. Gives what the keys hold. */
  prepare?(world: World): Promise<void>
  /** On a disk that does not fail, in each run. */
  begin?(world: World): Promise<Storage>
  /** While the fault strikes. Every promise that it gives may reject. */
  act(world: World, storage: Storage): Promise<unknown>
  /** Long scenarios have each fault with one code only, in turn. */
  readonly isLong?: boolean
}

function scopeOf(storage: Storage): Scope {
  return storage.workspace().plugin('acme/weather').storage
}

const text = (length: number, seed: string): string => seed.repeat(length / seed.length)

const LARGE = text(70 * 1024, 'large 1.')

async function prepareSome({ open, set }: World): Promise<void> {
  const storage = await open()
  for (const key of ['old', 'other', 'third']) await set(storage, key, `${key} 1`)
  await set(storage, 'large', LARGE)
  await storage.close()
}

/** What goes through the public `openStorage`, its lock included; the simulation has the other scenarios. */
const SCENARIOS: readonly Scenario[] = [
  { name: 'opening a new store', act: ({ open }) => open() },
  {
    name: 'taking the store and overwriting a value',
    prepare: prepareSome,
    begin: ({ open }) => open(),
    act: ({ set }, storage) => set(storage, 'old', 'old 2'),
    isLong: true,
  },
  {
    name: 'closing',
    prepare: prepareSome,
    begin: async (world) => {
      const storage = await world.open()
      await world.set(storage, 'large', text(70 * 1024, 'large 2.'))
      await world.remove(storage, 'other')
      return storage
    },
    act: (_, storage) => storage.close(),
    isLong: true,
  },
]

describe.each(SCENARIOS)('when a call fails while $name', (scenario) => {
  test('what the promise says is true, and the store works again', { timeout: 60_000 }, async () => {
    const prepared = await prepare(scenario)
    const count = await countCalls(scenario, prepared)
    expect(count).toBeGreaterThanOrEqual(5)
    const faults = listFaults(count, scenario.isLong === true)
    const problems: string[] = []
    const queue = faults.values()
    const work = async (): Promise<void> => {
      for (const fault of queue) {
        if (problems.length > ENOUGH_PROBLEMS) return
        problems.push(...(await new Run(scenario, prepared, fault).run()))
      }
    }
    await Promise.all(Array.from({ length: RUNS_AT_ONCE }, work))
    expect(problems).toEqual([])
  })
})

/** What reads a store that holds what `prepareSome` sets, and its answer. */
const READS: Readonly<Record<string, readonly [(storage: Storage) => Promise<unknown>, unknown]>> = {
  'getting a value': [(storage) => scopeOf(storage).get('old', 'text'), 'old 1'],
  'getting a value of 70 KiB': [(storage) => scopeOf(storage).get('large', 'text'), LARGE],
  'finding no value': [(storage) => scopeOf(storage).find('none'), undefined],
  'reading an entry': [async (storage) => (await scopeOf(storage).entry('old'))?.size, 5],
  'asking whether a key is there': [(storage) => scopeOf(storage).has('old'), true],
  'listing keys': [(storage) => scopeOf(storage).keys(), ['large', 'old', 'other', 'third']],
  'measuring a scope': [(storage) => scopeOf(storage).usage(), { keys: 4, bytes: LARGE.length + 19 }],
  'listing plugins': [(storage) => storage.workspace().plugins(), ['acme/weather']],
  'listing workspaces': [(storage) => storage.workspaces(), ['default']],
}

describe.each(Object.keys(READS))('when a call fails while %s', (name) => {
  test('the answer is the right one, or an error that is not about a missing key', async () => {
    const [read, answer] = READS[name] as (typeof READS)[string]
    const { fs } = await prepare({ name, prepare: prepareSome, act: async () => undefined })
    const disk = new FaultyFileSystem(fs)
    const storage = await openStorage(ROOT, { ...OPTIONS, fs: disk.fs })
    for (const [code, wanted] of Object.entries(SYSTEM_CODES)) {
      for (let after = 0, failures = 1; failures > 0; after += 1) {
        disk.fail({ code, after, isLasting: after % 2 === 0 })
        const found = await read(storage).catch((error: unknown) => error)
        failures = disk.failures
        disk.heal()
        if (found instanceof Error) expect(found).toMatchObject({ name: 'StorageError', code: wanted })
        else expect(found, `${code} in call ${after}`).toEqual(answer)
        expect(await read(storage), `after ${code} in call ${after}`).toEqual(answer)
      }
    }
    await storage.close()
    expect(await findFlaws(ROOT, fs)).toEqual([])
  })
})

/** Each call fails with each code, once and from then on; and each is done once, and reported as failed. */
function listFaults(count: number, isLong: boolean): Fault[] {
  const codes = Object.keys(SYSTEM_CODES)
  return Array.from({ length: count }, (_, after) => after).flatMap((after) => {
    const turn = codes[after % codes.length] as string
    return [
      ...codes
        .filter((code) => !isLong || code === turn)
        .flatMap((code) => [false, true].map((isLasting) => ({ code, after, isLasting }))),
      { code: turn, after, isLasting: false, isReplyLost: true },
    ]
  })
}

interface Prepared {
  readonly fs: MemoryFs
  readonly attempts: readonly Attempt[]
}

function createFs(): MemoryFs {
  return createFsFromVolume(new Volume()) as unknown as MemoryFs
}

async function prepare(scenario: Scenario): Promise<Prepared> {
  const fs = createFs()
  const attempts: Attempt[] = []
  await scenario.prepare?.(createWorld(fs, attempts))
  return { fs, attempts }
}

async function countCalls(scenario: Scenario, prepared: Prepared): Promise<number> {
  const run = new Run(scenario, prepared, { code: 'none', after: Number.POSITIVE_INFINITY, isLasting: false })
  expect(await run.run()).toEqual([])
  return run.callCount
}

function createWorld(fs: MemoryFs, attempts: Attempt[]): World {
  const disk = new FaultyFileSystem(fs)
  const attempt = (key: string, value: string | undefined, done: Promise<unknown>): Promise<unknown> => {
    attempts.push({ key, value, done })
    done.catch(() => undefined)
    return done
  }
  return {
    disk,
    open: () => openStorage(ROOT, { ...OPTIONS, fs: disk.fs }),
    set: (storage, key, value) => attempt(key, value, scopeOf(storage).set(key, value)),
    remove: (storage, key) => attempt(key, undefined, scopeOf(storage).delete(key)),
  }
}

/** The values that a key may have; undefined is none. */
type Possible = ReadonlySet<string | undefined>

/** One scenario with one fault. */
class Run {
  callCount = 0
  readonly #scenario: Scenario
  readonly #fault: Fault
  readonly #fs: MemoryFs
  readonly #attempts: Attempt[]
  readonly #preparedCount: number
  readonly #world: World
  readonly #problems: string[] = []
  #calls: readonly string[] = []

  constructor(scenario: Scenario, prepared: Prepared, fault: Fault) {
    this.#scenario = scenario
    this.#fault = fault
    this.#fs = createFs()
    copyFolder(prepared.fs, this.#fs, ROOT)
    this.#attempts = [...prepared.attempts]
    this.#preparedCount = prepared.attempts.length
    this.#world = createWorld(this.#fs, this.#attempts)
  }

  /** What was wrong. */
  async run(): Promise<string[]> {
    try {
      const storage = await this.#strike()
      const expected = await this.#judge()
      if (storage !== undefined) await this.#checkAfterHealing(storage, expected)
      await this.#checkReopened('first', expected)
      this.#letGetOld()
      await this.#checkReopened('second', expected)
      for (const flaw of await findFlaws(ROOT, this.#fs)) this.#complain(`closed the second time: ${flaw}`)
    } catch (error) {
      this.#complain(`threw ${describeError(error)}`)
    }
    return this.#problems
  }

  /** Gives the store if it is still open. */
  async #strike(): Promise<Storage | undefined> {
    const { disk } = this.#world
    const storage = await this.#scenario.begin?.(this.#world)
    disk.fail(this.#fault)
    const result = await this.#settle('the call', this.#scenario.act(this.#world, storage as Storage))
    this.#calls = [...disk.calls]
    this.callCount = this.#calls.length
    this.#checkError('the call', result.error)
    const own = this.#attempts.slice(this.#preparedCount)
    for (const { key, value, done } of own) await this.#checkVisible(key, value, done)
    disk.heal()
    if (storage !== undefined) return this.#scenario.name === 'closing' ? undefined : storage
    return result.value as Storage | undefined
  }

  /** Resolved means that the plain file is in place already. */
  async #checkVisible(key: string, value: string | undefined, done: Promise<unknown>): Promise<void> {
    const result = await this.#settle(`the write of ${key}`, done)
    this.#checkError(`the write of ${key}`, result.error)
    const isLast = this.#attempts.findLast((attempt) => attempt.key === key)?.done === done
    if (result.error !== undefined || !isLast) return
    const path = `${ROOT}/default/plugins/acme%2Fweather/${key.replace(' ', '%20')}`
    const found = this.#fs.existsSync(path) ? this.#fs.readFileSync(path, 'utf8') : undefined
    if (found !== value) this.#complain(`${key} resolved, and its file holds ${show(found)}`)
  }

  /** What each key may hold, by what its promises said. */
  async #judge(): Promise<Map<string, Possible>> {
    const expected = new Map<string, Possible>()
    for (const { key, value, done } of this.#attempts) {
      const before = expected.get(key) ?? new Set([undefined])
      const outcome = await done.then(
        () => 'committed',
        (error: StorageError) => error.outcome,
      )
      if (outcome === 'committed') expected.set(key, new Set([value]))
      else if (outcome === 'unknown') expected.set(key, new Set([...before, value]))
      else if (outcome === 'none') expected.set(key, before)
      else this.#complain(`the write of ${key} rejected with the outcome ${outcome}`)
    }
    return expected
  }

  async #checkAfterHealing(storage: Storage, expected: Map<string, Possible>): Promise<void> {
    const probe = await this.#settle('a write after healing', scopeOf(storage).set('probe', 'healed'))
    const isBroken = probe.error instanceof StorageError && probe.error.code === 'STORE_BROKEN'
    if (isBroken && this.#attempts.every((attempt) => attempt.key !== 'probe')) expected.delete('probe')
    if (probe.error !== undefined && !isBroken)
      this.#complain(`a write after healing: ${describeError(probe.error)}`)
    if (probe.error === undefined) expected.set('probe', new Set(['healed']))
    await this.#checkValues('after healing', storage, expected)
    const { error } = await this.#settle('the close after healing', storage.close())
    if (error !== undefined) this.#complain(`the close after healing: ${describeError(error)}`)
  }

  /** A work folder without a record may be one that a process is just making, unless it is old. */
  #letGetOld(): void {
    const control = `${ROOT}/.plainkeep`
    const anHourAgo = new Date(Date.now() - 3_600_000)
    const folders = this.#fs.readdirSync(control).filter((name) => name.startsWith('w'))
    for (const name of folders) this.#fs.utimesSync(`${control}/${name}`, anHourAgo, anHourAgo)
  }

  async #checkReopened(time: string, expected: Map<string, Possible>): Promise<void> {
    const fs = new FaultyFileSystem(this.#fs).fs
    const storage = await openStorage(ROOT, { ...OPTIONS, fs })
    await this.#checkValues(`reopened the ${time} time`, storage, expected)
    const last = `again the ${time} time`
    const write = await this.#settle('a write', scopeOf(storage).set('last', last))
    if (write.error !== undefined)
      this.#complain(`a write, opened the ${time} time: ${describeError(write.error)}`)
    expected.set('last', new Set([last]))
    await this.#checkValues(`written the ${time} time`, storage, expected)
    const { error } = await this.#settle('the close', storage.close())
    if (error !== undefined) this.#complain(`the close, opened the ${time} time: ${describeError(error)}`)
  }

  async #checkValues(when: string, storage: Storage, expected: Map<string, Possible>): Promise<void> {
    const scope = scopeOf(storage)
    const keys = await scope.keys()
    for (const [key, possible] of expected) {
      const value = await scope.find(key, 'text')
      if (!possible.has(value))
        this.#complain(`${when}, ${key} is ${show(value)}, not ${[...possible].map(show)}`)
      if (keys.includes(key) !== (value !== undefined)) this.#complain(`${when}, ${key} is listed wrongly`)
      // What was not known is known once the store was opened anew, and must stay.
      if (when !== 'after healing') expected.set(key, new Set([value]))
    }
    for (const key of keys) if (!expected.has(key)) this.#complain(`${when}, there is a key ${key}`)
  }

  #checkError(what: string, error: unknown): void {
    if (error === undefined) return
    const wanted = [SYSTEM_CODES[this.#fault.code], 'STORE_BROKEN']
    if (error instanceof StorageError && wanted.includes(error.code)) return
    this.#complain(`${what} rejected with ${describeError(error)}`)
  }

  async #settle(what: string, promise: Promise<unknown>): Promise<{ value?: unknown; error?: unknown }> {
    let timer: NodeJS.Timeout | undefined
    const hang = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${what} hangs`)), HANG_MS)
    })
    try {
      return { value: await Promise.race([promise, hang]) }
    } catch (error) {
      return { error }
    } finally {
      clearTimeout(timer)
    }
  }

  #complain(problem: string): void {
    const { code, after, isLasting, isReplyLost } = this.#fault
    const call = this.#calls[after] ?? '?'
    const when = `${isLasting ? ' and all after it' : ''}${isReplyLost ? ' that was done' : ''}`
    this.#problems.push(
      `${code} in call ${after} (${call.replaceAll(/[0-9a-f]{24}/g, '…')})${when}: ${problem}`,
    )
  }
}

function show(value: string | undefined): string {
  return value === undefined ? 'none' : JSON.stringify(value.length > 20 ? `${value.slice(0, 20)}…` : value)
}

function describeError(error: unknown): string {
  if (!(error instanceof StorageError))
    return error instanceof Error ? (error.stack ?? error.message) : String(error)
  return `${error.code}, outcome ${error.outcome}: ${error.message}`
}

/** Copies a folder with links and times, from one memory filesystem to another. */
function copyFolder(from: MemoryFs, to: MemoryFs, path: string): void {
  if (!from.existsSync(path)) return
  to.mkdirSync(path)
  for (const { name, isDirectory } of from.readdirSync(path, { withFileTypes: true }).map(describeName)) {
    const child = `${path}/${name}`
    if (isDirectory) {
      copyFolder(from, to, child)
      continue
    }
    const { mtime, mode } = from.statSync(child)
    to.writeFileSync(child, from.readFileSync(child), { mode })
    to.utimesSync(child, mtime, mtime)
  }
}

function describeName(entry: { name: string; isDirectory(): boolean }): {
  name: string
  isDirectory: boolean
} {
  return { name: String(entry.name), isDirectory: entry.isDirectory() }
}
