/** Processes of a store that all live in one test: each with its own disk, identity and lock. */

import nodeFs, { closeSync, existsSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { ScopeId } from '../../lib/base/scope-id.js'
import type { Change, CommitReceipt, Engine } from '../../lib/commit/engine.js'
import { openEngine } from '../../lib/commit/open-engine.js'
import type { Site } from '../../lib/commit/site.js'
import type { Disk } from '../../lib/disk/disk.js'
import { host } from '../../lib/disk/host.js'
import { Layout } from '../../lib/disk/layout.js'
import type { Lock } from '../../lib/disk/lock.js'
import { NodeDisk } from '../../lib/disk/node-disk.js'
import { type Pin, StagedDisk } from './staged-disk.js'

/** The scope that tests write to unless they need several. */
export const SCOPE: ScopeId = { workspace: 'default' }

const NO_DISK = {} as Disk
const HELD = (): undefined => undefined
const CLOCK = (): number => Date.now()

/** The machine that the processes of a test share: its boot, its clock, who is dead, and what the lock says. */
export class Machine {
  readonly root: string
  readonly layout: Layout
  disk: Disk
  readonly pin: Pin
  /** What the lock tells everybody who asks; `undefined` is held, `stale` gives the store to everybody. */
  lockState: () => ReturnType<Lock['tryAcquire']> = () => undefined
  nowMs: () => number = () => performance.now()
  wallMs: () => number = () => Date.now()
  readonly #dead = new Set<number>()
  #boots = 0
  #lastPid = 0

  constructor(root: string, disk: Disk, pin: Pin) {
    this.root = root
    this.layout = new Layout(root)
    this.disk = disk
    this.pin = pin
  }

  /** Every process is gone, and the boot is another one. */
  reboot(): void {
    for (let pid = 1; pid <= this.#lastPid; pid += 1) this.#dead.add(pid)
    this.#boots += 1
  }

  /** Lets go of all memory, though dead processes are never forgotten by the engine. */
  scrap(): void {
    this.disk = NO_DISK
    this.lockState = HELD
    this.nowMs = this.wallMs = CLOCK
  }

  /** A new process, which has not opened the store yet. */
  start(): StoreProcess {
    this.#lastPid += 1
    return new StoreProcess(
      this,
      this.#lastPid,
      `00000000-0000-4000-8000-${String(this.#boots + 1).padStart(12, '0')}`,
    )
  }

  /** The process is known to be gone. */
  bury(pid: number): void {
    this.#dead.add(pid)
  }

  isDead(pid: number): boolean {
    return this.#dead.has(pid)
  }
}

/** One process; `open` it, use its engine, and close it, or let it crash. */
export class StoreProcess {
  readonly pid: number
  readonly disk: StagedDisk
  readonly site: Site
  readonly #machine: Machine
  #engine: Engine | undefined

  constructor(machine: Machine, pid: number, boot: string) {
    this.#machine = machine
    this.pid = pid
    this.disk = new StagedDisk(machine.disk, machine.pin)
    const identity = { ...host.identity, boot, pid, startTime: String(pid) }
    this.site = {
      disk: this.disk,
      layout: machine.layout,
      session: boot.replaceAll('-', ''),
      host: {
        identity,
        now: () => machine.wallMs(),
        monotonicMs: () => machine.nowMs(),
        randomName: host.randomName,
        isAlive: (other) => other.boot === boot && !machine.isDead(other.pid),
      },
      fileMode: 0o600,
      folderMode: 0o700,
    }
  }

  /** Opens the store; recovers it where need be. */
  async open({ lockTimeoutMs = 10_000 } = {}): Promise<this> {
    const tryAcquire = (): ReturnType<Lock['tryAcquire']> => this.#machine.lockState()
    const lock: Lock = { tryAcquire, seize: () => {}, release: () => {} }
    this.#engine = await openEngine({}, this.#machine.root, () => ({ site: this.site, lock, lockTimeoutMs }))
    return this
  }

  get engine(): Engine {
    if (this.#engine === undefined) throw new Error('This process has not opened the store.')
    return this.#engine
  }

  /** From now on nothing that it does reaches the disk, no call returns, and others know that it is gone. */
  crash(): void {
    this.disk.disconnect()
    this.#machine.bury(this.pid)
  }

  /** Sets one key in `SCOPE`. */
  set(key: string, value: string | Uint8Array): Promise<CommitReceipt> {
    return this.commit({ [key]: value })
  }

  /** Deletes one key in `SCOPE`. */
  delete(key: string): Promise<CommitReceipt> {
    return this.commit({ [key]: undefined })
  }

  /** Sets and deletes keys in `SCOPE` in one commit. */
  commit(values: Readonly<Record<string, string | Uint8Array | undefined>>): Promise<CommitReceipt> {
    const changes = Object.entries(values).map(
      ([key, value]): Change => ({
        scope: SCOPE,
        key,
        value: typeof value === 'string' ? Buffer.from(value) : value,
      }),
    )
    return this.engine.commit({ changes })
  }

  /** The text of a key in `SCOPE`. */
  async get(key: string): Promise<string | undefined> {
    const bytes = await this.engine.read(SCOPE, key)
    return bytes === undefined ? undefined : Buffer.from(bytes).toString()
  }

  close(): Promise<void> {
    return this.engine.close()
  }
}

/** A machine over a new folder of a real filesystem, which is removed when the test ends. */
export function makeMachine(parent: string = tmpdir()): Machine {
  const root = mkdtempSync(join(existsSync(parent) ? parent : tmpdir(), 'plainkeep-'))
  const descriptors: number[] = []
  onTestFinished(() => {
    for (const descriptor of descriptors) closeSync(descriptor)
    rmSync(root, { recursive: true, force: true })
  })
  const pin = (path: string): string => {
    const descriptor = openSync(dirname(path), 'r')
    descriptors.push(descriptor)
    return `/proc/self/fd/${descriptor}/${basename(path)}`
  }
  return new Machine(root, new NodeDisk(nodeFs, 65536), pin)
}

/** The time in a version, in nanoseconds since 1970. */
export function timeOfVersion(version: string | undefined): bigint {
  let time = 0n
  for (const digit of version?.split('-')[0] ?? '') time = time * 36n + BigInt(Number.parseInt(digit, 36))
  return time
}
