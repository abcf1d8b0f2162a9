/**
 * What docs/compare.md says of other libraries, tried: node bench/claims.js [NAME…]
 *
 * Each is opened in a folder of its own, and used as its documentation says is best. One that is not installed is left out:
 * `npm --prefix bench ci` has them, but for Deno KV, `npm --prefix bench install --no-save @deno/kv@0.14.0`. Prints a line
 * for each library and question.
 */

import { spawn, spawnSync } from 'node:child_process'
import fs, {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const require = createRequire(import.meta.url)
const self = fileURLToPath(import.meta.url)
/** How long a large value is, in bytes; a library with a lower limit says so. */
const HUGE = 4 * 1024 * 1024
const ODD_KEYS = ['a', 'a:b', 'A', 'a/b', '../x', '__proto__', 'con', '.', 'k'.repeat(300)]

/** Each opens in a folder, and gives get, set, add (1 to a number, as safely as it can) and close. */
const PEERS = {
  plainkeep: {
    package: 'plainkeep',
    async open(folder) {
      const { openStorage } = await import('../dist/index.js')
      const storage = await openStorage(folder)
      const { shared } = storage.workspace()
      return {
        get: (key) => shared.find(key, 'text'),
        set: (key, value) => shared.set(key, value),
        add: (key) => shared.update(key, (count) => (count ?? 0) + 1, { codec: 'json' }),
        close: () => storage.close(),
      }
    },
  },
  'unstorage, driver fs': {
    package: 'unstorage',
    async open(folder) {
      const { createStorage } = await import('unstorage')
      const { default: fsDriver } = await import('unstorage/drivers/fs')
      const storage = createStorage({ driver: fsDriver({ base: folder }) })
      return withoutAdd({
        get: (key) => storage.getItem(key),
        set: (key, value) => storage.setItem(key, value),
        close: () => storage.dispose(),
      })
    },
  },
  'keyv-file': {
    package: 'keyv-file',
    async open(folder) {
      const { default: Keyv } = await import('keyv')
      const { KeyvFile } = await import('keyv-file')
      const keyv = new Keyv({ store: new KeyvFile({ filename: join(folder, 'keyv.json'), writeDelay: 1 }) })
      return withoutAdd({
        get: (key) => keyv.get(key),
        set: (key, value) => keyv.set(key, value),
        close: () => keyv.disconnect(),
      })
    },
  },
  'node-persist': {
    package: 'node-persist',
    async open(folder) {
      const { default: persist } = await import('node-persist')
      const storage = persist.create({ dir: folder })
      await storage.init()
      return withoutAdd({
        get: (key) => storage.getItem(key),
        set: (key, value) => storage.setItem(key, value),
        close: () => undefined,
      })
    },
  },
  conf: {
    package: 'conf',
    async open(folder) {
      const { default: Conf } = await import('conf')
      const conf = new Conf({ cwd: folder, projectName: 'claims', accessPropertiesByDotNotation: false })
      return withoutAdd({
        get: async (key) => conf.get(key),
        set: async (key, value) => conf.set(key, value),
        close: () => undefined,
      })
    },
  },
  'SQLite (better-sqlite3, WAL, synchronous FULL)': {
    package: 'better-sqlite3',
    async open(folder) {
      const { default: Database } = await import('better-sqlite3')
      const database = new Database(join(folder, 'data.db'), { timeout: 30_000 })
      database.pragma('journal_mode = WAL')
      database.pragma('synchronous = FULL')
      database.exec('create table if not exists entries (key text primary key, value text)')
      const put = database.prepare(
        'insert into entries values (?, ?) on conflict do update set value = excluded.value',
      )
      const find = database.prepare('select value from entries where key = ?').pluck()
      const add = database.prepare(
        "insert into entries values (?, '1') on conflict do update set value = cast(value as integer) + 1",
      )
      return {
        get: async (key) => find.get(key),
        set: async (key, value) => put.run(key, value),
        add: async (key) => add.run(key),
        close: () => database.close(),
      }
    },
  },
  LMDB: {
    package: 'lmdb',
    async open(folder) {
      const { open } = await import('lmdb')
      const database = open({ path: join(folder, 'data.lmdb'), encoding: 'string', overlappingSync: false })
      return {
        get: async (key) => database.get(key),
        set: (key, value) => database.put(key, value),
        add: (key) =>
          database.transaction(() => database.put(key, String(Number(database.get(key) ?? 0) + 1))),
        close: () => database.close(),
      }
    },
  },
  'Deno KV (@deno/kv)': {
    package: '@deno/kv',
    hugeBytes: 60_000,
    async open(folder) {
      const { openKv } = await import('@deno/kv')
      const kv = await openKv(join(folder, 'kv.db'))
      return {
        get: async (key) => (await kv.get([key])).value ?? undefined,
        set: (key, value) => kv.set([key], value),
        async add(key) {
          for (;;) {
            const entry = await kv.get([key])
            const next = String(Number(entry.value ?? 0) + 1)
            if ((await kv.atomic().check(entry).set([key], next).commit()).ok) return
          }
        },
        close: () => kv.close(),
      }
    },
  },
}

/** A library that has no step for it: what its users write. */
function withoutAdd(store) {
  return { ...store, add: async (key) => store.set(key, String(Number((await store.get(key)) ?? 0) + 1)) }
}

/** What a child process does with a library in a folder. */
const JOBS = {
  async count(store) {
    for (let done = 0; done < 200; done += 1) await store.add('count')
  },
  async setSome(store, count) {
    for (let done = 0; done < Number(count); done += 1) await store.set('key', `value ${done}`)
  },
  async overwrite(store, length) {
    for (let round = 0; ; round += 1) await store.set('huge', 'ab'[round % 2].repeat(Number(length)))
  },
}

const QUESTIONS = {
  'two processes add 200 each': async (name, folder) => {
    await Promise.all(
      [runJob(name, folder, 'count'), runJob(name, folder, 'count')].map(({ ended }) => ended),
    )
    return await using(name, folder, (store) => store.get('count'))
  },
  'flushes of a set': async (name, folder) => {
    const count = (sets) => {
      const log = join(folder, `strace-${sets}`)
      const calls = 'trace=fsync,fdatasync,msync,sync_file_range'
      const job = [process.execPath, self, '--job', name, join(folder, String(sets)), 'setSome', String(sets)]
      const { error } = spawnSync('strace', ['-f', '-o', log, '-e', calls, ...job])
      return error ? Number.NaN : (readFileSync(log, 'utf8').match(/sync\w*\(/g)?.length ?? 0)
    }
    return (count(30) - count(10)) / 20
  },
  'killed while it writes a large value, 10 times': async (name, folder) => {
    const found = { whole: 0, missing: 0, 'torn or empty': 0, 'cannot be opened': 0 }
    const { hugeBytes = HUGE } = PEERS[name]
    for (let round = 0; round < 10; round += 1) {
      const { child, ended } = runJob(name, folder, 'overwrite', hugeBytes)
      await new Promise((resolve) => setTimeout(resolve, 900 + 37 * round))
      child.kill('SIGKILL')
      await ended.catch(() => undefined)
      const value = await using(name, folder, (store) => store.get('huge')).catch(() => null)
      if (value === null) found['cannot be opened'] += 1
      else if (value === undefined) found.missing += 1
      else if (/^(?:a+|b+)$/.test(String(value)) && value.length === hugeBytes) found.whole += 1
      else found['torn or empty'] += 1
    }
    return Object.entries(found)
      .flatMap(([what, count]) => (count > 0 ? `${what} ${count}` : []))
      .join(', ')
  },
  'the value is the whole of a file, or in one': async (name, folder) => {
    await using(name, folder, (store) => store.set('greeting', 'hello, world'))
    const files = listFiles(folder).map((path) => readFileSync(path, 'latin1'))
    if (files.includes('hello, world')) return 'the whole'
    return files.some((text) => text.includes('hello, world')) ? 'in one' : 'no'
  },
  'an edit of the file is seen by an open store': async (name, folder) => {
    return using(name, folder, async (store) => {
      await store.set('greeting', 'hello, world')
      await new Promise((resolve) => setTimeout(resolve, 300))
      const files = listFiles(folder).filter((each) => !each.includes('/.plainkeep/'))
      const path = files.find((each) => readFileSync(each, 'latin1').includes('hello, world'))
      if (path === undefined || /\.db|\.lmdb|-wal/.test(path)) return 'not to be edited'
      writeFileSync(path, readFileSync(path, 'utf8').replace('hello', 'howdy'))
      return (await store.get('greeting')) === 'howdy, world' ? 'yes' : 'no'
    })
  },
  'keys that are confused or refused': async (name, folder) => {
    mkdirSync(join(folder, 'in'))
    return using(name, join(folder, 'in'), async (store) => {
      const refused = []
      for (const key of ODD_KEYS)
        await Promise.resolve(store.set(key, `value of ${key}`)).catch(() => refused.push(key))
      const wrong = []
      for (const key of ODD_KEYS.filter((each) => !refused.includes(each))) {
        const value = await Promise.resolve(store.get(key)).catch(() => 'failed')
        if (value !== `value of ${key}`) wrong.push(key)
      }
      const short = (keys) =>
        keys.map((key) => (key.length > 20 ? `${key.length} letters` : key)).join(' ') || 'none'
      return `confused ${short(wrong)}; refused ${short(refused)}`
    })
  },
}

async function using(name, folder, body) {
  const store = await PEERS[name].open(folder)
  try {
    return await body(store)
  } finally {
    await store.close()
  }
}

function runJob(name, folder, ...job) {
  const child = spawn(process.execPath, [self, '--job', name, folder, ...job], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let errors = ''
  child.stderr.on('data', (chunk) => (errors += chunk))
  const ended = new Promise((resolve, reject) =>
    child.on('close', (code) =>
      code === 0 ? resolve() : reject(new Error(errors.match(/^\w*Error.*$/m)?.[0] ?? `ended with ${code}`)),
    ),
  )
  ended.catch(() => undefined) // looked at by whoever waits
  return { child, ended }
}

function listFiles(folder) {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
}

function findVersion(name) {
  if (name === 'plainkeep')
    return JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version
  let folder = require.resolve(name)
  while (!fs.existsSync(join(folder, 'package.json'))) folder = join(folder, '..')
  const found = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return found.name === name ? found.version : findAbove(folder, name)
}

function findAbove(folder, name) {
  for (let at = join(folder, '..'); ; at = join(at, '..')) {
    const path = join(at, 'package.json')
    if (fs.existsSync(path) && JSON.parse(readFileSync(path, 'utf8')).name === name)
      return JSON.parse(readFileSync(path, 'utf8')).version
  }
}

async function main(names) {
  for (const name of names.length > 0 ? names : Object.keys(PEERS)) {
    let version
    try {
      version = findVersion(PEERS[name].package)
    } catch {
      console.log(`${name} is not installed\n`)
      continue
    }
    console.log(`${name} ${version}`)
    for (const [question, ask] of Object.entries(QUESTIONS)) {
      const folder = mkdtempSync(join(tmpdir(), 'claims-'))
      const answer = await ask(name, folder).catch(({ message }) => `fails: ${message.split('\n')[0]}`)
      console.log(`  ${question}: ${answer}`)
      rmSync(folder, { recursive: true, force: true })
    }
    console.log()
  }
}

if (process.argv[2] === '--job') {
  const [name, folder, job, ...args] = process.argv.slice(3)
  mkdirSync(folder, { recursive: true })
  await using(name, folder, (store) => JOBS[job](store, ...args))
} else await main(process.argv.slice(2))
