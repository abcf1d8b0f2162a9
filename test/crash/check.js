/**
 * Checks a store after a crash: node check.js DIR LOG
 *
 * Opens it, which recovers it, and compares it with the log (log.js) of the workload. Every key must hold, whole, the
 * value of an operation that may be the last one there: the last acknowledged, or one that began and that nothing
 * acknowledged has replaced for certain. The plain files must say the same as the library, the store must take new
 * writes, and keep all that over a close and another open.
 *
 * Exit 0: all is well. 1: violations, one a line, the class first. 2: the checker broke. 3: the store refused to open,
 * or to write, with a clean error. CRASH_LATER names a file with lines that were written while the crash was being made.
 */

import fs from 'node:fs'
import { openStorage, StorageError } from '../../dist/index.js'
import { isDamage, makeValue, parseLog, readId, splitLog } from './log.js'
import { judgeMigrations } from './migrations.js'
import { judgeSwaps } from './swaps.js'
import { judgeTransfers } from './transfers.js'

const [folder, logFile] = process.argv.slice(2)
const violations = []

/** What may be at a key, by the log. `undefined` stands for nothing. */
class KeyHistory {
  #operations = []
  #log

  constructor(log) {
    this.#log = log
  }

  add(operation) {
    this.#operations.push(operation)
  }

  /** The first word is the class of the violation; undefined if what was found is right. */
  judge(found) {
    const allowed = this.#operations.filter((operation) => this.#mayBeLast(operation))
    if (!this.#operations.some(isCertain)) allowed.push({ kind: 'del', id: 'nothing' })
    if (allowed.some((operation) => isResult(operation, found))) return undefined
    return `${this.#classify(found)}, may be ${allowed.map(describe).join(' or ')}; log: ${this.#operations.slice(-6).map(describe).join(', ')}`
  }

  /** Whether the found state proves that this operation has happened and nothing after it. */
  isLast({ id }) {
    return this.#operations.at(-1)?.id === id
  }

  #mayBeLast(operation) {
    if (operation.state === 'none') return false
    const death = this.#log.deaths.get(operation.process) ?? Number.POSITIVE_INFINITY
    const ended = isCertain(operation) ? operation.ended : Number.POSITIVE_INFINITY
    return !this.#operations.some(
      (later) =>
        isCertain(later) &&
        (later.begun > Math.min(ended, death) ||
          (later.process === operation.process && later.begun > operation.begun)),
    )
  }

  #classify(found) {
    if (found === undefined) return 'LOST is not there'
    if (found.byteLength === 0) return 'EMPTY has no bytes'
    const operation = this.#log.operations.get(readId(found))
    if (found.every((byte) => byte === 0)) return `NULS ${found.byteLength} zeros`
    if (operation === undefined || !isResult(operation, found))
      return `TORN ${found.byteLength} bytes that claim to be ${readId(found)}`
    if (operation.state === 'none') return `UNDEAD ${describe(operation)} was rejected without effect`
    return `STALE is ${describe(operation)}`
  }
}

function isCertain({ state }) {
  return state === 'done' || state === 'committed'
}

function isResult(operation, found) {
  if (operation.kind === 'del') return found === undefined
  return found !== undefined && makeValue(operation).equals(found)
}

function describe({ id, kind, size, state, code }) {
  return `${id} ${kind}${kind === 'set' ? ` ${size}` : ''} ${code ? `${code}/` : ''}${state ?? ''}`.trim()
}

function buildHistories(log) {
  const histories = new Map()
  for (const operation of log.operations.values()) {
    const place = `${operation.scope}/${operation.key}`
    if (!histories.has(place)) histories.set(place, new KeyHistory(log))
    histories.get(place).add(operation)
  }
  return histories
}

/** What a scope holds, by the library and by its folder. */
async function readScope(name, scope) {
  const values = new Map()
  const keys = await scope.keys()
  for (const key of keys) {
    const value = await scope.find(key)
    if (value !== undefined) values.set(`${name}/${key}`, Buffer.from(value))
    else violations.push(`VANISHED ${name}/${key} is listed and not found`)
  }
  const files = fs.existsSync(scope.path) ? fs.readdirSync(scope.path) : []
  for (const file of files) {
    const bytes = fs.readFileSync(`${scope.path}/${file}`)
    if (!values.get(`${name}/${file}`)?.equals(bytes))
      violations.push(`DIFFERENT ${name}/${file} is another value as a plain file`)
  }
  if (files.length !== keys.length)
    violations.push(`DIFFERENT ${name} has ${keys.length} keys and ${files.length} files`)
  return values
}

async function withStore(body) {
  const storage = await openStorage(folder, { lockTimeout: 15_000 })
  try {
    return await body(storage)
  } finally {
    await storage.close()
  }
}

