/** One process's use of a store: operations whose beginning and end go to the log. */

import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { openStorage, StorageError } from '../../dist/index.js'
import { isDamage, makeValue, readId, say } from './log.js'

const PLUGIN = 'acme/weather'
const LOCK_TIMEOUT_MS = 15_000
const FEW = 8

/** Longer than the clock of the files takes to tick: a person is not as fast. */
const CLOCK_TICK_MS = 15

/** Whether the endless modes stop after a few operations. */
export const isOnce = process.env.CRASH_ONCE === '1'

/** A small generator of the same numbers for the same seed: `random(n)` is below n. */
export const random = makeRandom(Number(process.env.CRASH_SEED ?? 1))

function makeRandom(seed) {
  let state = (seed * 2654435761) | 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/** Waits so many milliseconds. */
export const nap = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** A name for a process that no other one has. */
export const nameProcess = (prefix) => `${prefix}${randomBytes(4).toString('hex')}`

/** Flushes that do nothing: the variant that must fail. */
function makeFileSystem() {
  if (process.env.PLAINKEEP_BROKEN !== 'nosync') return fs
  const lie = (_descriptor, callback) => setImmediate(callback, null)
  return { ...fs, fsync: lie, fdatasync: lie, fdatasyncSync: () => undefined }
}

const fileSystem = makeFileSystem()

/** Opens the store. */
export function openStore() {
  return openStorage(process.env.CRASH_DIR, { fs: fileSystem, lockTimeout: LOCK_TIMEOUT_MS })
}

/** Opens the store, however often it takes. */
export async function openSurely() {
  for (;;) {
    try {
      return await openStore()
    } catch (error) {
      report(error)
      await nap(20)
    }
  }
}

/** Says what became of operations: one line for each. False if the promise was rejected. */
export async function settle(ids, promise, isCertain = (_result) => true) {
  try {
    const line = isCertain(await promise) ? (id) => `A ${id}` : (id) => `F ${id} UNCERTAIN unknown`
    for (const id of ids) say(line(id))
    return true
  } catch (error) {
    report(error)
    for (const id of ids) say(`F ${id} ${error.code} ${error.outcome ?? 'unknown'}`)
    return false
  }
}

/** A failure may be of any kind but unclear. */
export function report(error) {
  if (process.env.CRASH_VERBOSE === '1') console.error(error)
  if (!(error instanceof StorageError))
    say(`X UNCLEAR ${String(error?.stack ?? error).replaceAll('\n', ' | ')}`)
  else if (isDamage(error)) say(`X CORRUPT ${error.message}`)
}

/** Operations on the keys of two scopes. */
export class Session {
  #count = 0
  #storage
  #scopes

  /** `name` stands for the process in the log; `keys` are those it alone writes, `shared` those that others write too. */
  constructor({ name = nameProcess('p'), keys, shared = [], edits = false }) {
    this.name = name
    this.keys = keys
    this.shared = shared
    this.edits = edits
  }

  async open() {
    this.#use(await openStore())
  }

  #use(storage) {
    this.#storage = storage
    const context = storage.workspace().plugin(PLUGIN)
    this.#scopes = { plugin: context.storage, shared: context.workspace }
  }

  async close() {
    await this.#storage.close()
  }

  /** Sets or deletes one key; what becomes of it goes to the log. False if it was rejected. */
  async set(scope, key, size = this.#randomSize(key)) {
    const operation = this.#begin({ scope, key, kind: 'set', size })
    return settle([operation.id], this.#scopes[scope].set(key, makeValue(operation)))
  }

  /** One that finds nothing does nothing: where a person may have removed the file, a power cut may bring it back. */
  async delete(scope, key) {
    const operation = this.#begin({ scope, key, kind: 'del' })
    return settle([operation.id], this.#scopes[scope].delete(key), (existed) => existed || !this.edits)
  }

  /** The same by a function of the present value. */
  async update(scope, key, size = this.#randomSize(key)) {
    const isDelete = random(5) === 0
    const operation = this.#begin({ scope, key, kind: isDelete ? 'del' : 'set', size })
    let existed = false
    const change = (present) => {
      existed = present !== undefined
      return isDelete ? undefined : makeValue(operation)
    }
    const isCertain = () => existed || !isDelete || !this.edits
    return settle([operation.id], this.#scopes[scope].update(key, change), isCertain)
  }

  /** Compare and set: replaces or deletes what it has seen there, and nothing else; makes what it has not. */
  async swap(scope, key, kind = random(4) === 0 ? 'del' : 'set') {
    const seen = await this.#scopes[scope].entry(key).catch(report)
    const isDelete = kind === 'del' && seen !== undefined
    const operation = this.#begin({ scope, key, kind: isDelete ? 'del' : 'set', size: this.#randomSize(key) })
    const condition = seen === undefined ? { ifAbsent: true } : { ifVersion: seen.version }
    const call = isDelete
      ? this.#scopes[scope].delete(key, condition)
      : this.#scopes[scope].set(key, makeValue(operation), condition)
    return settle([operation.id], call)
  }

  /** Sets and deletes over both scopes in one commit, made by one transaction. */
  async transact() {
    const names = [0, 1, 2].map((index) => `${this.keys[0]}-part${index}`)
    const places = names.flatMap((key) => [
      ['plugin', key],
      ['shared', key],
    ])
    if (!(await this.#replaceAll(places.map(([scope, key]) => ({ scope, key, kind: 'set' }))))) return false
    const mixed = places.map(([scope, key], index) => ({ scope, key, kind: index % 3 === 2 ? 'del' : 'set' }))
    return random(3) === 0 || this.#replaceAll(mixed)
  }

  #replaceAll(changes) {
    const operations = changes.map((change) => this.#begin({ ...change, size: this.#randomSize(change.key) }))
    say(`G ${operations.map(({ id }) => id).join(' ')}`)
    const committing = this.#storage.transaction(async (tx) => {
      for (const operation of operations) {
        const scope = tx.scope(this.#scopes[operation.scope])
        if (operation.kind === 'del') await scope.delete(operation.key)
        else await scope.set(operation.key, makeValue(operation))
      }
    })
    return settle(
      operations.map(({ id }) => id),
      committing,
    )
  }

  /** Several keys in one commit: all are set, then all are deleted at once. */
  async clear(scope) {
    const keys = Array.from({ length: 5 }, (_, index) => `${this.keys[0]}-group${index}`)
    const areSet = await Promise.all(keys.map((key) => this.set(scope, key, 64 + random(300))))
    if (areSet.includes(false)) return false
    const operations = keys.map((key) => this.#begin({ scope, key, kind: 'del' }))
    const ids = operations.map(({ id }) => id)
    say(`G ${ids.join(' ')}`)
    return settle(ids, this.#scopes[scope].clear({ prefix: `${this.keys[0]}-group` }))
  }

  /** Many operations at once, over both scopes, some of them on one key. */
  async burst(count = 20 + random(31)) {
    const all = Array.from({ length: count }, () =>
      random(8) === 0 ? this.delete(...this.#randomPlace()) : this.set(...this.#randomPlace()),
    )
    return !(await Promise.all(all)).includes(false)
  }

  /** What a careful person does: another file, synced, moved to its place, and the folder synced. An `rm` may be undone. */
  async edit(scope, key) {
    await nap(CLOCK_TICK_MS)
    const { path } = this.#scopes[scope]
    if (!fs.existsSync(path)) return true
    if (random(4) === 0) {
      this.#begin({ scope, key, kind: 'del' })
      fs.rmSync(`${path}/${key}`, { force: true })
      return true
    }
    const operation = this.#begin({ scope, key, kind: 'set', size: this.#randomSize(key) })
    const draft = `${process.env.CRASH_DIR}/draft`
    fs.writeFileSync(draft, makeValue(operation), { flush: true })
    fs.renameSync(draft, `${path}/${key}`)
    const folder = fs.openSync(path, 'r')
    fs.fsyncSync(folder)
    fs.closeSync(folder)
    say(`A ${operation.id}`)
    await nap(CLOCK_TICK_MS)
    return true
  }

  /** A file that somebody put there under a name that is not its key's; then what repairs it. */
  plantForeign() {
    const operation = this.#begin({ scope: 'shared', key: 'mine', kind: 'set', size: 300 })
    fs.writeFileSync(`${this.#scopes.shared.path}/%6dine`, makeValue(operation), { mode: 0o600 })
    say(`A ${operation.id}`)
    say('R')
  }

  async repair() {
    const { left } = await this.#storage.repair()
    for (const { finding, reason } of left)
      if (process.env.CRASH_VERBOSE === '1') console.error(finding, reason)
    return true
  }

  /** What a dead owner left stays where the store cannot be written; a check says so, and that is right. */
  async check() {
    const { findings } = await this.#storage.check()
    const wrong = findings.filter(({ kind, isHarmless }) => !isHarmless && kind !== 'unrecovered')
    if (wrong.length > 0) say(`X UNSOUND ${JSON.stringify(wrong)}`)
    return wrong.length === 0
  }

  /** Operations until somebody kills the process, or a few of them. */
  async run(count = isOnce ? FEW : Number.POSITIVE_INFINITY) {
    for (let done = 0; done < count; done += 1) {
      if (!(await this.#step(random(100)))) await this.#reopen()
    }
  }

  async #step(choice) {
    if (this.edits && random(4) === 0)
      return this.edit(this.#randomScope(), this.keys[random(this.keys.length)])
    if (choice < 40) {
      const [scope, key] = this.#randomPlace()
      const isSet = await this.set(scope, key)
      if (isSet && this.keys.includes(key) && random(4) === 0) await this.#look(scope, key)
      return isSet
    }
    if (choice < 52) return this.delete(...this.#randomPlace())
    if (choice < 64) return this.burst()
    if (choice < 70) return this.keys.length === 1 || this.clear(this.#randomScope())
    if (choice < 77) return this.keys.length === 1 || this.transact()
    if (choice < 84) return this.update(...this.#randomPlace())
    if (choice < 92) return (await this.swap(...this.#randomPlace())) || this.shared.length > 0
    if (choice < 95) return nap(random(60)).then(() => true)
    if (choice < 96 && !isOnce) return nap(1100).then(() => true)
    return choice < 98 || this.#reopen()
  }

  /** What was acknowledged is in the plain file, at once. */
  async #look(scope, key) {
    const value = await this.#scopes[scope].find(key)
    const file = fs.readFileSync(`${this.#scopes[scope].path}/${key}`)
    const last = `${this.name}.${this.#count}`
    const isLast = (bytes) => bytes?.byteLength === 0 || (bytes !== undefined && readId(bytes) === last)
    if (!isLast(value && Buffer.from(value)) || !isLast(file)) say(`X INVISIBLE ${scope}/${key} ${last}`)
  }

  async #reopen() {
    try {
      await this.close()
    } catch (error) {
      report(error)
    }
    this.#use(await openSurely())
    return true
  }

  #begin({ scope, key, kind, size }) {
    this.#count += 1
    const id = `${this.name}.${this.#count}`
    say(`B ${id} ${scope} ${key} ${kind}${kind === 'set' ? ` ${size}` : ''}`)
    return { id, scope, key, kind, size }
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
