/** Watchers: how late they are, what they cost those who write, and what they hold. */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openStorage } from '../../dist/index.js'
import { formatTime } from '../report.js'
import { compare, quantile } from '../rounds.js'

const worker = fileURLToPath(new URL('../watch-worker.js', import.meta.url))
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const now = () => Number(process.hrtime.bigint()) / 1e6

/** A process that does one thing after another. */
async function startWorker(mode, folder) {
  const child = fork(worker, [mode, folder], { execArgv: ['--expose-gc'] })
  await once(child, 'message')
  return async (action, options = {}) => {
    child.send({ action, ...options })
    return (await once(child, 'message'))[0]
  }
}

/** Milliseconds from the one to the other, of all keys. */
function latencies(from, to) {
  const missing = Object.keys(from).filter((key) => !(key in to))
  if (missing.length > 0) throw new Error(`${missing.length} events never came, such as ${missing[0]}.`)
  return Object.entries(from).map(([key, ms]) => Math.max(0, to[key] - ms))
}

function describe(list) {
  const [median, late, most] = [0.5, 0.99, 1].map((part) => formatTime(quantile(list, part) * 1000))
  return `p50 ${median}, p99 ${late}, most ${most}`
}

/** From the moment that `set` has resolved, or a file was written, to the event. */
export async function watchLatency({ folder, isQuick }) {
  const count = isQuick ? 200 : 1000
  const watcher = await startWorker('watch', folder)
  const writer = await startWorker('write', folder)
  await watcher('watch')
  const rows = []
  for (const [name, pauseMs] of [
    ['a commit of another process, 5 ms apart', 5],
    ['a commit of another process, without a pause', 0],
  ]) {
    await writer('write', { count: 50, pauseMs, prefix: `warm${pauseMs}-` })
    await sleep(200)
    await watcher('take')
    const { resolved } = await writer('write', { count, pauseMs, prefix: `p${pauseMs}-` })
    await sleep(1000)
    rows.push({ name, text: describe(latencies(resolved, (await watcher('take')).told)) })
  }
  await writer('close')
  await watcher('close')
  rows.push(...(await measureOwn(join(folder, 'own'), count)))
  return [{ title: 'How late an event comes', rows }]
}

async function measureOwn(folder, count) {
  const storage = await openStorage(folder)
  const scope = storage.workspace().shared
  await scope.set('first', 'x')
  const told = {}
  const watcher = scope.watch()
  watcher.on('change', ({ key }) => (told[key] = now()))
  await watcher.ready
  const [resolved, written] = [{}, {}]
  for (let number = 0; number < count; number += 1) {
    await scope.set(`own${number}`, 'x')
    resolved[`own${number}`] = now()
    await sleep(1)
  }
  for (let number = 0; number < count / 10; number += 1) {
    writeFileSync(join(scope.path, `hand${number}`), 'x')
    written[`hand${number}`] = now()
    await sleep(5)
  }
  await watcher.rescan()
  await storage.close()
  return [
    { name: 'a commit of this process', text: describe(latencies(resolved, told)) },
    { name: 'an edit by hand, of which 50 ms are quiet', text: describe(latencies(written, told)) },
  ]
}

/** What `set` takes where somebody watches. */
export async function watchedSet({ folder, rounds }) {
  const watches = {
    'nobody watches': () => undefined,
    'another scope is watched': (storage) => storage.workspace('other').shared.watch(),
    'its scope is watched': (storage) => storage.workspace().shared.watch(),
    'all scopes are watched': (storage) => storage.watch(),
  }
  const contenders = []
  for (const [name, watch] of Object.entries(watches)) {
    const storage = await openStorage(join(folder, name.replaceAll(' ', '-')))
    const watcher = watch(storage)
    watcher?.on('change', () => undefined)
    await watcher?.ready
    contenders.push({ peer: { name }, storage, scope: storage.workspace().shared })
  }
  const run = ({ scope }, index) => scope.set(`k${(index + 5000) % 50}`, Buffer.alloc(200, `${index} `))
  const rows = await compare(contenders, { rounds, count: 40, warmup: 1500 }, run)
  const cpu = []
  for (const contender of contenders) {
    const before = process.cpuUsage()
    for (let index = 0; index < 1000; index += 1) await run(contender, index)
    await sleep(50)
    const { user, system } = process.cpuUsage(before)
    cpu.push({ name: contender.peer.name, text: `${formatTime((user + system) / 1000)} of the processor` })
    await contender.storage.close()
  }
  return [
    { title: 'set of 200 bytes, one after another', rows },
    { title: 'set of 200 bytes: what it costs this process', rows: cpu },
  ]
}

/** A folder of many keys. */
export async function watchMany({ folder, isQuick }) {
  const keys = isQuick ? 10_000 : 100_000
  const path = join(folder, 'default', 'shared')
  mkdirSync(path, { recursive: true })
  for (let number = 0; number < keys; number += 1) writeFileSync(join(path, `k${number}`), '')
  const watcher = await startWorker('watch', folder)
  const { ms, cpuMs, bytes, watches } = await watcher('watch')
  await watcher('take')
  await sleep(10_000)
  const idle = await watcher('take')
  const edits = 200
  for (let number = 0; number < edits; number += 1) {
    writeFileSync(join(path, `k${number * 40}`), 'x')
    await sleep(20)
  }
  await sleep(200)
  const edited = await watcher('take')
  const writer = await startWorker('write', folder)
  await writer('write', { count: 200, pauseMs: 5, prefix: 'k' })
  await writer('close')
  await sleep(200)
  const committed = await watcher('take')
  await watcher('close')
  const each = ({ cpuMs: used, told }) =>
    `${formatTime((used * 1000) / Object.keys(told).length)} of the processor for an event`
  const rows = [
    {
      name: 'until it is ready',
      text: `${formatTime(ms * 1000)}, ${formatTime(cpuMs * 1000)} of the processor`,
    },
    { name: 'memory', text: `${(bytes / 1e6).toFixed(1)} MB, ${Math.round(bytes / keys)} bytes for a key` },
    { name: 'watches of the kernel', text: `${watches}: the folder, the one above, .plainkeep, a journal` },
    { name: 'an edit by hand', text: each(edited) },
    { name: 'a commit of another process', text: each(committed) },
    { name: 'when nothing happens', text: `${formatTime(idle.cpuMs * 100)} of the processor in a second` },
  ]
  return [{ title: `A watcher of ${keys.toLocaleString('en')} keys`, rows }]
}
