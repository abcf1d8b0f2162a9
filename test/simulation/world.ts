/** A machine with a store on a simulated disk, and everything that happens to it, step by step. */

import { StorageError } from '../../lib/base/errors.js'
import type { ScopeId } from '../../lib/base/scope-id.js'
import type { Change, CommitReceipt } from '../../lib/commit/engine.js'
import { decodeTime } from '../../lib/commit/version.js'
import { Random } from '../setup/random.js'
import type { DiskImage, SimulatedDisk } from '../setup/simulated-disk.js'
import type { CallCosts, CallHooks } from '../setup/simulated-fs.js'
import {
  LAYOUT,
  type MachineOptions,
  ROOT,
  SimulatedMachine,
  type SimulatedProcess,
} from '../setup/simulated-process.js'
import {
  type ContentId,
  closeEvent,
  type History,
  identifyBytes,
  openEvent,
  readFiles,
  type StoreEvent,
} from './history.js'

/** The disk after something happened, and what is known until something happens again. */
export interface Step {
  readonly what: string
  readonly image: DiskImage
  history: History
}

/** Values by key, for one scope; undefined deletes. */
export type Values = Readonly<Record<string, string | Uint8Array | undefined>>

/** How a world is watched, and meddled with. */
export interface WorldOptions extends MachineOptions {
  /** Keep a step for each call that changes the disk. */
  readonly isRecorded?: boolean
  readonly isAcknowledged?: boolean
  readonly costs?: CallCosts
  readonly onCall?: CallHooks['onCall']
}

/** A machine, from its start to its end. */
export class World {
  readonly machine: SimulatedMachine
  readonly disk: SimulatedDisk
  readonly steps: Step[] = []
  /** What was rejected, of all calls but `open`. */
  readonly errors: unknown[] = []
  /** The processes that have the store open. */
  readonly open = new Set<SimulatedProcess>()
  history: History
  /** Whether a process died, or could not close the store: what it alone knew nobody knows. */
  hasLostProcesses = false
  /** Keep a step for each promise that resolves: a commit's, or that of a last `close`. */
  isAcknowledged: boolean
  readonly #options: WorldOptions
  readonly #processes: SimulatedProcess[] = []
  readonly #failing = new Set<SimulatedProcess>()

  constructor(image: DiskImage, history: History, options: WorldOptions) {
    this.machine = new SimulatedMachine(image, options)
    this.machine.isLockStale = options.isSessionKnown === false
    this.disk = this.machine.disk
    this.history = history
    this.#options = options
    this.isAcknowledged = options.isAcknowledged ?? false
  }

