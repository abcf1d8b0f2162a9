/**
 * What plainkeep is compared with: raw system calls, and what people would pick instead.
 *
 * A peer opens in a folder and gives `set(key, bytes)`, `get(key)` and `close()`, and what else it can do: `setMany`,
 * `keys(prefix)`. `isDurable` tells whether a write survives a power cut when it has resolved, `isAtomic` whether a reader
 * may see half of it, `processes` how many may write at once. One that cannot be loaded is left out, with a line.
 */

import fs from 'node:fs'
import { join } from 'node:path'
import { openStorage } from '../dist/index.js'

const scopeOf = (storage) => storage.workspace().plugin('bench').storage

/** plainkeep itself. */
export const plainkeep = {
  name: 'plainkeep',
  isDurable: true,
  isAtomic: true,
  processes: 'many',
  async open(folder) {
    const storage = await openStorage(join(folder, 'plainkeep'))
    const scope = scopeOf(storage)
    return {
      path: scope.path,
      scope,
      set: (key, bytes) => scope.set(key, bytes),
      get: (key) => scope.get(key),
      setMany: (entries) =>
        scope.transaction(async (own) => {
          for (const [key, bytes] of entries) own.set(key, bytes)
        }),
      keys: (prefix) => scope.keys({ prefix }),
      close: () => storage.close(),
    }
  },
}

/** The limit: the system calls without which it cannot be done, and nothing else. */
const raw = {
  name: 'raw: create, append, fdatasync, rename',
  isDurable: true,
  isAtomic: true,
  processes: 'one',
  async open(folder) {
    const place = join(folder, 'raw')
    fs.mkdirSync(place)
    const journal = openLog(join(folder, 'raw-journal'))
    let serial = 0
    return {
      set(key, bytes) {
        serial += 1
        const staged = join(place, `.s${serial}`)
        const descriptor = fs.openSync(staged, 'wx', 0o600)
        fs.writeSync(descriptor, bytes)
        fs.closeSync(descriptor)
        journal.append(bytes.length < 65_536 ? bytes : Buffer.alloc(96))
        fs.renameSync(staged, join(place, key))
      },
      get: (key) => fs.readFileSync(join(place, key)),
      keys: () => fs.readdirSync(place).sort(),
      close: () => journal.close(),
    }
  },
}

const renameOnly = {
  name: 'raw: write, rename',
  isDurable: false,
  isAtomic: true,
  processes: 'one',
  async open(folder) {
    const place = join(folder, 'rename')
    fs.mkdirSync(place)
    return {
      set(key, bytes) {
        fs.writeFileSync(join(place, `.${key}`), bytes)
        fs.renameSync(join(place, `.${key}`), join(place, key))
      },
      get: (key) => fs.readFileSync(join(place, key)),
      close() {},
    }
  },
}

/** What any durable store must do at least for one write: append it to a file of the final length, and flush that. */
const appendOnly = {
  name: 'raw: append, fdatasync',
  isDurable: true,
  isAtomic: true,
  processes: 'one',
  async open(folder) {
    const log = openLog(join(folder, 'raw-log'))
    return { set: (_, bytes) => log.append(bytes), close: () => log.close() }
  },
}

/** A file that has room for what is appended, so that a flush writes no metadata. */
function openLog(path) {
  const size = 16 * 1024 * 1024
  const descriptor = fs.openSync(path, 'w')
  fs.writeSync(descriptor, Buffer.alloc(size))
  fs.fsyncSync(descriptor)
  let position = 0
  return {
    append(bytes) {
      if (position + bytes.length > size) position = 0
      fs.writeSync(descriptor, bytes, 0, bytes.length, position)
      position += bytes.length + 96
      fs.fdatasyncSync(descriptor)
    },
    close: () => fs.closeSync(descriptor),
  }
}

const makeWriteFileAtomic = (isSynced) => ({
  name: isSynced ? 'write-file-atomic and a folder fsync' : 'write-file-atomic',
  isDurable: isSynced,
  isAtomic: true,
  processes: 'one',
  async open(folder) {
    const { default: writeFileAtomic } = await import('write-file-atomic')
    const place = join(folder, isSynced ? 'wfa-synced' : 'wfa')
    fs.mkdirSync(place)
    const descriptor = fs.openSync(place, 'r')
    return {
      async set(key, bytes) {
        await writeFileAtomic(join(place, key), bytes)
        if (isSynced) await new Promise((resolve) => fs.fsync(descriptor, resolve))
      },
      get: (key) => fs.promises.readFile(join(place, key)),
      close: () => fs.closeSync(descriptor),
    }
  },
})

const unstorage = {
  name: 'unstorage fs',
  isDurable: false,
  isAtomic: false,
  processes: 'many',
  async open(folder) {
    const { createStorage } = await import('unstorage')
    const { default: driver } = await import('unstorage/drivers/fs')
    const storage = createStorage({ driver: driver({ base: join(folder, 'unstorage') }) })
    return {
      set: (key, bytes) => storage.setItemRaw(key, bytes),
      get: (key) => storage.getItemRaw(key),
      keys: () => storage.getKeys(),
      close: () => storage.dispose(),
    }
  },
}

