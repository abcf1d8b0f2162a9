/** The system calls that a get and a set are made of, one by one: what remains is JavaScript. */

import {
  close,
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  futimesSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { openStorage } from '../../dist/index.js'
import { quantile } from '../rounds.js'

const VALUE = Buffer.alloc(200, 'x')
const RECORD = Buffer.alloc(304, 'r')
/** All that a value takes which is in memory; not one of the others' calls. */
const KNOWN = 'lstat alone'
const JOURNAL_BYTES = 4 * 1024 * 1024
const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants

/** Times each step of a series that is done again and again. */
class Stopwatch {
  #times = new Map()
  #count = 0

  /** Times a call under a name; calls of one name are added up for each round. */
  time(name, call) {
    const start = performance.now()
    const result = call()
    const list = this.#times.get(name) ?? []
    list[this.#count] = (list[this.#count] ?? 0) + (performance.now() - start) * 1000
    this.#times.set(name, list)
    return result
  }

  next() {
    this.#count += 1
  }

  /** The median of each step, the first half not counted: what runs for the first time is slower. */
  rows() {
    return [...this.#times].map(([name, list]) => ({
      name,
      microseconds: quantile(list.slice(list.length >> 1), 0.5),
    }))
  }
}

/** What a get and a set of 200 bytes cost, system call by system call, and what plainkeep takes for them. */
export async function floor({ folder, isQuick }) {
  const count = isQuick ? 1000 : 6000
  const storage = await openStorage(join(folder, 'store'))
  const uncached = await openStorage(join(folder, 'uncached'), { cacheBytes: 0 })
  const [own, plain] = [storage, uncached].map((each) => each.workspace().plugin('acme/weather').storage)
  for (let index = 0; index < 100; index += 1)
    for (const scope of [own, plain]) await scope.set(`k${index}`, VALUE)
  const raw = makeRawStore(join(folder, 'raw'))
  const key = (index) => `k${index % 100}`
  const results = []
  for (const [title, steps, calls] of [
    [
      'a get of 200 bytes',
      raw.get,
      {
        'plainkeep, without its cache': (index) => plain.get(key(index), 'bytes'),
        'plainkeep, a value that it knows': (index) => own.get(key(index), 'bytes'),
      },
    ],
    ['a set of 200 bytes, a new key', raw.set, { plainkeep: (index) => own.set(`n${index}`, VALUE) }],
    ['a set of 200 bytes, over another', raw.replace, { plainkeep: (index) => own.set(key(index), VALUE) }],
  ]) {
    const watch = new Stopwatch()
    const times = Object.entries(calls).map(([name, call]) => ({ name, call, list: [] }))
    for (let index = 0; index < count; index += 1) {
      steps(watch, index)
      watch.next()
      for (const { call, list } of times) {
        const start = performance.now()
        await call(index)
        list.push((performance.now() - start) * 1000)
      }
    }
    const rows = watch.rows()
    const sum = rows.reduce((total, { name, microseconds }) => total + (name === KNOWN ? 0 : microseconds), 0)
    rows.push({ name: 'all these system calls', microseconds: sum })
    for (const { name, list } of times)
      rows.push({ name, microseconds: quantile(list.slice(count >> 1), 0.5) })
    results.push({ title: `where the time goes: ${title}`, rows })
  }
  await storage.close()
  await uncached.close()
  results.push(await replaceMany(join(folder, 'replaced'), isQuick ? 10 : 30))
  results.push(flushBeside(join(folder, 'flushed'), isQuick ? 500 : 3000))
  return results
}

/** Groups of 16 files that replace others, flushed together: what it costs that rename frees the old ones. */
async function replaceMany(folder, rounds) {
  mkdirSync(folder)
  const journal = openSync(join(folder, 'journal'), 'w+')
  const paths = Array.from({ length: 480 }, (_, index) => join(folder, `k${index}`))
  for (const path of paths) writeFileSync(path, VALUE)
  const times = { 'rename frees the old file': [], 'it is held open, and closed by a thread': [] }
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, list] of Object.entries(times)) {
      const isHeld = name.startsWith('it')
      const start = performance.now()
      for (let first = 0; first < paths.length; first += 16) {
        const group = paths.slice(first, first + 16)
        for (const path of group) writeFileSync(`${path}.new`, VALUE)
        writeSync(journal, RECORD, 0, RECORD.length, 0)
        fdatasyncSync(journal)
        const held = isHeld ? group.map((path) => openSync(path, O_RDONLY)) : []
        for (const path of group) renameSync(`${path}.new`, path)
        for (const descriptor of held) close(descriptor, () => undefined)
        await new Promise((resolve) => setImmediate(resolve))
      }
      list.push(((performance.now() - start) * 1000) / paths.length)
    }
  }
  closeSync(journal)
  const rows = Object.entries(times).map(([name, list]) => ({ name, microseconds: quantile(list, 0.5) }))
  return { title: 'where the time goes: a file of a group of 16 that replace others', rows }
}

