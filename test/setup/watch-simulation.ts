/**
 * One random schedule of processes that commit and that follow, beside somebody who edits by hand; and what is wrong with
 * what was told. Calls are let through one at a time and in any order, hints come late or never, time passes in between.
 */

import { dirname } from 'node:path'
import { vi } from 'vitest'
import { StorageError } from '../../lib/base/errors.js'
import type { ScopeId } from '../../lib/base/scope-id.js'
import type { Change } from '../../lib/commit/engine.js'
import { encodeVersion } from '../../lib/commit/version.js'
import { MemoryDisk } from './memory-disk.js'
import { Random } from './random.js'
import { Machine, SCOPE, type StoreProcess } from './store-process.js'
import { type AskedCommit, type HandEdits, ToldChanges } from './told-changes.js'

/** What a schedule may do beside letting calls through. */
export interface WatchHazards {
  /** How many processes may die. */
  readonly crashes: number
  /** How probable it is that one who asks for the lock finds it stale. */
  readonly steals: number
  /** How probable an edit by hand is, at each step. */
  readonly edits: number
  /** How probable it is that a hint is lost; then another one without a name may come, as after an overflow. */
  readonly lostHints: number
}

const PROCESSES = 3
const ACTIONS = 7
const ROOT = '/store'
const LATE: ScopeId = { workspace: 'default', plugin: 'late' }
/** Each key is in one scope; the second one appears in the course of things. */
const KEYS: Readonly<Record<string, ScopeId>> = {
  ...Object.fromEntries(['a', 'b', 'c', 'd'].map((key) => [key, SCOPE])),
  ...Object.fromEntries(['x', 'y'].map((key) => [key, LATE])),
}

interface Actor {
  readonly name: string
  readonly process: StoreProcess
  isDead: boolean
  isBusy: boolean
  isOpen: boolean
  isClosed: boolean
  actions: number
}

interface Waiting {
  readonly actor: Actor
  act(): void
}

/** Runs one schedule. */
export class WatchSimulation {
  readonly random: Random
  readonly trace: string[] = []
  readonly #hazards: WatchHazards
  readonly #disk: MemoryDisk
  readonly #machine: Machine
  readonly #problems: string[] = []
  readonly #attempts: AskedCommit[] = []
  readonly #edits: HandEdits = { versions: new Set(), removals: new Map() }
  readonly #told: ToldChanges[] = []
  readonly #actors: Actor[] = []
  #held: Waiting[] = []
  #hints: Waiting[] = []
  #crashes: number
  #serial = 0
  #steps = 0
  #isEnding = false

  constructor(seed: number, hazards: WatchHazards) {
    this.random = new Random(seed)
    this.#hazards = hazards
    this.#crashes = hazards.crashes
    vi.setSystemTime(1_700_000_000_000)
    this.#disk = new MemoryDisk(() => Date.now())
    this.#disk.makeFolder(ROOT, 0o700)
    this.#machine = new Machine(ROOT, this.#disk, (path) => this.#disk.pin(path))
    this.#machine.nowMs = () => Date.now()
    this.#machine.lockState = () =>
      !this.#isEnding && this.random.chance(hazards.steals) ? 'stale' : undefined
  }