  /** A new process, which has not opened the store. */
  start(): SimulatedProcess {
    const process = this.machine.start(this.#options.costs)
    this.#processes.push(process)
    const { hooks } = process.files
    hooks.onCall = this.#options.onCall
    if (this.#options.isRecorded) hooks.onChange = (call, target) => this.#record(`${call} ${target}`)
    return process
  }

  /** A new process opens the store. */
  async openStore(lockTimeoutMs?: number): Promise<SimulatedProcess> {
    return this.reopen(this.start(), lockTimeoutMs)
  }

  /** A process that has closed the store, or not opened it yet, does so. */
  async reopen(process: SimulatedProcess, lockTimeoutMs?: number): Promise<SimulatedProcess> {
    await process.open(lockTimeoutMs)
    this.open.add(process)
    this.#failing.delete(process)
    return process
  }

  /** A process closes the store. If its last commit was not made, others may have to bring the rest to the disk. */
  async close(process: SimulatedProcess): Promise<void> {
    this.open.delete(process)
    try {
      await process.engine.close()
      if (this.open.size === 0 && !this.#failing.has(process)) this.#acknowledge('the last close')
    } catch (error) {
      this.hasLostProcesses = true
      this.errors.push(error)
    }
  }

  /** A process dies while nothing of it is under way; the others know. */
  kill(process: SimulatedProcess): void {
    this.hasLostProcesses = true
    this.open.delete(process)
    process.files.disconnect()
    this.machine.bury(process.pid)
  }

  /** Processes that do not have the store open end. */
  endOthers(): void {
    for (const process of this.#processes) if (!this.open.has(process)) this.kill(process)
  }

  /** Time passes. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms))
  }

  /** The last step lasts until the end. */
  end(): void {
    const last = this.steps.at(-1)
    if (last !== undefined && this.#options.isRecorded) last.history = this.history
    for (const { files } of this.#processes) files.disconnect()
  }

  /** Keeps the disk as it is now as a step. */
  keepStep(what: string): void {
    this.steps.push({ what, image: this.disk.image, history: this.history })
  }

  /** Commits, and keeps what came of it; resolves in any case. */
  async commit(
    process: SimulatedProcess,
    label: string,
    ...parts: readonly (readonly [ScopeId, Values])[]
  ): Promise<void> {
    const changes = parts.flatMap(([scope, values]) =>
      Object.entries(values).map(
        ([key, value]): Change<Uint8Array> => ({ scope, key, value: toBytes(value) }),
      ),
    )
    const event = makeEvent(
      label,
      changes.map(({ scope, key, value }) => [LAYOUT.keyPath(scope, key), value]),
    )
    this.history = openEvent(this.history, event)
    try {
      const receipt = await process.engine.commit({ changes })
      this.history = closeEvent(this.history, event, {
        revision: receipt.revision,
        times: readTimes(event, receipt),
      })
      this.#failing.delete(process)
      this.#checkVisible(event)
      this.#acknowledge(label)
    } catch (error) {
      this.errors.push(error)
      this.#failing.add(process)
      const outcome = error instanceof StorageError ? error.outcome : undefined
      if (outcome === 'none') this.history = closeEvent(this.history, event, 'none')
      if (outcome === 'committed') this.history = closeEvent(this.history, event, {})
      if (outcome === 'committed') this.#acknowledge(label)
    }
  }

  /** An editor writes a file and flushes it, then puts it in its place, and flushes that. */
  edit(scope: ScopeId, key: string, text: string): void {
    const path = LAYOUT.keyPath(scope, key)
    const event = { ...makeEvent(`an edit of ${key}`, [[path, Buffer.from(text)]]), isVolatile: true }
    this.history = openEvent(this.history, event)
    const draft = `${ROOT}.draft`
    this.disk.clock.us += 1
    const inode = this.disk.createFile(draft, 0o644)
    this.disk.write(inode, Buffer.from(text), 0)
    this.disk.flush(inode)
    this.disk.rename(draft, path)
    this.#record(`an editor renames ${path}`)
    for (const folder of ['/', path.slice(0, path.lastIndexOf('/'))])
      this.disk.flush(this.disk.find(folder)?.inode ?? 0)
    this.#record(`an editor flushes ${path}`)
    this.history = closeEvent(this.history, event, { isVolatile: false })
  }

  /** A key is removed by hand; that is flushed by nobody. */
  remove(scope: ScopeId, key: string): void {
    const path = LAYOUT.keyPath(scope, key)
    const event = { ...makeEvent(`a removal of ${key}`, [[path, undefined]]), isVolatile: true }
    this.history = openEvent(this.history, event)
    this.disk.unlink(path)
    this.#record(`a hand removes ${path}`)
    this.history = closeEvent(this.history, event, {})
  }

  #record(what: string): void {
    if (!this.#options.isRecorded) return
    const last = this.steps.at(-1)
    if (last !== undefined) last.history = this.history
    this.steps.push({ what, image: this.disk.image, history: this.history })
  }

  /** What resolves is in place: the files are those of the commit, or of one of its group that came after it. */
  #checkVisible({ label, changes }: StoreEvent): void {
    const files = readFiles(this.disk)
    for (const [path, content] of changes) {
      const found = files.get(path)?.content
      const isLater = this.history.open.some(
        ({ event }) => event.changes.has(path) && event.changes.get(path) === found,
      )
      if (found !== content && !isLater)
        throw new Error(`${label} has resolved, and ${path} is not in place.`)
    }
  }

  #acknowledge(what: string): void {
    if (this.#options.isAcknowledged) this.steps.push({ what, image: this.disk.image, history: this.history })
  }
}

/** The times of the files that a commit has set, in microseconds. */
function readTimes(event: StoreEvent, { results }: CommitReceipt): Map<string, number> {
  const times = new Map<string, number>()
  for (const [index, path] of [...event.changes.keys()].entries()) {
    const version = results[index]?.version
    if (version !== undefined) times.set(path, Number(decodeTime(version) / 1000n))
  }
  return times
}

function makeEvent(label: string, files: readonly (readonly [string, Uint8Array | undefined])[]): StoreEvent {
  const changes = new Map<string, ContentId | undefined>()
  for (const [path, bytes] of files)
    changes.set(path.slice(ROOT.length + 1), bytes === undefined ? undefined : identifyBytes(bytes))
  return { label, changes, times: new Map(), revision: undefined, isVolatile: false }
}

function toBytes(value: string | Uint8Array | undefined): Uint8Array | undefined {
  return typeof value === 'string' ? Buffer.from(value) : value
}

/** So many bytes that look like no other value's, and do not compress to a pattern. */
export function makeBytes(seed: number, size: number): Uint8Array {
  const random = new Random(seed)
  return Uint8Array.from({ length: size }, () => random.below(255) + 1)
}
