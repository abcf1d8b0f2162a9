/**
 * Recovery of real stores: their owner dies, the folder is left as a kill or a power cut would leave it, and a new
 * process opens it, in the same session of the filesystem or a later one.
 */

import fs, {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { expect, test, vi } from 'vitest'
import { checkStore } from '../setup/check-store.js'
import { readSeed } from '../setup/seed.js'
import { type Machine, makeMachine, SCOPE, type StoreProcess } from '../setup/store-process.js'

const IS_LONG = process.env.PLAINKEEP_LONG !== undefined

/** A process dies at each call of a recovery; in a short run at every eighth, since the simulation tries them all. */
const STRIDE = IS_LONG ? 1 : 8

/** Where flushes take no time; what a power cut loses the tests themselves take away. */
const MEMORY = '/dev/shm'

const LARGE = Buffer.alloc(100_000, 'large')

/** A store whose owner died after these commits were acknowledged, with nothing synced but the journal. */
interface Store {
  readonly machine: Machine
  /** Where the large value was staged. */
  readonly staged: string
  /** The path of a key. */
  path(key: string): string
  /** What every key held at the end, and its version; `undefined` for a deleted one. */
  readonly expected: ReadonlyMap<
    string,
    { readonly text: string; readonly version: string | undefined } | undefined
  >
}

async function makeStore(): Promise<Store> {
  const machine = makeMachine(MEMORY)
  machine.wallMs = () => 1.7e12
  const owner = await machine.start().open()
  const expected: Map<string, { text: string; version: string | undefined } | undefined> = new Map()
  const commit = async (values: Record<string, string | undefined>): Promise<void> => {
    const { results } = await owner.commit(values)
    Object.entries(values).forEach(([key, text], index) => {
      expected.set(key, text === undefined ? undefined : { text, version: results[index]?.version })
    })
  }
  await commit({ plain: 'plain', changed: 'before', deleted: 'before', again: 'before' })
  await commit({ changed: 'after', deleted: undefined, again: undefined })
  await commit({ again: 'after', empty: '' })
  await commit({ large: LARGE.toString() })
  const staged = owner.disk.log.find((call) => /^rename .*\/large$/.test(call))?.split(' ')[1] as string
  owner.crash()
  return { machine, staged, expected, path: (key) => `${machine.layout.scopePath(SCOPE)}/${key}` }
}

/** A file as it was before: with these bytes and an older time. */
function bringBack(path: string, text: string): void {
  writeFileSync(path, text)
  utimesSync(path, 1.6e9, 1.6e9)
}

/** Changes a file's bytes as if the change had never been synced: its time stays. */
function keepTime(path: string, change: () => void): void {
  const { mtimeNs } = statSync(path, { bigint: true })
  change()
  const seconds = (Number(mtimeNs / 1000n) + 0.25) / 1e6
  utimesSync(path, seconds, seconds)
}

async function openNext(machine: Machine): Promise<StoreProcess> {
  return machine.start().open()
}

/** A new process finds all that was acknowledged, writes, and leaves a clean store. */
async function checkRecovered({ machine, expected }: Store): Promise<void> {
  const next = await openNext(machine)
  for (const [key, value] of expected) {
    expect(await next.get(key), key).toBe(value?.text)
    expect((await next.engine.stat(SCOPE, key))?.version.split('-')[0], key).toBe(
      value?.version?.split('-')[0],
    )
  }
  expect((await next.set('last', 'one')).revision).toBe(5)
  await next.close()
  await checkStore(machine.root, fs)
}

/** Small values that the journal holds; of a large one the file itself was synced. */
const SMALL = ['plain', 'changed', 'again', 'empty']

/** What a power cut can do to what was published and not synced. */
const LOSSES: Readonly<Record<string, (store: Store) => void>> = {
  'nothing is lost': () => {},
  'small values are missing': ({ path }) => {
    for (const key of SMALL) rmSync(path(key))
  },
  'small values are empty': ({ path }) => {
    for (const key of SMALL) keepTime(path(key), () => truncateSync(path(key), 0))
  },
  'small values are cut short': ({ path }) => {
    for (const key of SMALL) keepTime(path(key), () => truncateSync(path(key), 3))
  },
  'small values hold NULs': ({ path }) => {
    for (const key of SMALL)
      keepTime(path(key), () => writeFileSync(path(key), Buffer.alloc(statSync(path(key)).size)))
  },
  'old values are back': ({ path }) => {
    bringBack(path('changed'), 'before')
    bringBack(path('again'), 'before')
  },
  'a deleted key is back': ({ path }) => bringBack(path('deleted'), 'before'),
  'the large value is not published': ({ path, staged }) => renameSync(path('large'), staged),
  'the folder of the scope is missing, and the large value still staged': ({ machine, path, staged }) => {
    renameSync(path('large'), staged)
    rmSync(machine.layout.workspacePath('default'), { recursive: true })
  },
}

test.each(Object.entries(LOSSES))(
  'after a power cut everything acknowledged is there: %s',
  async (_, lose) => {
    const store = await makeStore()
    lose(store)
    store.machine.reboot()
    await checkRecovered(store)
  },
)

test('after a power cut that lost everything at once, all is there, with modes', async () => {
  const store = await makeStore()
  for (const lose of [LOSSES['old values are back'], LOSSES['a deleted key is back']]) lose?.(store)
  rmSync(store.path('plain'))
  fs.chmodSync(store.path('changed'), 0o640)
  store.machine.reboot()
  await checkRecovered(store)
  expect(statSync(store.path('changed')).mode & 0o777).toBe(0o640)
  expect(statSync(store.path('plain')).mode & 0o777).toBe(0o600)
})

test('what was edited later by hand wins over the journal, after a power cut too, a deleted key included', async () => {
  for (const isCut of [false, true]) {
    const { machine, path } = await makeStore()
    for (const key of ['plain', 'deleted', 'large']) writeFileSync(path(key), `by hand: ${key}`)
    if (isCut) machine.reboot()
    const next = await openNext(machine)
    for (const key of ['plain', 'deleted', 'large']) expect(await next.get(key)).toBe(`by hand: ${key}`)
    expect(await next.get('changed')).toBe('after')
    await next.set('plain', 'next')
    expect(await next.get('plain')).toBe('next')
    await next.close()
  }
})

test('what was removed, moved or edited by hand before the takeover stays so while no power was cut', async () => {
  const { machine, path } = await makeStore()
  rmSync(path('plain'))
  renameSync(path('changed'), path('moved'))
  bringBack(path('again'), 'an old backup')
  bringBack(path('deleted'), 'an old backup')
  renameSync(path('large'), path('large2'))
  const next = await openNext(machine)
  for (const key of ['plain', 'changed', 'large']) expect(await next.get(key), key).toBeUndefined()
  expect(await next.get('moved')).toBe('after')
  for (const key of ['again', 'deleted']) expect(await next.get(key)).toBe('an old backup')
  await next.close()
})

test('a key that was removed by hand after the checkpoint stays so, even if a power cut brings the journals back', async () => {
  const store = await makeStore()
  const next = await openNext(store.machine)
  await next.close()
  rmSync(store.path('plain'))
  store.machine.reboot()
  const last = await openNext(store.machine)
  expect(await last.get('plain')).toBeUndefined()
  expect(await last.get('changed')).toBe('after')
  await last.close()
})

/** An owner that dies at its nth call from now on; resolves when it has, or when it ended well. */
function crashAt(process: StoreProcess, machine: Machine, count: number): Promise<'crashed'> {
  let left = count
  return new Promise((resolve) => {
    process.disk.intercept = (_, perform) => {
      left -= 1
      if (left > 0) return perform()
      process.crash()
      machine.bury(process.pid)
      resolve('crashed')
      return new Promise(() => {})
    }
  })
}

/** Opens and closes stores, each with a process that dies at a later call than the one before, until one does not; gives that call. */
async function forEveryCall(
  check: (dieAt: (machine: Machine) => Promise<boolean>) => Promise<void>,
): Promise<number> {
  const seed = readSeed()
  for (let count = 1 + (seed % STRIDE); ; count += STRIDE) {
    let isDead = false
    await telling(`seed ${seed}, call ${count}`, () =>
      check(async (machine) => {
        const process = machine.start()
        const crashed = crashAt(process, machine, count)
        const ended = process.open().then((open) => open.set('during', 'x').then(() => open.close()))
        isDead = (await Promise.race([crashed, ended.then(() => 'ended')])) === 'crashed'
        return isDead
      }),
    )
    if (!isDead) return count
  }
}

async function telling(what: string, body: () => Promise<void>): Promise<void> {
  try {
    await body()
  } catch (error) {
    throw new Error(what, { cause: error })
  }
}

test.each(['the same session', 'a later session'])(
  'a recovery after a power cut that dies at any call is done again, in %s',
  async (when) => {
    const count = await forEveryCall(async (dieAt) => {
      const store = await makeStore()
      LOSSES['old values are back']?.(store)
      LOSSES['a deleted key is back']?.(store)
      LOSSES['the large value is not published']?.(store)
      rmSync(store.path('plain'))
      store.machine.reboot()
      await dieAt(store.machine)
      if (when === 'a later session') store.machine.reboot()
      const next = await openNext(store.machine)
      for (const [key, value] of store.expected) expect(await next.get(key), key).toBe(value?.text)
      await next.set('last', 'x')
      await next.close()
      await checkStore(store.machine.root, fs)
    })
    expect(count).toBeGreaterThan(50)
  },
)

/** An owner commits, and dies before it puts a key in place. */
async function dieBefore(
  owner: StoreProcess,
  key: string,
  values: Parameters<StoreProcess['commit']>[0],
): Promise<void> {
  const dead = new Promise<void>((resolve) => {
    owner.disk.intercept = (call, perform) => {
      if (call.operation !== 'rename' || !call.paths[1]?.endsWith(`/${key}`)) return perform()
      owner.crash()
      resolve()
      return new Promise(() => {})
    }
  })
  void owner.commit(values)
  await dead
}

test.each(['the same session', 'a later session'])(
  'half a commit is finished by the next owner, and by one after it that dies at any call, in %s',
  async (when) => {
    await forEveryCall(async (dieAt) => {
      const machine = makeMachine(MEMORY)
      const owner = await machine.start().open()
      await owner.commit({ left: 'old', right: 'old', gone: 'old' })
      await dieBefore(owner, 'right', { left: 'new', right: 'new', gone: undefined })
      await dieAt(machine)
      if (when === 'a later session') machine.reboot()
      const next = await openNext(machine)
      expect([await next.get('left'), await next.get('right'), await next.get('gone')]).toEqual([
        'new',
        'new',
        undefined,
      ])
      await next.set('last', 'x')
      await next.close()
      await checkStore(machine.root, fs)
    })
  },
)

/** A process that stops before it puts a key in place, until it is let go. */
function startHeld(
  machine: Machine,
  key: string,
): { opening: Promise<StoreProcess>; reached: Promise<void>; letGo(): void } {
  const process = machine.start()
  let [reach, letGo] = [(): void => undefined, (): void => undefined]
  const reached = new Promise<void>((resolve) => {
    reach = resolve
  })
  const released = new Promise<void>((resolve) => {
    letGo = resolve
  })
  process.disk.intercept = async (call, perform) => {
    if (call.operation === 'rename' && call.paths[1]?.endsWith(`/${key}`)) {
      reach()
      await released
    }
    return perform()
  }
  return { opening: process.open(), reached, letGo: () => letGo() }
}

/** What a process reads that opens the store while another is held in the midst of recovering it. */
async function readDuringRecovery(machine: Machine, key: string): Promise<string | undefined> {
  const { opening, reached, letGo } = startHeld(machine, key)
  await reached
  const reader = machine.start()
  const reading = reader.open().then(() => reader.get(key))
  await Promise.race([reading, new Promise((resolve) => setTimeout(resolve, 200))])
  letGo()
  const found = await reading
  await (await opening).close()
  await reader.close()
  await checkStore(machine.root, fs)
  return found
}

test('the first read after a power cut gave an empty value, since another process was recovering it just then', async () => {
  const store = await makeStore()
  LOSSES['small values are empty']?.(store)
  store.machine.reboot()
  expect(await readDuringRecovery(store.machine, 'plain')).toBe('plain')
})

test('the first read gave half a commit, since another process was finishing it just then', async () => {
  const machine = makeMachine(MEMORY)
  const owner = await machine.start().open()
  await owner.commit({ left: 'old', right: 'old' })
  await dieBefore(owner, 'right', { left: 'new', right: 'new' })
  expect(await readDuringRecovery(machine, 'right')).toBe('new')
})

/** Kept journals that no checkpoint removed: two processes take turns, since each lets the store go to the other. */
async function makeKeptJournals(): Promise<{ machine: Machine; kept: Map<string, Buffer> }> {
  const machine = makeMachine(MEMORY)
  const [first, second] = [await openNext(machine), await openNext(machine)]
  for (const [process, values] of [
    [first, { deleted: 'one', changed: 'one', again: 'one' }],
    [second, { changed: 'two' }],
    [first, { deleted: undefined, again: undefined }],
    [second, { changed: 'three', again: 'three' }],
    [first, { last: 'one' }],
  ] as const) {
    await process.commit(values)
  }
  const kept = new Map<string, Buffer>()
  await vi.waitFor(() => {
    for (const name of readdirSync(machine.layout.control).filter((found) => found.startsWith('kept-'))) {
      kept.set(name, readFileSync(machine.layout.controlPath(name)))
    }
    expect(kept.size).toBeGreaterThanOrEqual(4)
  })
  await first.close()
  await second.close()
  for (const name of readdirSync(machine.layout.control)) kept.delete(name)
  return { machine, kept }
}

function bringJournalsBack(machine: Machine, kept: Iterable<readonly [string, Buffer]>): void {
  for (const [name, bytes] of kept) {
    if (!existsSync(machine.layout.controlPath(name))) writeFileSync(machine.layout.controlPath(name), bytes)
  }
}

async function expectFinalValues(process: StoreProcess): Promise<void> {
  expect(await process.get('deleted')).toBeUndefined()
  expect([await process.get('changed'), await process.get('again'), await process.get('last')]).toEqual([
    'three',
    undefined,
    'one',
  ])
}

test('journals that a power cut brings back after the checkpoint, any of them, change nothing', async () => {
  const { machine, kept } = await makeKeptJournals()
  const journals = [...kept]
  expect(journals.length).toBeGreaterThanOrEqual(4)
  rmSync(`${machine.layout.scopePath(SCOPE)}/again`) // by hand, which no older commit may undo
  for (let subset = 0; subset < 2 ** journals.length; subset += 1) {
    bringJournalsBack(
      machine,
      journals.filter((_, index) => subset & (1 << index)),
    )
    machine.reboot()
    const next = await openNext(machine)
    await expectFinalValues(next)
    if (subset % 3 === 0) await next.set('other', `${subset}`)
    await next.close()
    await checkStore(machine.root, fs)
  }
})

test('journals that a power cut brings back change nothing, whenever the owner that finds them dies', async () => {
  const { machine, kept } = await makeKeptJournals()
  rmSync(`${machine.layout.scopePath(SCOPE)}/again`)
  for (const isCutAgain of [false, true]) {
    await forEveryCall(async (dieAt) => {
      bringJournalsBack(machine, kept)
      machine.reboot()
      await dieAt(machine)
      bringJournalsBack(machine, isCutAgain ? kept : [])
      if (isCutAgain) machine.reboot()
      const next = await openNext(machine)
      await expectFinalValues(next)
      await next.set('other', 'x')
      await next.close()
      await checkStore(machine.root, fs)
    })
  }
})

test('kept journals of a session that ended before any checkpoint give back every value, whatever is missing', async () => {
  const machine = makeMachine(MEMORY)
  const [first, second] = [await openNext(machine), await openNext(machine)]
  for (let index = 0; index < 8; index += 1) {
    await (index % 2 === 0 ? first : second).commit({
      [`key${index}`]: `${index}`,
      common: `${index}`,
      [`key${index - 2}`]: undefined,
    })
  }
  for (const process of [first, second]) process.crash()
  rmSync(machine.layout.workspacePath('default'), { recursive: true })
  machine.reboot()
  const next = await openNext(machine)
  const values = await Promise.all(Array.from({ length: 8 }, (_, index) => next.get(`key${index}`)))
  expect(values).toEqual([undefined, undefined, undefined, undefined, undefined, undefined, '6', '7'])
  expect(await next.get('common')).toBe('7')
  expect((await next.set('last', 'x')).revision).toBe(9)
  await next.close()
})

test('a kept journal that is shorter than its name says is CORRUPT_JOURNAL, and nothing is touched', async () => {
  const { machine, kept } = await makeKeptJournals()
  const [name, bytes] = [...kept].at(-1) as [string, Buffer]
  for (const file of readdirSync(machine.layout.control)) {
    if (file.startsWith('kept-')) rmSync(machine.layout.controlPath(file))
  }
  writeFileSync(machine.layout.controlPath(name), bytes.subarray(0, 200))
  machine.reboot()
  await expect(openNext(machine)).rejects.toMatchObject({ code: 'CORRUPT_JOURNAL' })
  expect(readFileSync(machine.layout.controlPath(name))).toEqual(bytes.subarray(0, 200))
  expect(readFileSync(`${machine.layout.scopePath(SCOPE)}/changed`, 'utf8')).toBe('three')
})
