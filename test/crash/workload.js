/**
 * A workload for harnesses that cut the power, kill processes, let system calls fail or freeze them. It writes a log
 * (log.js) of what it began and what was acknowledged; check.js compares a store after the crash with that log.
 *
 *   node workload.js mixed          sets, deletes, bursts, several keys at once, now and then close and open again
 *   node workload.js single         one key
 *   node workload.js writers [N]    N processes, each with keys of its own, and some keys that all write
 *   node workload.js takeover       a process that writes is killed and another goes on, for ever
 *   node workload.js prepare [dead] a small store; with `dead` its last owner was killed in the middle of a burst
 *   node workload.js once OP        over a prepared store: open, one operation, close
 *                                   (set, overwrite, empty, large, delete, clear, burst, close, open, takeover)
 *   node workload.js other          what another process does meanwhile: it opens, writes, closes
 *
 * CRASH_DIR is the folder to work in, CRASH_ACK the log, CRASH_SEED an integer for random choices. With CRASH_ONCE=1
 * the endless modes stop after a few operations and close. PLAINKEEP_BROKEN=nosync takes a file system whose flushes do
 * nothing: then a harness that cuts the power must find violations.
 */

import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import { openStorage, StorageError } from '../../dist/index.js'
import { makeValue, openLog } from './log.js'

const PLUGIN = 'acme/weather'
const LOCK_TIMEOUT_MS = 15_000
const FEW = 8
const isOnce = process.env.CRASH_ONCE === '1'
const say = openLog()
const random = makeRandom(Number(process.env.CRASH_SEED ?? 1))

/** A small generator of the same numbers for the same seed: `random(n)` is below n. */
function makeRandom(seed) {
  let state = (seed * 2654435761) | 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

const nap = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Flushes that do nothing: the variant that must fail. */
function makeFileSystem() {
  if (process.env.PLAINKEEP_BROKEN !== 'nosync') return fs
  const lie = (_descriptor, callback) => setImmediate(callback, null)
  return { ...fs, fsync: lie, fdatasync: lie, fdatasyncSync: () => undefined }
}

const fileSystem = makeFileSystem()

/** One process's use of the store. */
class Session {
  #count = 0
  #storage
  #scopes

  /** `name` stands for the process in the log; `keys` are those it alone writes, `shared` those that others write too. */
  constructor({ name = `p${randomBytes(4).toString('hex')}`, keys, shared = [] }) {
    this.name = name
    this.keys = keys
    this.shared = shared
  }

  async open() {
    this.#storage = await openStorage(process.env.CRASH_DIR, { fs: fileSystem, lockTimeout: LOCK_TIMEOUT_MS })
    const context = this.#storage.workspace().plugin(PLUGIN)
    this.#scopes = { plugin: context.storage, shared: context.workspace }
  }

  async close() {
    await this.#storage.close()
  }

  /** Sets or deletes one key; what becomes of it goes to the log. False if it was rejected. */
  async set(scope, key, size = this.#randomSize(key)) {
    const operation = this.#begin({ scope, key, kind: 'set', size })
    return this.#finish([operation], this.#scopes[scope].set(key, makeValue(operation)))
  }

  async delete(scope, key) {
    const operation = this.#begin({ scope, key, kind: 'del' })
    return this.#finish([operation], this.#scopes[scope].delete(key))
  }

  /** Several keys in one commit: all are set, then all are deleted at once. */
  async clear(scope) {
    const keys = Array.from({ length: 5 }, (_, index) => `${this.keys[0]}-group${index}`)
    const areSet = await Promise.all(keys.map((key) => this.set(scope, key, 64 + random(300))))
    if (areSet.includes(false)) return false
    const operations = keys.map((key) => this.#begin({ scope, key, kind: 'del' }))
    say(`G ${operations.map(({ id }) => id).join(' ')}`)
    return this.#finish(operations, this.#scopes[scope].clear({ prefix: `${this.keys[0]}-group` }))
  }

  /** Many operations at once, over both scopes, some of them on one key. */
  async burst(count = 20 + random(31)) {
    const all = Array.from({ length: count }, () =>
      random(8) === 0 ? this.delete(...this.#randomPlace()) : this.set(...this.#randomPlace()),
    )
    return !(await Promise.all(all)).includes(false)
  }

  /** Operations until somebody kills the process, or a few of them. */
  async run(count = isOnce ? FEW : Number.POSITIVE_INFINITY) {
    for (let done = 0; done < count; done += 1) {
      if (!(await this.#step(random(100)))) await this.#reopen()
    }
  }

  async #step(choice) {
    if (choice < 55) {
      const [scope, key] = this.#randomPlace()
      const isSet = await this.set(scope, key)
      if (isSet && this.keys.includes(key) && random(4) === 0) await this.#look(scope, key)
      return isSet
    }
    if (choice < 70) return this.delete(...this.#randomPlace())
    if (choice < 84) return this.burst()
    if (choice < 92) return this.keys.length === 1 || this.clear(this.#randomScope())
    if (choice < 95) return nap(random(60)).then(() => true)
    if (choice < 96 && !isOnce) return nap(1100).then(() => true)
    return choice < 98 || this.#reopen()
  }

  /** What was acknowledged is in the plain file, at once. */
  async #look(scope, key) {
    const value = await this.#scopes[scope].find(key)
    const file = fs.readFileSync(`${this.#scopes[scope].path}/${key}`)
    const last = `${this.name}.${this.#count}`
    const isLast = (bytes) =>
      bytes?.byteLength === 0 ||
      Buffer.from(bytes ?? [])
        .toString('latin1')
        .startsWith(`${last} `)
    if (!isLast(value) || !isLast(file)) say(`X INVISIBLE ${scope}/${key} ${last}`)
  }

  async #reopen() {
    try {
      await this.close()
    } catch (error) {
      report(error)
    }
    for (;;) {
      try {
        await this.open()
        return true
      } catch (error) {
        report(error)
        await nap(20)
      }
    }
  }

  #begin({ scope, key, kind, size }) {
    this.#count += 1
    const id = `${this.name}.${this.#count}`
    say(`B ${id} ${scope} ${key} ${kind}${kind === 'set' ? ` ${size}` : ''}`)
    return { id, scope, key, size }
  }

  async #finish(operations, promise) {
    try {
      await promise
      for (const { id } of operations) say(`A ${id}`)
      return true
    } catch (error) {
      report(error)
      for (const { id } of operations) say(`F ${id} ${error.code} ${error.outcome ?? 'unknown'}`)
      return false
    }
  }

  #randomPlace() {
    const isShared = this.shared.length > 0 && random(3) === 0
    const keys = isShared ? this.shared : this.keys
    return [this.#randomScope(), keys[random(keys.length)]]
  }

  #randomScope() {
    return random(2) === 0 ? 'plugin' : 'shared'
  }

  /** Empty values go to a few keys only, so that an empty file is a find at the others. */
  #randomSize(key) {
    const choice = random(20)
    if (key.endsWith('0') && choice < 8) return 0
    if (choice < 12) return 64 + random(1500)
    if (choice < 15) return 4096 * (1 + random(5)) + random(2)
    return choice < 18 ? 20_000 + random(45_536) : 65_536 + random(26_625)
  }
}

