/**
 * One random schedule: several processes over one disk, whose operations go through one at a time, in any order and with
 * pauses of any length between them; one that names a path may look its folder up first and act long afterwards. Processes
 * die, locks are given to everybody, the power fails. What was told must be true in the end; see tally.ts.
 */

import type { ScopeId } from '../../lib/base/scope-id.js'
import { decodeTime } from '../../lib/commit/version.js'
import { cutAtRandom, loseUnflushed } from '../setup/power-cut.js'
import { Random } from '../setup/random.js'
import { Clock, makeEmptyImage, SimulatedDisk } from '../setup/simulated-disk.js'
import { QUICK_CALLS } from '../setup/simulated-fs.js'
import { LAYOUT, ROOT, SimulatedMachine, type SimulatedProcess } from '../setup/simulated-process.js'
import { type DiskCall, StagedDisk } from '../setup/staged-disk.js'
import { advanceTime, drive, settleTurn } from '../setup/virtual-time.js'
import { readFiles } from './history.js'
import { describe, Tally } from './tally.js'

/** What a schedule may do beside letting operations through. */
export interface Hazards {
  readonly processes: number
  /** How many processes may die. */
  readonly crashes: number
  /** How many times the power may fail. */
  readonly cuts: number
  /** How probable it is, at each step, that the lock is stale for whoever asks. */
  readonly steals: number
  /** How probable it is, at each step, that a process is stopped for a while. */
  readonly pauses: number
}

const SHARED: ScopeId = { workspace: 'default' }
const TASKS = 4
const TOTAL = 100

/** An operation that a process waits for. */
interface Held {
  readonly actor: Actor
  readonly call: DiskCall
  isPinned: boolean
  act(): void
}

interface Actor {
  readonly name: string
  readonly process: SimulatedProcess
  readonly disk: StagedDisk
  state: 'new' | 'busy' | 'idle' | 'closed' | 'dead'
  tasks: number
  /** Stopped until so many steps were made. */
  stoppedUntil: number
}

/** Runs one schedule. */
export class Schedule {
  readonly trace: string[] = []
  readonly #random: Random
  readonly #hazards: Hazards
  readonly #tally = new Tally()
  readonly #actors: Actor[] = []
  #machine: SimulatedMachine
  #held: Held[] = []
  #crashes: number
  #cuts: number
  #steps = 0
  #calls = 0
  #isEnding = false

  /** The same seed and hazards make the same schedule. `Math.random` is seeded too. */
  constructor(seed: number, hazards: Hazards) {
    this.#random = new Random(seed)
    Math.random = () => this.#random.next()
    this.#hazards = hazards
    this.#crashes = hazards.crashes
    this.#cuts = hazards.cuts
    const ordering = this.#random.chance(0.5) ? 'scattered' : 'ordered'
    this.#machine = new SimulatedMachine(makeEmptyImage(ordering), { boot: 1, firstPid: 1 })
  }