/**
 * A flush of a file whose bytes alone have changed, and what it costs more where others are written beside it: since Linux
 * 6.13 a file or folder that changes again after a look at its times gets a finer time, and so does whatever is written next,
 * the journal; ext4 without a journal writes inodes even for `fdatasync`, and sixteen of them lie in one block.
 */
function flushBeside(folder, count) {
  mkdirSync(folder)
  const makeMany = (name) => {
    for (let index = 0; index < 32; index += 1) writeFileSync(join(folder, `${name}${index}`), '')
  }
  makeMany('before') // so that no other inode lies in the block of the journal's
  const journal = makeJournal(folder)
  makeMany('behind')
  const scope = join(folder, 'scope')
  mkdirSync(scope)
  const staged = join(folder, 'staged')
  const makeAndRename = (name) => {
    writeFileSync(staged, VALUE)
    renameSync(staged, join(scope, name))
  }
  const beside = {
    'nothing beside it': () => undefined,
    'a file is made and renamed': (index) => makeAndRename(`n${index}`),
    'the same, after a look at its folder': (index) => {
      lstatSync(scope)
      makeAndRename(`m${index}`)
    },
  }
  const watch = new Stopwatch()
  for (let index = 0; index < count; index += 1) {
    for (const [name, act] of Object.entries(beside)) {
      act(index)
      writeSync(journal, RECORD, 0, RECORD.length, (index % 10_000) * RECORD.length)
      watch.time(name, () => fdatasyncSync(journal))
    }
    watch.next()
  }
  closeSync(journal)
  return { title: 'where the time goes: a flush of the journal', rows: watch.rows() }
}

/** A journal with room made ahead, as the store's has. */
function makeJournal(folder) {
  const journal = openSync(join(folder, 'journal'), 'w+')
  writeSync(journal, Buffer.alloc(JOURNAL_BYTES))
  fdatasyncSync(journal)
  return journal
}

/** The calls that the store makes, in its order, on files of its layout. */
function makeRawStore(root) {
  const [scope, work] = [join(root, 'default', 'plugins', 'scope'), join(root, '.plainkeep', 'work')]
  for (const folder of [scope, work]) mkdirSync(folder, { recursive: true })
  const journal = makeJournal(work)
  let position = 0
  const write = (watch, key) => {
    const staged = join(work, 's1')
    watch.time('lstat of the folders and the key', () => {
      for (const path of [join(root, 'default'), join(root, 'default', 'plugins'), scope, key])
        lstatSync(path, { bigint: true, throwIfNoEntry: false })
    })
    const descriptor = watch.time('open, to create', () =>
      openSync(staged, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600),
    )
    watch.time('write', () => writeSync(descriptor, VALUE))
    watch.time('futimes, fstat', () => {
      fstatSync(descriptor, { bigint: true })
      const seconds = Date.now() / 1000
      futimesSync(descriptor, seconds, seconds)
      fstatSync(descriptor, { bigint: true })
    })
    watch.time('close', () => closeSync(descriptor))
    watch.time('write to the journal', () => writeSync(journal, RECORD, 0, RECORD.length, position))
    position = (position + RECORD.length) % (JOURNAL_BYTES - RECORD.length)
    watch.time('fdatasync', () => fdatasyncSync(journal))
    watch.time('rename', () => renameSync(staged, key))
  }
  return {
    set: (watch, index) => write(watch, join(scope, `n${index}`)),
    replace: (watch, index) => write(watch, join(scope, `n${index % 100}`)),
    get: (watch, index) => {
      const path = join(scope, `g${index % 100}`)
      if (index < 100) {
        const made = openSync(path, 'w')
        writeSync(made, VALUE)
        closeSync(made)
      }
      const descriptor = watch.time('open', () => openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK))
      watch.time('fstat', () => fstatSync(descriptor, { bigint: true }))
      watch.time('read', () => readSync(descriptor, Buffer.allocUnsafe(VALUE.length), 0, VALUE.length, 0))
      watch.time('close', () => closeSync(descriptor))
      watch.time(KNOWN, () => lstatSync(path))
    },
  }
}
