/** One random schedule of several processes over one disk in memory, and what is wrong afterwards. */

import { vi } from 'vitest'
import { StorageError } from '../../lib/base/errors.js'
import { type CutStyle, MemoryDisk } from './memory-disk.js'
import { Random } from './random.js'
import type { DiskCall } from './staged-disk.js'
import { Machine, SCOPE, type StoreProcess, timeOfVersion } from './store-process.js'

/** What a schedule may do beside letting calls through. */
export interface Hazards {
  /** How many processes may die. */
  readonly crashes: number
  /** How many times the power may fail. */
  readonly cuts: number
  /** How probable it is that one who asks for the lock finds it stale. */
  readonly steals: number
}

const PROCESSES = 3
const COMMITS = 4
const ROOT = '/store'

/** A call that a process waits for. */
interface Held {
  readonly actor: Actor
  readonly call: DiskCall
  isPinned: boolean
  act(): void
}

/** A commit that was asked for, and what is known of it. */
interface Attempt {
  readonly actor: string
  readonly number: number
  readonly values: Readonly<Record<string, string | undefined>>
  outcome: 'pending' | 'done' | 'none' | 'unknown'
  revision?: number
  readonly times: Map<string, bigint>
}

interface Actor {
  readonly name: string
  readonly process: StoreProcess
  isDead: boolean
  isBusy: boolean
  isOpen: boolean
  isClosed: boolean
  commits: number
}

/** Runs one schedule. */
export class Simulation {
  readonly random: Random
  readonly trace: string[] = []
  readonly #hazards: Hazards
  readonly #disk: MemoryDisk
  readonly #machine: Machine
  readonly #problems: string[] = []
  readonly #attempts: Attempt[] = []
  #held: Held[] = []
  readonly #actors: Actor[] = []
  #crashes: number
  #cuts: number
  #started = 0
  #steps = 0
  #isEnding = false

  constructor(seed: number, hazards: Hazards) {
    this.random = new Random(seed)
    this.#hazards = hazards
    this.#crashes = hazards.crashes
    this.#cuts = hazards.cuts
    vi.setSystemTime(1_700_000_000_000)
    this.#disk = new MemoryDisk(() => Date.now())
    this.#disk.makeFolder(ROOT, 0o700)
    void this.#disk.syncFolder('/')
    this.#machine = new Machine(ROOT, this.#disk, (path) => this.#disk.pin(path))
    this.#machine.nowMs = () => Date.now()
    this.#machine.lockState = () =>
      !this.#isEnding && this.random.chance(this.#hazards.steals) ? 'stale' : undefined
  }

