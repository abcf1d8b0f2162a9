/**
 * Writers that are killed with kill -9, stopped and let go on, at random moments. They and the checker are those of
 * test/crash: every line that a writer says is in one log, in order, and the store is compared with it in the end.
 * `SEED=<seed> npx vitest run test/processes/kills.test.ts` makes the same choices again, as far as processes allow it.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { Random } from '../setup/random.js'
import { readSeed } from '../setup/seed.js'

const RUN_MS = process.env.PLAINKEEP_LONG ? 60_000 : 2000
const program = (name: string): string => fileURLToPath(new URL(`../crash/${name}`, import.meta.url))

/** However slow the machine is, by then something was acknowledged. */
const DEADLINE_MS = 60_000

/** A store, its log, and the processes that write to both. */
class Arena {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'plainkeep-kills-'))
  readonly random: Random
  kills = 0
  stops = 0
  #names = 0
  readonly #running = new Set<ChildProcess>()

  constructor(seed: number) {
    this.random = new Random(seed)
    mkdirSync(join(this.folder, 'store'))
    writeFileSync(join(this.folder, 'log'), '')
  }

  /** Starts a workload; the processes that it starts itself end with it. */
  start(...argv: string[]): ChildProcess {
    const child = spawn(process.execPath, [program('workload.js'), ...argv], {
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...this.#environment(), CRASH_SEED: String(this.random.below(1e9)) },
    })
    this.#running.add(child)
    return child
  }

  /** A name that no process had before. */
  name(): string {
    this.#names += 1
    return `k${this.#names}`
  }

  async kill(child: ChildProcess, name?: string): Promise<void> {
    const ended = new Promise((resolve) => child.once('exit', resolve))
    if (child.exitCode === null && child.signalCode === null) {
      process.kill(-(child.pid as number), 'SIGKILL')
      await ended
    }
    this.#running.delete(child)
    this.kills += 1
    if (name !== undefined) appendFileSync(join(this.folder, 'log'), `K ${name}\n`)
  }

  /** What the checker complains of once all are dead. */
  async end(): Promise<string> {
    for (const child of this.#running) await this.kill(child)
    const argv = [program('check.js'), join(this.folder, 'store'), join(this.folder, 'log')]
    const { status, stdout, stderr } = spawnSync(process.execPath, argv, {
      env: this.#environment(),
      encoding: 'utf8',
    })
    if (status === 0) rmSync(this.folder, { recursive: true, force: true })
    return status === 0 ? '' : `${this.folder}: ${status} ${stdout} ${stderr}`
  }

  /** Whether it may go on: there is time left, or less than so many operations were acknowledged. */
  isUnfinished(startMs: number, least: number): boolean {
    const tookMs = Date.now() - startMs
    return tookMs < RUN_MS || (tookMs < DEADLINE_MS && this.countDone() < least)
  }

  /** How many operations were acknowledged. */
  countDone(): number {
    return readFileSync(join(this.folder, 'log'), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('A ')).length
  }

  #environment(): NodeJS.ProcessEnv {
    return { ...process.env, CRASH_DIR: join(this.folder, 'store'), CRASH_ACK: join(this.folder, 'log') }
  }
}

const nap = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

test('two to four writers that are killed and stopped at random moments lose nothing that they acknowledged', async () => {
  const seed = readSeed()
  const arena = new Arena(seed)
  const { random } = arena
  const count = 2 + random.below(3)
  const startWriter = (index: number): { name: string; child: ChildProcess } => {
    const name = arena.name()
    return { name, child: arena.start('writer', `${index}`, name) }
  }
  const writers = Array.from({ length: count }, (_, index) => startWriter(index))
  for (const start = Date.now(); arena.isUnfinished(start, 30); ) {
    await nap(50 + random.below(250))
    const index = random.below(count)
    const { name, child } = writers[index] as (typeof writers)[0]
    if (random.chance(0.5)) {
      child.kill('SIGSTOP')
      await nap(random.below(150))
      child.kill('SIGCONT')
      arena.stops += 1
    } else {
      if (random.chance(0.3)) child.kill('SIGSTOP') // a stopped one is killed as well
      await arena.kill(child, name)
      writers[index] = startWriter(index)
    }
  }
  const done = arena.countDone()
  console.log(
    `seed ${seed}: ${count} writers, ${arena.kills} kills, ${arena.stops} stops, ${done} acknowledged`,
  )
  expect(await arena.end(), `seed ${seed}`).toBe('')
  expect(done).toBeGreaterThan(29)
}, 200_000)

test.each(['transfers', 'swaps', 'migrations', 'takeover'])(
  'processes that are killed in the middle of %s leave what the log says',
  async (mode) => {
    const seed = readSeed()
    const arena = new Arena(seed)
    arena.start(mode, '3')
    for (const start = Date.now(); arena.isUnfinished(start, 6); ) await nap(50)
    const done = arena.countDone()
    console.log(`seed ${seed}: ${mode}, ${done} acknowledged`)
    expect(await arena.end(), `seed ${seed}`).toBe('')
    expect(done).toBeGreaterThan(5)
  },
  200_000,
)