  /** What is wrong, in sentences; empty if all is well. */
  async run(): Promise<readonly string[]> {
    for (let index = 0; index < PROCESSES; index += 1) this.#start()
    while (this.#problems.length === 0 && !this.#actors.every(isOver)) await this.#step()
    if (this.#problems.length === 0) await this.#checkEnd()
    for (const { process } of this.#actors) process.crash()
    this.#machine.scrap()
    return this.#problems
  }

  #start(): void {
    const process = this.#machine.start()
    const name = `P${process.pid}`
    const actor = { name, process, isDead: false, isBusy: false, isOpen: false, isClosed: false, actions: 0 }
    process.disk.intercept = ({ operation, paths }, perform) =>
      new Promise((resolve, reject) => {
        const act = (): void => {
          this.#note(actor, `${operation} ${paths.join(' ').replaceAll(`${ROOT}/`, '')}`)
          perform().then(resolve, reject)
        }
        this.#held.push({ actor, act })
      })
    process.disk.onHint = (give, giveNoName) => {
      const isLost = this.random.chance(this.#hazards.lostHints)
      if (!isLost) this.#hints.push({ actor, act: give })
      else if (this.random.chance(0.5)) this.#hints.push({ actor, act: giveNoName })
    }
    this.#actors.push(actor)
  }

  /** One choice: a call acts, a hint comes, time passes, somebody edits, or a process dies. */
  async #step(): Promise<void> {
    this.#steps += 1
    if (this.#steps > 30_000) this.#problems.push('The schedule does not end.')
    for (const actor of this.#actors) this.#goOn(actor)
    await settle()
    if (this.#crashes > 0 && this.random.chance(0.002)) this.#crash(this.random.pick(this.#actors))
    if (this.random.chance(this.#hazards.edits)) this.#edit()
    if (this.#hints.length > 0 && this.random.chance(0.3)) this.#take(this.#hints).act()
    else if (this.#held.length === 0 || this.random.chance(0.03)) vi.advanceTimersToNextTimer()
    else this.#take(this.#held).act()
    await settle()
  }

  /** Mostly the first one, so that nobody waits for ever. */
  #take(waiting: Waiting[]): Waiting {
    const index = this.random.chance(0.6) ? 0 : this.random.below(waiting.length)
    return waiting.splice(index, 1)[0] as Waiting
  }

  #goOn(actor: Actor): void {
    if (actor.isBusy || isOver(actor)) return
    actor.isClosed = actor.actions === ACTIONS
    if (actor.isClosed) return
    if (actor.isOpen) actor.actions += 1
    if (!actor.isOpen) this.#do(actor, () => actor.process.open({ lockTimeoutMs: 1e9 }), 'isOpen')
    else if (this.random.chance(0.3)) this.#follow(actor)
    else if (this.random.chance(0.2)) this.#do(actor, () => sleep(this.random.below(2000)))
    else if (this.random.chance(0.1)) this.#do(actor, () => this.#close(actor))
    else
      this.#do(actor, () =>
        Promise.all([this.#commit(actor), this.random.chance(0.5) && this.#commit(actor)]),
      )
  }

  #do(actor: Actor, body: () => Promise<unknown>, flag?: 'isOpen'): void {
    actor.isBusy = true
    body().then(
      () => {
        if (flag !== undefined) actor[flag] = true
        actor.isBusy = false
      },
      (error: unknown) => this.#problems.push(`${actor.name} failed: ${String(error)}`),
    )
  }

  #follow(actor: Actor): void {
    const told = new ToldChanges(actor.name, {
      initial: this.random.chance(0.5),
      ...this.#chooseScope(),
      readPresent: () => this.#readFolder(),
      countCommits: () => this.#attempts.length,
      onNote: (line) => this.#note(actor, line),
    })
    told.following = actor.process.engine.follow(told.request)
    this.#told.push(told)
  }

  async #close(actor: Actor): Promise<void> {
    const told = this.#told.find(({ actor: name, isClosed }) => name === actor.name && !isClosed)
    told?.close()
  }

  async #commit(actor: Actor): Promise<void> {
    const values: Record<string, string | undefined> = {}
    for (let count = 1 + this.random.below(3); count > 0; count -= 1) {
      const isDelete = this.random.chance(0.3)
      values[this.#pickKey()] = isDelete ? undefined : `${this.#next()}`
    }
    const attempt = { actor: actor.name, number: this.#attempts.length + 1, values, isDone: false }
    this.#attempts.push(attempt)
    this.#note(actor, `begins ${JSON.stringify(values, (_, value) => value ?? null)}`)
    const changes = Object.entries(values).map(([key, value]): Change => {
      return { scope: KEYS[key] ?? SCOPE, key, value: value === undefined ? undefined : Buffer.from(value) }
    })
    try {
      const { revision, results } = await actor.process.engine.commit({ changes, writer: actor.name })
      const idle = Object.keys(values).filter((_, index) => results[index]?.existed === false)
      Object.assign(attempt, {
        isDone: true,
        revision,
        idle: idle.filter((key) => values[key] === undefined),
      })
      this.#note(actor, `has done ${revision}`)
    } catch (error) {
      const isExpected = error instanceof StorageError && error.code === 'FENCED'
      if (!isExpected) this.#problems.push(`A commit failed: ${String(error)}`)
    }
  }

  #crash(actor: Actor): void {
    if (isOver(actor) || !actor.isOpen) return
    this.#crashes -= 1
    actor.isDead = true
    actor.process.crash()
    this.#held = this.#held.filter((each) => each.actor !== actor)
    this.#hints = this.#hints.filter((each) => each.actor !== actor)
    for (const told of this.#told) if (told.actor === actor.name) told.isClosed = true
    this.#note(actor, 'dies')
    this.#start()
  }

  /** Somebody writes in place, writes anew and renames, touches, removes, or moves away, as commands and editors do. */
  #edit(): void {
    const key = this.#pickKey()
    const path = this.#pathOf(key)
    const stat = this.#disk.stat(path)
    if (this.#disk.stat(dirname(path)) === undefined) return
    const time = BigInt(Date.now()) * 1_000_000n + BigInt(this.#next()) // no commit has a time like this
    const bytes = Buffer.from(`by hand ${this.#serial}`)
    const kind = this.random.below(stat === undefined ? 2 : 5)
    if (kind === 0) {
      this.#disk.createFile(`${dirname(path)}/.tmp`, bytes, { mode: 0o600, time })
      this.#disk.rename(`${dirname(path)}/.tmp`, path)
    } else if (stat === undefined) this.#disk.createFile(path, bytes, { mode: 0o600, time })
    else if (kind === 1) this.#disk.edit(path, bytes, time)
    else if (kind === 2) this.#disk.edit(path, this.#disk.readFile(path) ?? bytes, time)
    else this.#remove(path, key, kind === 3)
    const left = this.#disk.stat(path)
    if (left !== undefined) this.#edits.versions.add(encodeVersion(left))
    this.trace.push(`${Date.now() % 1e6} hand ${kind} ${key} ${left && encodeVersion(left)}`)
  }

  #remove(path: string, key: string, isMoved: boolean): void {
    if (isMoved) this.#disk.rename(path, `${ROOT}/default/moved-${this.#next()}`)
    else this.#disk.unlink(path)
    this.#edits.removals.set(key, (this.#edits.removals.get(key) ?? 0) + 1)
  }

  #readFolder(): Map<string, string> {
    const versions = new Map<string, string>()
    for (const key of Object.keys(KEYS)) {
      const stat = this.#disk.stat(this.#pathOf(key))
      if (stat !== undefined) versions.set(key, encodeVersion(stat))
    }
    return versions
  }

  /** When all is quiet, and everything was compared, what was told equals what is there. */
  async #checkEnd(): Promise<void> {
    this.#isEnding = true
    this.trace.push('the end')
    for (const hint of this.#hints.splice(0)) if (this.random.chance(0.5)) hint.act()
    await this.#drive(sleep(5000))
    for (const told of this.#told) if (!told.isClosed) await this.#drive(told.following?.rescan())
    const present = this.#readFolder()
    for (const told of this.#told)
      this.#problems.push(...told.findProblems(this.#attempts, this.#edits, present))
  }

  /** Lets everything go on until a promise is settled. */
  async #drive(promise: Promise<unknown> | undefined): Promise<void> {
    let isSettled = false
    void promise?.finally(() => {
      isSettled = true
    })
    for (let round = 0; promise !== undefined && !isSettled; round += 1) {
      await settle()
      if (this.#held.length > 0) this.#take(this.#held).act()
      else vi.advanceTimersToNextTimer()
      if (round > 50_000) throw new Error('It never ends.')
    }
  }

  /** All scopes, or one of them. */
  #chooseScope(): { scope: ScopeId | undefined; keys: readonly string[] } {
    const all = Object.keys(KEYS)
    if (this.random.chance(0.5)) return { scope: undefined, keys: all }
    const scope = KEYS[this.#pickKey()] ?? SCOPE
    return { scope, keys: all.filter((key) => KEYS[key] === scope) }
  }

  #pickKey(): string {
    return this.random.pick(Object.keys(KEYS))
  }

  #pathOf(key: string): string {
    return this.#machine.layout.keyPath(KEYS[key] ?? SCOPE, key)
  }

  #next(): number {
    this.#serial += 1
    return this.#serial
  }

  #note(actor: Actor, line: string): void {
    this.trace.push(`${Date.now() % 1e6} ${actor.name} ${line}`)
  }
}

function isOver({ isDead, isClosed }: Actor): boolean {
  return isDead || isClosed
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Whatever can go on without the scheduler has gone on. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}
