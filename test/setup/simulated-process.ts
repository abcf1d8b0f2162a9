/** Processes of a store on a simulated disk, on one machine whose time is virtual. All they choose at random repeats. */

import { VALUE_BYTES } from '../../lib/base/limits.js'
import type { Engine } from '../../lib/commit/engine.js'
import { openEngine } from '../../lib/commit/open-engine.js'
import type { Site } from '../../lib/commit/site.js'
import type { Disk } from '../../lib/disk/disk.js'
import type { ProcessIdentity } from '../../lib/disk/host.js'
import { Layout } from '../../lib/disk/layout.js'
import type { Lock } from '../../lib/disk/lock.js'
import { NodeDisk } from '../../lib/disk/node-disk.js'
import { openArchiveFiles } from '../../lib/open.js'
import { Storage } from '../../lib/store/storage.js'
import { valueLayer } from '../../lib/values/codec.js'
import { Random } from './random.js'
import { Clock, type DiskImage, SimulatedDisk } from './simulated-disk.js'
import { type CallCosts, QUICK_CALLS, SimulatedFileSystem } from './simulated-fs.js'
import { resetVirtualTime } from './virtual-time.js'

/** Where the store of a simulation lies. */
export const ROOT = '/srv/data/store'

export const LAYOUT: Layout = new Layout(ROOT)

/** What is known of a machine when it starts. */
export interface MachineOptions {
  /** The number of its start: another one after each power cut. */
  readonly boot: number
  /** Higher than that of every process before it. */
  readonly firstPid: number
  readonly startUs?: number
  /** Whether the system tells which session of the filesystem this is, and which processes live. */
  readonly isSessionKnown?: boolean
  readonly root?: string
}

/** One start of the machine. */
export class SimulatedMachine {
  readonly disk: SimulatedDisk
  readonly options: MachineOptions
  /** The lock is stale whoever holds it: everybody who asks gets it. */
  isLockStale = false
  #lockHolder: number | undefined
  readonly #dead = new Set<number>()
  #started = 0

  /** Time begins anew: what ran before must be done with. */
  constructor(image: DiskImage, options: MachineOptions) {
    const clock = new Clock(options.startUs)
    resetVirtualTime(clock)
    this.options = options
    this.disk = new SimulatedDisk(image, clock)
  }

  /** The pid that the next process gets. */
  get nextPid(): number {
    return this.options.firstPid + this.#started
  }

  /** A new process; `wrap` puts something before its disk. */
  start(costs: CallCosts = QUICK_CALLS, wrap: (disk: Disk) => Disk = (disk) => disk): SimulatedProcess {
    const process = new SimulatedProcess(this, this.nextPid, costs, wrap)
    this.#started += 1
    return process
  }

  /** Whether the system knows a process to live. */
  isAlive(other: ProcessIdentity): boolean | undefined {
    if (this.options.isSessionKnown === false) return undefined
    return (
      other.boot === nameBoot(this.options) &&
      other.pid >= this.options.firstPid &&
      !this.#dead.has(other.pid)
    )
  }

  /** A lock as one process has it. The data must be safe whatever it says. */
  makeLock(pid: number): Lock {
    const seize = (): void => {
      this.#lockHolder = pid
    }
    const tryAcquire = (): ReturnType<Lock['tryAcquire']> => {
      const isFree = this.#lockHolder === undefined || this.#lockHolder === pid
      const isStale = this.isLockStale || this.#dead.has(this.#lockHolder ?? 0)
      if (!isFree && !isStale) return undefined
      seize()
      return isStale ? 'stale' : 'free'
    }
    const release = (): void => {
      if (this.#lockHolder === pid) this.#lockHolder = undefined
    }
    return { tryAcquire, seize, release }
  }

  bury(pid: number): void {
    this.#dead.add(pid)
  }
}

function nameBoot({ boot, isSessionKnown = true }: MachineOptions): string {
  return isSessionKnown ? boot.toString(16).padStart(32, '0') : ''
}

/** One process, with its own calls, identity and lock. */
export class SimulatedProcess {
  readonly pid: number
  readonly files: SimulatedFileSystem
  readonly site: Site
  readonly lock: Lock
  #engine: Engine | undefined

  constructor(machine: SimulatedMachine, pid: number, costs: CallCosts, wrap: (disk: Disk) => Disk) {
    const { clock } = machine.disk
    const random = new Random(pid)
    const boot = nameBoot(machine.options)
    this.pid = pid
    this.files = new SimulatedFileSystem(machine.disk, costs)
    this.lock = machine.makeLock(pid)
    this.site = {
      disk: wrap(new NodeDisk(this.files.fs, 65536)),
      layout: machine.options.root === undefined ? LAYOUT : new Layout(machine.options.root),
      session: boot,
      host: {
        identity: {
          machine: 'simulated',
          boot,
          pidNamespace: boot && 'pid:[1]',
          pid,
          startTime: `${pid}`,
          thread: 0,
        },
        now: () => clock.ms,
        monotonicMs: () => clock.ms,
        randomName: () => nameAtRandom(random),
        isAlive: (other) => machine.isAlive(other),
      },
      fileMode: 0o600,
      folderMode: 0o700,
    }
  }

  get engine(): Engine {
    if (this.#engine === undefined) throw new Error('This process has not opened the store.')
    return this.#engine
  }

  /** The store as users have it. */
  get storage(): Storage {
    const archives = openArchiveFiles(this.files.fs)
    return new Storage({
      engine: this.engine,
      values: valueLayer,
      limits: { valueBytes: VALUE_BYTES },
      archives,
    })
  }

  /** Opens the store; recovers it where need be. */
  async open(lockTimeoutMs = 1e9): Promise<this> {
    const parts = { site: this.site, lock: this.lock, lockTimeoutMs }
    this.#engine = await openEngine({}, this.site.layout.root, () => parts)
    return this
  }
}

function nameAtRandom(random: Random): string {
  let name = ''
  while (name.length < 24) name += HEX[random.below(256)]
  return name
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))