const nodePersist = {
  name: 'node-persist',
  isDurable: false,
  isAtomic: true,
  processes: 'one',
  async open(folder) {
    const { default: persist } = await import('node-persist')
    const storage = persist.create({ dir: join(folder, 'node-persist'), expiredInterval: false })
    await storage.init()
    return {
      set: (key, bytes) => storage.setItem(key, bytes.toString('base64')),
      get: (key) => storage.getItem(key),
      keys: () => storage.keys(),
      close: () => undefined,
    }
  },
}

const keyvFile = {
  name: 'keyv-file, separatedFile',
  isDurable: false,
  isAtomic: false,
  processes: 'one',
  async open(folder) {
    const { KeyvFile } = await import('keyv-file')
    const store = new KeyvFile({ filename: join(folder, 'keyv-file'), separatedFile: true, writeDelay: 0 })
    return {
      set: (key, bytes) => store.set(key, bytes.toString('base64')),
      get: (key) => store.get(key),
      close: () => store.disconnect?.(),
    }
  },
}

const conf = {
  name: 'conf',
  isDurable: false,
  isAtomic: true,
  processes: 'one',
  async open(folder) {
    const { default: Conf } = await import('conf')
    const store = new Conf({
      cwd: join(folder, 'conf'),
      projectName: 'bench',
      accessPropertiesByDotNotation: false,
    })
    return {
      set: (key, bytes) => store.set(key, bytes.toString('base64')),
      get: (key) => store.get(key),
      close: () => undefined,
    }
  },
}

const cacache = {
  name: 'cacache',
  isDurable: false,
  isAtomic: true,
  processes: 'many',
  async open(folder) {
    const { default: cache } = await import('cacache')
    const place = join(folder, 'cacache')
    return {
      set: (key, bytes) => cache.put(place, key, bytes),
      get: async (key) => (await cache.get(place, key)).data,
      close: () => undefined,
    }
  },
}

const makeSqlite = (synchronous) => ({
  name: `SQLite (better-sqlite3, WAL, ${synchronous})`,
  isDurable: synchronous === 'FULL',
  isAtomic: true,
  processes: 'many',
  async open(folder) {
    const { default: Database } = await import('better-sqlite3')
    const database = new Database(join(folder, `sqlite-${synchronous}.db`), { timeout: 60_000 })
    database.pragma('journal_mode = WAL')
    database.pragma(`synchronous = ${synchronous}`)
    database.exec('create table if not exists entries (key text primary key, value blob)')
    const put = database.prepare(
      'insert into entries values (?, ?) on conflict do update set value = excluded.value',
    )
    const find = database.prepare('select value from entries where key = ?').pluck()
    const list = database.prepare('select key from entries order by key').pluck()
    const putMany = database.transaction((entries) => {
      for (const [key, bytes] of entries) put.run(key, bytes)
    })
    return {
      set: (key, bytes) => put.run(key, bytes),
      get: (key) => find.get(key),
      setMany: putMany,
      keys: () => list.all(),
      close: () => database.close(),
    }
  },
})

const lmdb = {
  name: 'lmdb',
  isDurable: true,
  isAtomic: true,
  processes: 'many',
  async open(folder) {
    const { open } = await import('lmdb')
    const database = open({ path: join(folder, 'lmdb'), encoding: 'binary', overlappingSync: false })
    return {
      set: (key, bytes) => database.put(key, bytes),
      get: (key) => database.get(key),
      setMany: (entries) =>
        database.transaction(() => {
          for (const [key, bytes] of entries) database.put(key, bytes)
        }),
      keys: () => [...database.getKeys()],
      close: () => database.close(),
    }
  },
}

const makeLevel = (sync) => ({
  name: sync ? 'classic-level, sync' : 'classic-level',
  isDurable: sync,
  isAtomic: true,
  processes: 'one',
  async open(folder) {
    const { ClassicLevel } = await import('classic-level')
    const place = join(folder, sync ? 'level-sync' : 'level')
    const database = new ClassicLevel(place, { valueEncoding: 'buffer' })
    await database.open()
    return {
      set: (key, bytes) => database.put(key, bytes, { sync }),
      get: (key) => database.get(key),
      setMany: (entries) =>
        database.batch(
          entries.map(([key, value]) => ({ type: 'put', key, value })),
          { sync },
        ),
      keys: () => database.keys().all(),
      close: () => database.close(),
    }
  },
})

/** All peers, the limits first. */
export const peers = [
  raw,
  appendOnly,
  renameOnly,
  plainkeep,
  makeWriteFileAtomic(false),
  makeWriteFileAtomic(true),
  unstorage,
  nodePersist,
  keyvFile,
  conf,
  cacache,
  makeSqlite('FULL'),
  makeSqlite('NORMAL'),
  lmdb,
  makeLevel(true),
  makeLevel(false),
]

/** Opens every peer that can be loaded, in a folder; says which cannot. */
export async function openPeers(folder, names) {
  const opened = []
  fs.mkdirSync(folder, { recursive: true })
  for (const peer of peers) {
    if (names !== undefined && !names.some((name) => peer.name.startsWith(name))) continue
    try {
      opened.push({ peer, store: await peer.open(folder) })
    } catch (error) {
      console.log(`  left out: ${peer.name}, ${error.message.split('\n')[0]}`)
    }
  }
  return opened
}
