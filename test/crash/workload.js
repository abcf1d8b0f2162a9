/**
 * Workloads for harnesses that cut the power, kill processes, let system calls fail or freeze them. Each writes a log
 * (log.js) of what it began and what was acknowledged; check.js compares a store after the crash with that log.
 *
 *   node workload.js mixed          every operation there is, on keys of two scopes; now and then it closes and opens again
 *   node workload.js single         the same with one key
 *   node workload.js large          the same with values up to 2 MiB
 *   node workload.js edits          the same, with a person who edits files in between
 *   node workload.js writers [N]    N processes, each with keys of its own, and some keys that all write
 *   node workload.js takeover       a process that writes is killed and another goes on, for ever
 *   node workload.js transfers [N]  N processes move amounts between accounts, some are killed (transfers.js)
 *   node workload.js swaps [N]      N processes compare and set the same few keys (swaps.js)
 *   node workload.js migrations     two processes bring the same data from version to version (migrations.js)
 *   node workload.js prepare [WHAT] a small store; `dead`: its last owner was killed in the middle of a burst; `foreign`: with a
 *                                   file under a name that is not its key's
 *   node workload.js once OP        over a prepared store: open, one operation, close
 *                                   (set, overwrite, empty, large, delete, clear, burst, update, transaction, swap, create,
 *                                   remove, takeover, open, close, check, repair)
 *   node workload.js other          what another process does meanwhile: it opens, writes, closes
 *
 * CRASH_DIR is the folder to work in, CRASH_ACK the log, CRASH_SEED an integer for random choices. With CRASH_ONCE=1
 * the endless modes stop after a few operations and close. PLAINKEEP_BROKEN=nosync takes a file system whose flushes do
 * nothing: then a harness that cuts the power must find violations.
 */

import { StorageError } from '../../dist/index.js'
import { startChild } from './children.js'
import { say } from './log.js'
import { migrateOn, migrations } from './migrations.js'
import { isOnce, nameProcess, nap, random, report, Session } from './session.js'
import { swapOn, swaps } from './swaps.js'
import { transferOn, transfers } from './transfers.js'

const names = (prefix, count) => Array.from({ length: count }, (_, index) => `${prefix}${index}`)
const ALL_KEYS = names('k', 12)

async function work(options) {
  const session = new Session(options)
  await session.open()
  await session.run()
  await session.close()
}

/** Sets, overwrites and deletes of large values, a few at once. */
async function workLarge() {
  const session = new Session({ keys: names('k', 4) })
  await session.open()
  for (let done = 0; done < (isOnce ? 3 : Number.POSITIVE_INFINITY); done += 1) {
    const [first, second] = [random(4), random(4)].map((index) => `k${index}`)
    await Promise.all([
      session.set('plugin', first, 65_537 + random(2_000_000)),
      random(3) === 0
        ? session.delete('shared', second)
        : session.set('shared', second, 65_537 + random(300_000)),
      session.set('shared', 'small', 64 + random(500)),
    ])
  }
  await session.close()
}

async function writers(count) {
  const children = names('', count).map((index) => startChild('writer', index))
  await Promise.all(children.map(({ ended }) => ended))
}

/** Now and then the next process starts before the last one dies, and both write the same keys for a while. */
async function takeOver() {
  for (let turn = 0; turn < (isOnce ? 2 : Number.POSITIVE_INFINITY); turn += 1) {
    const name = nameProcess(`t${turn}-`)
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

async function prepare(what) {
  const session = new Session({ keys: ALL_KEYS })
  await session.open()
  for (const key of ALL_KEYS.slice(0, 6)) {
    await session.set('plugin', key)
    await session.set('shared', key)
  }
  await session.delete('plugin', 'k5')
  if (what === 'foreign') session.plantForeign()
  await session.close()
  if (what !== 'dead') return
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
  update: (session) => session.update('plugin', 'k1', 500),
  transaction: (session) => session.transact(),
  swap: (session) => session.swap('shared', 'k1', 'set'),
  create: (session) => session.swap('shared', 'k9', 'set'),
  remove: (session) => session.swap('shared', 'k1', 'del'),
  takeover: (session) => session.set('shared', 'k1', 500),
  check: (session) => session.check(),
  repair: (session) => session.repair(),
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
  large: workLarge,
  edits: () => work({ keys: ALL_KEYS, edits: true }),
  writers: (count = '3') => writers(Number(count)),
  writer: (index) => work({ keys: names(`w${index}-k`, 6), shared: names('s', 4) }),
  takeover: takeOver,
  successor: (name) => work({ name, keys: ALL_KEYS.slice(0, 1), shared: ALL_KEYS.slice(1) }),
  transfers: (count = '3') => transfers(Number(count)),
  transferer: transferOn,
  swaps: (count = '3') => swaps(Number(count)),
  swapper: swapOn,
  migrations,
  migrator: migrateOn,
  prepare,
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