/** Every scope that the store has, by the name that it has in a log, or by its plugin. */
async function listScopes(storage) {
  const scopes = new Map()
  for (const name of await storage.workspaces()) {
    const workspace = storage.workspace(name)
    scopes.set('shared', workspace.shared)
    for (const id of await workspace.plugins())
      scopes.set(id === 'acme/weather' ? 'plugin' : id, workspace.plugin(id).storage)
  }
  return scopes
}

async function readAll(storage) {
  const values = []
  for (const [name, scope] of await listScopes(storage)) values.push(...(await readScope(name, scope)))
  return new Map(values)
}

/** Whether a check wrote it: it may be left from one that was itself cut off. */
const isOwn = (place) => /\/check\d+$/.test(place)

function compareWithLog(log, values) {
  const histories = buildHistories(log)
  for (const [place, history] of histories) {
    const words = history.judge(values.get(place))
    if (words !== undefined) violations.push(words.replace(' ', ` ${place} `))
  }
  for (const place of values.keys()) {
    if (!isOwn(place) && !histories.has(place)) violations.push(`FOREIGN ${place} was never set`)
  }
  for (const ids of log.groups) {
    const operations = ids.map((id) => log.operations.get(id)).filter(Boolean)
    const places = operations.map(({ scope, key }) => `${scope}/${key}`)
    if (!operations.every((operation, index) => histories.get(places[index]).isLast(operation))) continue
    const telling = operations.filter(({ kind, size }) => kind === 'del' || size > 0) // empty values are all alike
    const done = telling.filter((each) => isResult(each, values.get(`${each.scope}/${each.key}`)))
    if (done.length > 0 && done.length < telling.length)
      violations.push(`SPLIT of ${telling.map(describe).join(', ')} there are ${done.map(({ id }) => id)}`)
  }
}

/** What this checker writes itself. A checker that was cut short leaves some of it, whole. */
const SAMPLES = new Map([0, 100, 70_000].map((size) => [`check${size}`, Buffer.alloc(size, 'check ')]))

/** The store works as before: it takes values of every size, and gives them back. */
async function tryWriting(storage) {
  const { storage: own, workspace: shared } = storage.workspace().plugin('acme/weather')
  for (const scope of [own, shared]) {
    await Promise.all([...SAMPLES].map(([key, value]) => scope.set(key, value)))
    for (const [key, value] of SAMPLES) {
      if (!value.equals(await scope.get(key)) || !value.equals(fs.readFileSync(`${scope.path}/${key}`)))
        violations.push(`UNWRITTEN ${key}`)
      if (!(await scope.delete(key))) violations.push(`UNWRITTEN ${key} was not there to be deleted`)
    }
  }
}

function compareTwice(before, after) {
  for (const place of new Set([...before.keys(), ...after.keys()])) {
    if (SAMPLES.has(place.split('/')[1])) continue
    const [first, second] = [before.get(place), after.get(place)]
    if (isOwn(place)) continue
    if (first === undefined || second === undefined || !first.equals(second))
      violations.push(`UNSTABLE ${place} changed by opening again`)
  }
}

/**
 * The store itself must say that all is well, and once somebody has written to it, that nothing is left of the dead; on a
 * read-only disk that stays.
 */
async function checkSound(storage, hasWritten) {
  const { findings } = await storage.check()
  for (const { kind, path, message, isHarmless } of findings)
    if (kind === 'leftover' || kind === 'unrecovered' ? hasWritten : !isHarmless)
      violations.push(`UNSOUND ${kind} ${path}: ${message}`)
}

const JUDGES = { transfers: judgeTransfers, swaps: judgeSwaps, migrations: judgeMigrations }

async function judge(lines, storage, values) {
  const name = lines.find((line) => line.startsWith('W '))?.slice(2)
  const rest = lines.filter((line) => !/^[WX] /.test(line))
  const complaints = lines.filter((line) => line.startsWith('X ')).map((line) => line.slice(2))
  if (name === undefined) compareWithLog(parseLog(rest), values)
  else violations.push(...(await JUDGES[name](rest, storage)))
  violations.push(...complaints)
}

async function check() {
  const later = process.env.CRASH_LATER
  const lines = splitLog(
    fs.readFileSync(logFile, 'utf8'),
    later !== undefined && fs.existsSync(later) ? fs.readFileSync(later, 'utf8') : '',
  )
  let values
  await withStore(async (storage) => {
    if (lines.includes('R')) await storage.repair()
    await checkSound(storage, false)
    values = await readAll(storage)
    await judge(lines, storage, values)
    if (violations.length === 0) await tryWriting(storage)
  })
  if (violations.length > 0) return
  await withStore(async (storage) => {
    compareTwice(values, await readAll(storage))
    await checkSound(storage, true)
  })
}

let status = 0
try {
  await check()
} catch (error) {
  console.error(error)
  if (isDamage(error)) violations.push(`CORRUPT ${error.message}`)
  status = error instanceof StorageError ? 3 : 2
}
if (violations.length > 0) {
  console.log(violations.join('\n'))
  status = 1
}
process.exitCode = status
