/**
 * The explorer: what a kill or a power cut may leave at each step of a scenario; and of each of those disks, whether the
 * store is what its promises said, once it is opened again.
 *
 * X1  Acknowledged commits are there; the others whole or absent; foreign files untouched, edits by hand kept (history.ts).
 * X2  The store opens, and takes a commit, whose revision follows the others.
 * X3  After `close` all is on the disk: the files hold everything without a journal, and nothing is left behind.
 * X4  The same holds of every step of a recovery, and of the recovery of that.
 */

import { abandonClaim } from '../../lib/commit/claim.js'
import { acquire, type Waiting } from '../../lib/commit/own.js'
import { prepareStore } from '../../lib/commit/prepare.js'
import { hashImage } from '../setup/image-hash.js'
import { cutAtRandom, listCuts, listWorstCuts, loseUnflushed } from '../setup/power-cut.js'
import type { Random } from '../setup/random.js'
import { Clock, type DiskImage, type Node, presentOf, SimulatedDisk } from '../setup/simulated-disk.js'
import { LAYOUT } from '../setup/simulated-process.js'
import { drive } from '../setup/virtual-time.js'
import { endProcesses, type History, judge, lastRevision, readFiles } from './history.js'
import { SHARED } from './scenarios.js'
import { type Step, World } from './world.js'

/** Steps, of a scenario or of a recovery, and what is known of the machine that made them. */
export interface Origin {
  readonly steps: readonly Step[]
  readonly boot: number
  /** Above that of every process so far. */
  readonly nextPid: number
  readonly isSessionKnown: boolean
  /** How it came to this. */
  readonly trail: readonly string[]
}

/** A disk after an accident. */
interface Accident extends Omit<Origin, 'steps'> {
  readonly image: DiskImage
  readonly history: History
}

/** What is done with a store after an accident. */
type Use = 'recover' | 'open, commit and close'

/** Of so many disks one is written to, and the store closed; the others are only recovered. */
const WRITE_SHARE = 8

/** A recovery of a recovery of a recovery … */
const DEPTH = 5

const KNOWN = /^(format\.json|[cf][1-9]\d*|kept-\d+)$/
const KNOWN_OR_WAITING = /^(format\.json|[cf][1-9]\d*|kept-\d+|w[0-9a-f]{24})$/

const AT_ONCE: Waiting = {
  isWanted: () => true,
  mayFollow: () => true,
  sleep: () => Promise.reject(new Error('It waits, though nobody has the store.')),
}

/** Explores, and counts. It throws at the first thing that is wrong. */
export class Explorer {
  /** The distinct disks that power cuts have left, by their hashes. */
  readonly states: Set<number>
  /** How many stores were opened. */
  openings = 0
  readonly #random: Random
  readonly #known = new WeakMap<History, Set<number>>()

  /** `states` can be shared by several. */
  constructor(random: Random, states: Set<number>) {
    this.#random = random
    this.states = states
  }

  /** A kill at each step, and up to so many outcomes of a power cut there. */
  async exploreSteps(origin: Origin, limit: number): Promise<void> {
    for (const step of origin.steps) {
      await this.#recover(kill(origin, step), 'open, commit and close')
      await this.#exploreCuts(origin, step, limit)
    }
  }

  /** At each step a kill; then at each step of the takeover up to so many outcomes of a power cut. */
  async exploreTakeovers(origin: Origin, limit: number): Promise<void> {
    for (const step of origin.steps) {
      const takeover = await this.#record(kill(origin, step))
      for (const next of takeover.steps) await this.#exploreCuts(takeover, next, limit)
    }
  }