  /** What is wrong, in sentences; empty if all is well. */
  async run(): Promise<readonly string[]> {
    const { problems } = this.#tally
    try {
      for (let index = 0; index < this.#hazards.processes; index += 1) this.#start()
      while (problems.length === 0 && !this.#isOver()) await this.#step()
      if (problems.length === 0) await this.#checkEnd()
    } finally {
      for (const { process } of this.#actors) process.files.disconnect()
    }
    return problems
  }

  #start(): Actor {
    let staged: StagedDisk | undefined
    const process = this.#machine.start(QUICK_CALLS, (disk) => {
      staged = new StagedDisk(disk, (path) => this.#machine.disk.pin(path))
      return staged
    })
    const disk = staged as unknown as StagedDisk
    const actor: Actor = { name: `P${process.pid}`, process, disk, state: 'new', tasks: 0, stoppedUntil: 0 }
    disk.intercept = (call, perform) => this.#hold(actor, call, perform)
    this.#actors.push(actor)
    return actor
  }

  #hold(actor: Actor, call: DiskCall, perform: () => Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const act = (): void => {
        this.#calls += 1
        void perform().then(
          (result) => {
            this.#note(actor.name, call, 'ok')
            resolve(result)
          },
          (error: Error) => {
            this.#note(actor.name, call, error.message)
            reject(error)
          },
        )
      }
      this.#held.push({ actor, call, isPinned: false, act })
    })
  }

  #note(name: string, { operation, paths }: DiskCall, result: string): void {
    const places = paths.map((path) => path.replace(`${ROOT}/`, '').replace('.plainkeep/', ''))
    this.trace.push(`${name} ${operation} ${places.join(' ')} -> ${result}`)
  }

  #isOver(): boolean {
    return this.#actors.every(({ state }) => state === 'dead' || state === 'closed')
  }

  /** One choice: an operation acts, or looks its folder up, or time passes, or something breaks. */
  async #step(): Promise<void> {
    const random = this.#random
    this.#steps += 1
    if (this.#steps > 6000) this.#isEnding = true
    if (this.#steps > 30_000) this.#tally.complain('The schedule does not end.')
    this.#machine.isLockStale = !this.#isEnding && random.chance(this.#hazards.steals)
    for (const actor of this.#actors) this.#goOn(actor)
    await settleTurn()
    if (this.#crashes > 0 && random.chance(0.004)) this.#crash(random.pick(this.#actors))
    if (this.#cuts > 0 && random.chance(0.002)) return this.#cut()
    if (!this.#isEnding && random.chance(this.#hazards.pauses))
      random.pick(this.#actors).stoppedUntil = this.#steps + random.below(300)
    const ready = this.#held.filter(({ actor }) => actor.stoppedUntil <= this.#steps)
    if (ready.length === 0 || random.chance(0.02)) advanceTime()
    else this.#release(ready)
  }

  #release(ready: readonly Held[]): void {
    const random = this.#random
    const held = random.chance(0.5) ? (ready[0] as Held) : random.pick(ready)
    const index = this.#held.indexOf(held)
    if (!held.isPinned && PINNED.includes(held.call.operation) && random.chance(0.3)) {
      held.isPinned = true
      try {
        held.call.pin()
        this.#note(held.actor.name, held.call, 'looked up')
        if (random.chance(0.5)) this.#held.push(...this.#held.splice(index, 1))
        if (random.chance(this.#hazards.pauses * 20))
          held.actor.stoppedUntil = this.#steps + random.below(600)
        return
      } catch {} // it acts now, and fails
    }
    this.#held.splice(index, 1)
    held.act()
  }

  /** A process that has nothing to do opens the store, does something, or closes it. */
  #goOn(actor: Actor): void {
    if (actor.state === 'new') this.#do(actor, 'idle', () => actor.process.open())
    else if (actor.state !== 'idle') return
    else if (actor.tasks >= TASKS) this.#do(actor, 'closed', () => actor.process.engine.close())
    else this.#do(actor, 'idle', () => this.#work(actor))
  }

  #do(actor: Actor, next: Actor['state'], body: () => Promise<unknown>): void {
    actor.state = 'busy'
    body().then(
      () => {
        if (actor.state === 'busy') actor.state = next
      },
      (error: unknown) => this.#tally.complain(`${actor.name} cannot go on: ${describe(error)}`),
    )
  }

  async #work(actor: Actor): Promise<void> {
    const count = 1 + this.#random.below(2)
    actor.tasks += count
    await Promise.all(Array.from({ length: count }, () => this.#chooseTask(actor)))
    if (this.#random.chance(0.3))
      await new Promise((resolve) => setTimeout(resolve, this.#random.below(3000)))
  }

  #chooseTask(actor: Actor): Promise<void> {
    switch (this.#random.below(8)) {
      case 0:
        return this.#count(actor)
      case 1:
        return this.#readCount(actor)
      case 2:
        return this.#transfer(actor)
      case 3:
        return this.#compareAndSet(actor)
      default:
        return this.#commit(actor)
    }
  }

  async #count(actor: Actor): Promise<void> {
    const end = this.#tally.beginCount()
    this.#tally.countOther()
    const { shared } = actor.process.storage.workspace()
    try {
      end('done', await shared.update('count', (count: unknown) => Number(count ?? 0) + 1, { codec: 'json' }))
    } catch (error) {
      end(this.#tally.readOutcome(`${actor.name}: counting`, error))
    }
  }

  async #readCount(actor: Actor): Promise<void> {
    const least = this.#tally.leastCount
    const count = await actor.process.storage.workspace().shared.find('count', 'json')
    this.#tally.checkCount(Number(count ?? 0), least)
  }

  /** Moves some of what two scopes have together. */
  async #transfer(actor: Actor): Promise<void> {
    this.#tally.countOther()
    const amount = 1 + this.#random.below(5)
    try {
      await actor.process.storage.transaction(async (transaction) => {
        const [from, to] = BANKS.map((scope) =>
          transaction.scope(actor.process.storage.workspace().plugin(scope).storage),
        )
        const left = Number((await from?.find('account', 'json')) ?? TOTAL)
        const right = Number((await to?.find('account', 'json')) ?? 0)
        if (left + right !== TOTAL) throw new Error(`The accounts hold ${left} and ${right}.`)
        await from?.set('account', left - amount, { codec: 'json' })
        await to?.set('account', right + amount, { codec: 'json' })
      })
    } catch (error) {
      this.#tally.readOutcome(`${actor.name}: a transfer`, error)
    }
  }

  async #compareAndSet(actor: Actor): Promise<void> {
    this.#tally.countOther()
    const { shared } = actor.process.storage.workspace()
    const version = (await shared.entry('compared'))?.version
    const condition = version === undefined ? { ifAbsent: true } : { ifVersion: version }
    const what = `${actor.name} at ${this.#steps}`
    try {
      await shared.set('compared', what, condition)
      this.#tally.keepCondition(version, what)
    } catch (error) {
      this.#tally.readOutcome(what, error)
    }
  }

  async #commit(actor: Actor): Promise<void> {
    const { attempts } = this.#tally
    const number = attempts.length + 1
    const values = this.#chooseValues(actor, String(number))
    const attempt: Tally['attempts'][number] = {
      actor: actor.name,
      number,
      values,
      beganAt: this.#calls,
      outcome: 'pending',
      times: new Map(),
    }
    attempts.push(attempt)
    this.trace.push(`${actor.name} begins ${number} ${JSON.stringify(values, (_, value) => value ?? null)}`)
    const changes = Object.entries(values).map(([key, value]) => ({
      scope: SHARED,
      key,
      value: value === undefined ? undefined : Buffer.from(value),
    }))
    try {
      const { revision, results } = await actor.process.engine.commit({ changes })
      attempt.outcome = 'done'
      attempt.endedAt = this.#calls
      if (revision !== undefined) attempt.revision = revision
      for (const [index, { key }] of changes.entries()) {
        const version = results[index]?.version
        if (version !== undefined) attempt.times.set(key, decodeTime(version))
      }
      this.trace.push(`${actor.name} has done ${number} as revision ${revision}`)
    } catch (error) {
      this.trace.push(`${actor.name} could not do ${number}: ${describe(error)}`)
      attempt.outcome = this.#tally.readOutcome(`Commit ${number}`, error)
      attempt.endedAt = this.#calls
    }
  }

  /** Keys of its own, two that always change together, and one that everybody writes. */
  #chooseValues(actor: Actor, value: string): Record<string, string | undefined> {
    const random = this.#random
    const own = (key: string): string => `${actor.name.toLowerCase()}-${key}`
    switch (random.below(6)) {
      case 0:
        return { common: random.chance(0.6) ? undefined : value }
      case 1:
        return { [own('a')]: random.chance(0.4) ? undefined : value }
      case 2:
        return { [own('b')]: value.repeat(random.below(40) + 1) }
      case 3:
        return { left: value, right: value }
      case 4:
        return { [own('c')]: value.padEnd(70_000, '.') }
      default:
        return random.chance(0.3)
          ? { left: undefined, right: undefined, common: value }
          : { left: value, right: value, [own('a')]: value }
    }
  }

  #crash(actor: Actor): void {
    if (actor.state === 'dead' || actor.state === 'closed') return
    this.#crashes -= 1
    this.#kill(actor)
    if (this.#actors.length < this.#hazards.processes + 3) this.#start()
  }

  #kill(actor: Actor): void {
    actor.state = 'dead'
    this.#tally.abandon(actor.name, this.#calls)
    actor.disk.disconnect()
    this.#machine.bury(actor.process.pid)
    // An operation that is inside the kernel may be done to its end.
    this.#held = this.#held.filter(
      (held) => held.actor !== actor || (held.isPinned && this.#random.chance(0.5)),
    )
    this.trace.push(`${actor.name} dies`)
  }

  #cut(): void {
    this.#cuts -= 1
    for (const actor of this.#actors)
      if (actor.state !== 'closed' && actor.state !== 'dead') this.#kill(actor)
    this.#held = []
    const { disk, nextPid, options } = this.#machine
    const image = cutAtRandom(disk.image, this.#random)
    const startUs = disk.clock.us + 1_000_000
    this.#machine = new SimulatedMachine(image, { boot: options.boot + 1, firstPid: nextPid, startUs })
    this.trace.push('the power fails')
    for (let count = 1 + this.#random.below(2); count > 0; count -= 1) this.#start()
  }

  async #checkEnd(): Promise<void> {
    this.#isEnding = true
    this.#machine.isLockStale = false
    this.trace.push('the end')
    const last = this.#start()
    last.disk.intercept = undefined
    await drive(this.#checkValues(last.process))
    await drive(last.process.engine.close())
    const control = this.#machine.disk.find(LAYOUT.control)
    const names = control?.kind === 'folder' ? [...control.names.keys()] : []
    const left = names.filter((name) => !/^(format\.json|[cf]\d+|kept-\d+)$/.test(name))
    if (left.length > 0) this.#tally.complain(`Left behind: ${left.join(' ')}`)
    const flushed = readFiles(new SimulatedDisk(loseUnflushed(this.#machine.disk.image), new Clock()))
    for (const [path, { content }] of readFiles(this.#machine.disk))
      if (flushed.get(path)?.content !== content) this.#tally.complain(`Closed, ${path} is not on the disk.`)
  }

  async #checkValues(process: SimulatedProcess): Promise<void> {
    const { engine, storage } = await process.open()
    const tally = this.#tally
    const read = async (key: string): Promise<{ value: string | undefined; time: bigint }> => {
      const entry = await engine.readEntry(SHARED, key)
      if (entry === undefined) return { value: undefined, time: 0n }
      return { value: Buffer.from(entry.bytes).toString(), time: decodeTime(entry.version) }
    }
    const keys = new Set(tally.attempts.flatMap(({ values }) => Object.keys(values)))
    for (const key of keys) tally.checkKey(key, await read(key))
    const [left, right] = [await read('left'), await read('right')]
    if (left.value !== right.value) tally.complain(`A commit is half done: ${left.value} and ${right.value}.`)
    tally.checkCount(Number((await read('count')).value ?? 0), tally.leastCount)
    const accounts = await Promise.all(
      BANKS.map((plugin) => storage.workspace().plugin(plugin).storage.find('account', 'json')),
    )
    const [from = TOTAL, to = 0] = accounts as (number | undefined)[]
    if (from + to !== TOTAL) tally.complain(`The accounts hold ${from} and ${to}.`)
    const change = { scope: SHARED, key: 'last', value: Buffer.from('x') }
    const { revision = 0 } = await engine.commit({ changes: [change] })
    tally.checkRevisions(revision)
  }
}

const BANKS = ['bank-left', 'bank-right']

/** Operations whose lookup and effect can lie apart. */
const PINNED: readonly string[] = [
  'rename',
  'link',
  'unlink',
  'createFile',
  'makeSpare',
  'removeFolder',
  'makeFolder',
  'openFile',
]