/** A failure may be of any kind but unclear. */
function report(error) {
  if (process.env.CRASH_VERBOSE === '1') console.error(error)
  if (!(error instanceof StorageError))
    say(`X UNCLEAR ${String(error?.stack ?? error).replaceAll('\n', ' | ')}`)
  else if (error.code === 'CORRUPT_JOURNAL') say(`X CORRUPT ${error.message}`)
}

const names = (prefix, count) => Array.from({ length: count }, (_, index) => `${prefix}${index}`)
const ALL_KEYS = names('k', 12)

function startChild(...argv) {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), ...argv], {
    stdio: 'inherit',
    env: { ...process.env, CRASH_SEED: String(random(1_000_000)) },
  })
  return { child, ended: new Promise((resolve) => child.on('exit', resolve)) }
}

async function work(options) {
  const session = new Session(options)
  await session.open()
  await session.run()
  await session.close()
}

async function writers(count) {
  const children = names('', count).map((index) => startChild('writer', index))
  await Promise.all(children.map(({ ended }) => ended))
}

/** Now and then the next process starts before the last one dies, and both write the same keys for a while. */
async function takeOver() {
  for (let turn = 0; turn < (isOnce ? 2 : Number.POSITIVE_INFINITY); turn += 1) {
    const name = `t${turn}-${randomBytes(3).toString('hex')}`
    const { child, ended } = startChild('successor', name)
    const killed = nap(150 + random(500)).then(async () => {
      child.kill('SIGKILL')
      await ended
      say(`K ${name}`)
    })
    if (random(3) > 0) await killed
    else await nap(100)
  }
}

async function prepare(isDead) {
  const session = new Session({ keys: ALL_KEYS })
  await session.open()
  for (const key of ALL_KEYS.slice(0, 6)) {
    await session.set('plugin', key)
    await session.set('shared', key)
  }
  await session.delete('plugin', 'k5')
  await session.close()
  if (!isDead) return
  const { ended } = startChild('victim', 'victim')
  await ended
  say('K victim')
}

/** Dies with one group acknowledged and another under way. */
async function beVictim(name) {
  const session = new Session({ name, keys: ALL_KEYS })
  await session.open()
  await session.set('plugin', 'k1')
  await session.delete('shared', 'k2')
  await session.set('shared', 'k3', 80_000)
  void session.burst(30)
  await nap(random(8))
  process.kill(process.pid, 'SIGKILL')
}

const ONCE = {
  set: (session) => session.set('plugin', 'k8', 700),
  overwrite: (session) => session.set('plugin', 'k1', 900),
  empty: (session) => session.set('shared', 'k0', 0),
  large: (session) => session.set('shared', 'k2', 90_000),
  delete: (session) => session.delete('plugin', 'k2'),
  clear: (session) => session.clear('plugin'),
  burst: (session) => session.burst(24),
  takeover: (session) => session.set('shared', 'k1', 500),
  open: () => true,
  close: async (session) => {
    await session.set('plugin', 'k1', 300)
    await session.delete('shared', 'k1')
    await session.set('shared', 'k3', 70_000)
  },
}

async function once(operation) {
  const session = new Session({ keys: ALL_KEYS })
  await session.open()
  await ONCE[operation](session)
  await session.close()
}

async function other() {
  const session = new Session({ keys: ['other0', 'other1'] })
  await session.open()
  await session.set('plugin', 'k1', 400)
  await session.delete('shared', 'k1')
  await session.set('shared', 'other0', 66_000)
  await session.close()
}

const MODES = {
  mixed: () => work({ keys: ALL_KEYS }),
  single: () => work({ keys: ['k0'] }),
  writers: (count = '3') => writers(Number(count)),
  writer: (index) => work({ keys: names(`w${index}-k`, 6), shared: names('s', 4) }),
  takeover: takeOver,
  successor: (name) => work({ name, keys: ALL_KEYS.slice(0, 1), shared: ALL_KEYS.slice(1) }),
  prepare: (kind) => prepare(kind === 'dead'),
  victim: beVictim,
  once,
  other,
}

const [mode, ...argv] = process.argv.slice(2)
try {
  await MODES[mode](...argv)
} catch (error) {
  report(error)
  console.error(error)
  process.exitCode = error instanceof StorageError ? 4 : 5
}