  /** What is wrong, in sentences; empty if all is well. */
  async run(): Promise<readonly string[]> {
    for (let index = 0; index < PROCESSES; index += 1) this.#start()
    while (this.#problems.length === 0 && !this.#isOver()) await this.#step()
    if (this.#problems.length === 0) await this.#checkEnd()
    for (const { isDead, process } of this.#actors) if (isDead) process.crash()
    this.#machine.scrap()
    return this.#problems
  }

  #start(): void {
    const process = this.#machine.start()
    this.#started += 1
    const actor: Actor = {
      name: `P${process.pid}`,
      process,
      isDead: false,
      isBusy: false,
      isOpen: false,
      isClosed: false,
      commits: 0,
    }
    process.disk.intercept = (call, perform) => this.#hold(actor, call, perform)
    this.#actors.push(actor)
  }

  #hold(actor: Actor, call: DiskCall, perform: () => Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const act = (): void => {
        void perform().then(
          (result) => {
            this.#note(actor, call, 'ok')
            resolve(result)
          },
          (error: Error) => {
            this.#note(actor, call, error.message)
            reject(error)
          },
        )
      }
      this.#held.push({ actor, call, isPinned: false, act })
    })
  }

  #note(actor: Actor, { operation, paths }: DiskCall, result: string): void {
    const places = paths.map((path) => path.replace(`${ROOT}/`, '').replace('.plainkeep/', ''))
    this.trace.push(`${actor.name} ${operation} ${places.join(' ')} -> ${result}`)
  }

  #isOver(): boolean {
    return this.#actors.every((actor) => actor.isDead || actor.isClosed)
  }

  /** One choice: a call acts, or looks its folder up, or time passes, or something breaks. */
  async #step(): Promise<void> {
    this.#steps += 1
    if (this.#steps > 6000) this.#isEnding = true
    if (this.#steps > 20_000) this.#problems.push('The schedule does not end.')
    for (const actor of this.#actors) this.#goOn(actor)
    await settle()
    if (this.#crashes > 0 && this.random.chance(0.004)) this.#crash(this.random.pick(this.#actors))
    if (this.#cuts > 0 && this.random.chance(0.002)) return this.#cut()
    if (this.#held.length === 0 || this.random.chance(0.02)) vi.advanceTimersToNextTimer()
    else this.#release()
    await settle()
  }

  #release(): void {
    const index = this.random.below(Math.min(this.#held.length, this.random.chance(0.5) ? 1 : 99))
    const held = this.#held[index] as Held
    if (!held.isPinned && isSplittable(held.call) && this.random.chance(0.3)) {
      held.isPinned = true
      try {
        held.call.pin()
        this.#note(held.actor, held.call, 'looked up')
        if (this.random.chance(0.5)) this.#held.push(...this.#held.splice(index, 1))
        return
      } catch {} // it acts now, and fails
    }
    this.#held.splice(index, 1)
    held.act()
  }

  /** A process that has nothing to do opens the store, commits, or closes it. */
  #goOn(actor: Actor): void {
    if (actor.isDead || actor.isBusy || actor.isClosed) return
    if (!actor.isOpen)
      this.#do(actor, async () => void (await actor.process.open({ lockTimeoutMs: 1e9 })), 'isOpen')
    else if (actor.commits < COMMITS) this.#commitSome(actor)
    else this.#do(actor, () => actor.process.close(), 'isClosed')
  }

  #do(actor: Actor, body: () => Promise<void>, flag: 'isOpen' | 'isClosed'): void {
    actor.isBusy = true
    body().then(
      () => {
        actor[flag] = true
        actor.isBusy = false
      },
      (error: unknown) => this.#problems.push(`${actor.name} cannot open or close: ${describe(error)}`),
    )
  }

  #commitSome(actor: Actor): void {
    actor.isBusy = true
    const count = 1 + this.random.below(2)
    const attempts = Array.from({ length: count }, () => this.#attempt(actor))
    void Promise.all(attempts).then(() => {
      if (this.random.chance(0.3)) setTimeout(() => this.#rest(actor), this.random.below(3000))
      else actor.isBusy = false
    })
  }

  #rest(actor: Actor): void {
    actor.isBusy = false
  }

  async #attempt(actor: Actor): Promise<void> {
    actor.commits += 1
    const number = this.#attempts.length + 1
    const values = this.#choose(actor, String(number))
    const attempt: Attempt = { actor: actor.name, number, values, outcome: 'pending', times: new Map() }
    this.#attempts.push(attempt)
    this.trace.push(`${actor.name} begins ${number} ${JSON.stringify(values, (_, value) => value ?? null)}`)
    try {
      const { revision, results } = await actor.process.commit(values)
      attempt.outcome = 'done'
      if (revision !== undefined) attempt.revision = revision
      Object.keys(values).forEach((key, index) => {
        if (results[index]?.version !== undefined)
          attempt.times.set(key, timeOfVersion(results[index].version))
      })
      this.trace.push(`${actor.name} has done ${number} as revision ${revision}`)
    } catch (error) {
      attempt.outcome =
        error instanceof StorageError && error.outcome !== undefined ? readOutcome(error.outcome) : 'unknown'
      this.trace.push(`${actor.name} could not do ${number}: ${describe(error)}`)
      const isExpected =
        error instanceof StorageError && (error.code === 'FENCED' || error.code === 'LOCK_TIMEOUT')
      if (!isExpected) this.#problems.push(`Commit ${number} failed: ${describe(error)}`)
    }
  }

  /** Keys of its own, two that always change together, and one that everybody writes. */
  #choose(actor: Actor, value: string): Record<string, string | undefined> {
    const own = (key: string): string => `${actor.name.toLowerCase()}-${key}`
    switch (this.random.below(5)) {
      case 0:
        return { common: value }
      case 1:
        return { [own('a')]: this.random.chance(0.4) ? undefined : value }
      case 2:
        return { [own('b')]: value.repeat(this.random.below(40) + 1) }
      case 3:
        return { left: value, right: value }
      default:
        return this.random.chance(0.3)
          ? { left: undefined, right: undefined, common: value }
          : { left: value, right: value, [own('a')]: value }
    }
  }

  #crash(actor: Actor): void {
    if (actor.isDead || actor.isClosed) return
    this.#crashes -= 1
    this.#kill(actor)
    if (this.#started < PROCESSES + 3) this.#start()
  }

  #kill(actor: Actor): void {
    actor.isDead = true
    actor.process.crash()
    this.#held = this.#held.filter((held) => held.actor !== actor || this.#landsAnyway(held))
    this.trace.push(`${actor.name} dies`)
  }

  /** A call that is inside the kernel is done to its end. */
  #landsAnyway({ isPinned }: Held): boolean {
    return isPinned && this.random.chance(0.5)
  }

  #cut(): void {
    this.#cuts -= 1
    for (const actor of this.#actors) if (!actor.isClosed && !actor.isDead) this.#kill(actor)
    this.#held = []
    const style: CutStyle = this.random.chance(0.5) ? 'each by itself' : 'all from some point on'
    this.#disk.cutPower(this.random, style)
    this.#machine.reboot()
    this.trace.push(`the power fails: of what was not synced is lost ${style}`)
    for (const attempt of this.#attempts) if (attempt.outcome === 'pending') attempt.outcome = 'unknown'
    const count = 1 + this.random.below(2)
    for (let index = 0; index < count; index += 1) this.#start()
  }

  async #checkEnd(): Promise<void> {
    this.#isEnding = true
    this.trace.push('the end')
    const last = this.#machine.start()
    last.disk.intercept = async (call, perform) => {
      try {
        const result = await perform()
        this.#note({ name: 'Last' } as Actor, call, 'ok')
        return result
      } catch (error) {
        this.#note({ name: 'Last' } as Actor, call, describe(error))
        throw error
      }
    }
    const open = await drive(last.open())
    const keys = new Set(this.#attempts.flatMap(({ values }) => Object.keys(values)))
    for (const key of keys) await this.#checkKey(open, key)
    const [left, right] = [await open.get('left'), await open.get('right')]
    if (left !== right) this.#problems.push(`A commit is half done: left is ${left}, right is ${right}.`)
    vi.setSystemTime(Date.now() + 3_600_000) // whatever is to be swept when it is old, is old
    const { revision = 0 } = await drive(open.set('last', 'x'))
    this.#checkRevisions(revision)
    await drive(new Promise((resolve) => setTimeout(resolve, 200))) // it looks around while it rests
    await drive(open.close())
    const control = `${ROOT}/.plainkeep`
    const strange = (this.#disk.listNames(control) ?? []).filter(
      (name) => !/^(format\.json|[cf]\d+|kept-[-0-9a-f]+)$/.test(name),
    )
    const contents = strange.map((name) => `${name}: ${this.#disk.listNames(`${control}/${name}`)}`)
    if (contents.length > 0) this.#problems.push(`Left behind: ${contents.join(' ')}`)
  }

  #checkRevisions(last: number): void {
    const done = this.#attempts.filter(({ revision }) => revision !== undefined)
    const revisions = new Set(done.map(({ revision }) => revision))
    const unknown = this.#attempts.filter(
      ({ outcome }) => outcome === 'unknown' || outcome === 'pending',
    ).length
    if (revisions.size < done.length)
      this.#problems.push(`A revision was given twice: ${done.map(({ revision }) => revision)}`)
    if (Math.max(0, ...done.map(({ revision = 0 }) => revision)) >= last)
      this.#problems.push(`Revision ${last} is not the last.`)
    const gap = last - 1 - done.length
    if (gap < 0 || gap > unknown)
      this.#problems.push(
        `The last revision is ${last} after ${done.length} commits and ${unknown} unknown ones.`,
      )
  }

  /** What a key holds must come from its last commit that was done, or from an unknown one that is later. */
  async #checkKey(open: StoreProcess, key: string): Promise<void> {
    const value = await open.get(key)
    const stat = await open.engine.stat(SCOPE, key)
    const writers = this.#attempts.filter(({ values, outcome }) => key in values && outcome !== 'none')
    const done = writers.filter(({ outcome, revision }) => outcome === 'done' && revision !== undefined)
    const last = done.reduce<Attempt | undefined>(
      (top, each) => ((each.revision ?? 0) > (top?.revision ?? 0) ? each : top),
      undefined,
    )
    const unknown = writers.filter(({ outcome }) => outcome === 'unknown' || outcome === 'pending')
    if (value === last?.values[key]) {
      if (value === undefined || timeOfVersion(stat?.version) === last?.times.get(key)) return
      return void this.#problems.push(`${key} has another version than the one of commit ${last?.number}.`)
    }
    const match = unknown.find(({ values }) => values[key] === value)
    const isLater = value === undefined || timeOfVersion(stat?.version) > (last?.times.get(key) ?? 0n)
    const isOwnOrder =
      match === undefined || last === undefined || match.actor !== last.actor || match.number > last.number
    if (match !== undefined && isLater && isOwnOrder) return
    this.#problems.push(
      `${key} is ${value}, but commit ${last?.number} (revision ${last?.revision}) left ${last?.values[key]}; unknown are ${unknown.map(({ number }) => number)}.`,
    )
  }
}

function isSplittable({ operation }: DiskCall): boolean {
  return [
    'rename',
    'link',
    'unlink',
    'createFile',
    'makeSpare',
    'removeFolder',
    'makeFolder',
    'openFile',
  ].includes(operation)
}

function readOutcome(outcome: string): Attempt['outcome'] {
  if (outcome === 'committed') return 'done'
  return outcome === 'none' ? 'none' : 'unknown'
}

function describe(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? ` (${String(error.cause)})` : ''
  return String(error) + cause
}

/** Whatever can go on without the scheduler has gone on. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

/** Lets time pass until a promise is settled. */
async function drive<T>(promise: Promise<T>): Promise<T> {
  let isSettled = false
  const settled = promise.finally(() => {
    isSettled = true
  })
  settled.catch(() => {})
  for (let round = 0; !isSettled && round < 20_000; round += 1) {
    await settle()
    if (!isSettled) vi.advanceTimersToNextTimer()
  }
  if (!isSettled) throw new Error('It never ends.')
  return settled
}