  /** Recoveries that are stopped again and again, wherever the lot falls, until there are so many distinct states. */
  async exploreAgain(origin: Origin, count: number): Promise<void> {
    while (this.states.size < count) {
      let from = origin
      for (let depth = 0; depth < DEPTH && this.states.size < count; depth += 1) {
        const step = this.#random.pick(from.steps)
        const isCut = this.#random.chance(0.6)
        from = await this.#record(
          isCut ? this.#cut(from, step, cutAtRandom(step.image, this.#random)) : kill(from, step),
        )
        for (const next of from.steps) await this.#exploreCuts(from, next, 4)
      }
    }
  }

  /** So many of the worst outcomes of a power cut at each step, and one more: what was acknowledged is there. */
  async exploreWorst(origin: Origin, count: number): Promise<void> {
    for (const step of origin.steps) {
      const worst = listWorstCuts(step.image).slice(0, count)
      await this.#checkCuts(origin, step, [...worst, cutAtRandom(step.image, this.#random)])
    }
  }

  #exploreCuts(origin: Origin, step: Step, limit: number): Promise<void> {
    return this.#checkCuts(origin, step, listCuts(step.image, limit, this.#random))
  }

  async #checkCuts(origin: Origin, step: Step, images: Iterable<DiskImage>): Promise<void> {
    const known = this.#known.get(step.history) ?? new Set()
    this.#known.set(step.history, known)
    for (const image of images) {
      const hash = hashImage(image)
      if (known.has(hash)) continue
      known.add(hash)
      const use = hash % WRITE_SHARE === 0 ? 'open, commit and close' : 'recover'
      await this.#recover(this.#cut(origin, step, image, hash), use)
    }
  }

  #cut(origin: Origin, { what, history }: Step, image: DiskImage, hash = hashImage(image)): Accident {
    this.states.add(hash)
    const trail = [...origin.trail, `the power is cut after ${what}`]
    return { ...origin, trail, image, history: endProcesses(history, true), boot: origin.boot + 1 }
  }

  async #recover(accident: Accident, use: Use): Promise<void> {
    await this.#run(accident, this.#open(accident, false), use)
  }

  /** Recovers, writes and closes, and gives the steps of that. */
  async #record(accident: Accident): Promise<Origin> {
    const world = this.#open(accident, true)
    await this.#run(accident, world, 'open, commit and close')
    return { ...accident, steps: world.steps, nextPid: world.machine.nextPid }
  }

  #open({ image, history, boot, nextPid, isSessionKnown }: Accident, isRecorded: boolean): World {
    this.openings += 1
    const startUs = 1_700_000_000_000_000 + nextPid * 1_000_000_000 // later than all that was done before
    return new World(image, history, { boot, firstPid: nextPid, isSessionKnown, isRecorded, startUs })
  }

  async #run({ trail, image }: Accident, world: World, use: Use): Promise<void> {
    try {
      await drive(use === 'recover' ? recover(world) : openAndClose(world))
    } catch (error) {
      throw new Error(
        [describeError(error), ...trail, 'the disk then was', ...describeImage(image)].join('\n  '),
      )
    } finally {
      world.end()
    }
  }
}

function kill(origin: Origin, { what, image, history }: Step): Accident {
  const trail = [...origin.trail, `all processes are killed after ${what}`]
  // Without a session every recovery is as after a power cut, which may undo a removal by hand.
  return { ...origin, trail, image, history: endProcesses(history, !origin.isSessionKnown) }
}

/** What opening does, and no more: takes over, recovers. */
async function recover(world: World): Promise<void> {
  const { site, lock } = world.start()
  await prepareStore(site)
  const owned = await acquire(site, lock, new Map(), AT_ONCE)
  if (owned === undefined) throw new Error('The store cannot be had.')
  see(world, 'after recovery')
  checkRevision(world.history, owned.revision)
  owned.journal.close()
  abandonClaim(owned.claim)
}

/** A new process opens the store, commits, closes it, and all is well at each of these steps. */
export async function openAndClose(world: World): Promise<void> {
  const process = await world.openStore()
  see(world, 'after opening')
  const before = world.history
  const value = `probe ${process.pid}`
  await world.commit(process, value, [SHARED, { probe: value }])
  if (world.errors.length > 0) throw world.errors[0]
  checkRevision(before, lastRevision(world.history) - 1)
  see(world, 'after a commit')
  await world.close(process)
  if (world.errors.length > 0) throw world.errors[0]
  checkClosed(world)
}

/** The files are what they may be; from now on what was seen must stay. */
function see(world: World, when: string): void {
  const judged = judge(world.history, readFiles(world.disk))
  if (typeof judged === 'string') throw new Error(`${when} ${judged}`)
  world.history = judged
}

/** The last revision of a store is the last that was told, or that of an open event after it. */
function checkRevision(history: History, revision: number): void {
  const told = lastRevision(history)
  const index = history.done.findLastIndex((event) => event.revision === told)
  const later = history.done.length - index - 1 + history.open.length // index -1: at the beginning
  if (revision < told || revision > told + later)
    throw new Error(`The last revision is ${revision}; ${told} was told, and at most ${later} came after it.`)
}

function checkClosed(world: World): void {
  const control = world.disk.find(LAYOUT.control)
  const names = control?.kind === 'folder' ? [...control.names.keys()] : []
  // Where nothing tells that a process is dead, it may wait for its turn still, in its work folder.
  const known = world.machine.options.isSessionKnown === false ? KNOWN_OR_WAITING : KNOWN
  const left = names.filter((name) => !known.test(name))
  if (left.length > 0) throw new Error(`After close ${left} is left behind.`)
  checkFlushed(world.disk.image, world.history)
}

/** The files that were flushed are what they may be, without any journal. */
export function checkFlushed(image: DiskImage, history: History): void {
  const found = judge(
    endProcesses(history, true),
    readFiles(new SimulatedDisk(loseUnflushed(image), new Clock())),
  )
  if (typeof found === 'string') throw new Error(`After close not all is on the disk: ${found}`)
}

/** An error with its causes. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `\n  because of ${describeError(error.cause)}`
  return `${error.stack ?? error.message}${cause}`
}

/** Every path of a disk, with the size of a file. */
function describeImage({ nodes }: DiskImage): string[] {
  const describe = (node: Node, path: string): string[] =>
    node.kind === 'file'
      ? [`${path}: ${presentOf(node).bytes.byteLength} bytes, ${presentOf(node).timeUs}`]
      : [
          `${path}/`,
          ...[...node.names].flatMap(([name, inode]) =>
            describe(nodes.get(inode) as Node, `${path}/${name}`),
          ),
        ]
  return describe(nodes.get(1) as Node, '')
}
