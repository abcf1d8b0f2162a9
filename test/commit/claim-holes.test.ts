/**
 * Each hole in the protocol of claims, as a behaviour: a process is held at one call, looked up or not, while another
 * takes the store over, and goes on afterwards.
 */

import fs, { cpSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { checkStore } from '../setup/check-store.js'
import type { DiskCall } from '../setup/staged-disk.js'
import { type Machine, makeMachine, SCOPE, type StoreProcess } from '../setup/store-process.js'

let machine: Machine

beforeEach(() => {
  machine = makeMachine()
})

/** Holds the first call that is meant, after its lookup if `isLookedUp`, until `release`. */
function hold(process: StoreProcess, isMeant: (call: DiskCall) => boolean, isLookedUp = false): Held {
  let reach = (): void => undefined
  let release = (): void => undefined
  const reached = new Promise<void>((resolve) => {
    reach = resolve
  })
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  let isHeld = false
  let act = (): void => undefined
  const acted = new Promise<void>((resolve) => {
    act = resolve
  })
  process.disk.intercept = async (call, perform) => {
    if (isHeld || !isMeant(call)) return perform()
    isHeld = true
    if (isLookedUp) call.pin()
    reach()
    await released
    return perform().finally(act)
  }
  return { reached, acted, release: () => release() }
}

interface Held {
  readonly reached: Promise<void>
  /** The call was let go, and done. */
  readonly acted: Promise<void>
  release(): void
}

/** A call that failed though it was done, the first time that it is meant. */
function loseReply(process: StoreProcess, operation: string, code: string): () => boolean {
  let isLost = false
  process.disk.intercept = async (call, perform) => {
    const result = await perform()
    if (isLost || call.operation !== operation || !call.paths.some((path) => path.includes('.plainkeep/')))
      return result
    isLost = true
    throw Object.assign(new Error(`${code}: the reply was lost`), { code })
  }
  return () => isLost
}

const publishing = ({ operation, paths }: DiskCall): boolean =>
  operation === 'rename' && paths[1]?.endsWith('/default/shared/a') === true
const appending = ({ operation, bytes }: DiskCall): boolean => operation === 'write' && bytes?.[0] === 0x70

/** An owner that has set `a`, so that the next set is one group of an owner. */
async function startOwner(): Promise<StoreProcess> {
  const owner = await machine.start().open()
  await owner.set('a', 'first')
  return owner
}

/** Takes the store over, whoever lives, and sets `a`. */
async function takeOver(value = 'later'): Promise<StoreProcess> {
  machine.lockState = () => 'stale'
  const taker = await machine.start().open()
  await taker.set('a', value)
  machine.lockState = () => undefined
  return taker
}

/** A write of one who was fenced: the other published it, or nobody can tell any more. */
async function fencedOrDone(write: Promise<unknown>): Promise<void> {
  const [{ status, ...outcome }] = await Promise.allSettled([write])
  if (status === 'rejected') expect(outcome).toMatchObject({ reason: { code: 'FENCED', outcome: 'unknown' } })
}

/** What a new process finds, after all others have closed. */
async function finish(expected: string, ...others: readonly StoreProcess[]): Promise<void> {
  for (const other of others) await other.close()
  const last = await machine.start().open()
  expect(await last.get('a')).toBe(expected)
  const { revision } = await last.set('last', 'one')
  expect(revision).toBeGreaterThan(1)
  await last.close()
  await checkStore(machine.root, fs)
}

test('an append through a descriptor that was opened before the fence commits nothing', async () => {
  const owner = await startOwner()
  const held = hold(owner, appending)
  const write = owner.set('a', 'stale')
  await held.reached
  const taker = await takeOver()
  held.release()
  await expect(write).rejects.toMatchObject({ code: 'FENCED', outcome: 'unknown' })
  expect(await taker.get('a')).toBe('later')
  await finish('later', owner, taker)
})

test('a publication that looked its folders up before the fence finds them removed', async () => {
  const owner = await startOwner()
  const held = hold(owner, publishing, true)
  const write = owner.set('a', 'seen')
  await held.reached
  const taker = await takeOver()
  held.release()
  await fencedOrDone(write)
  expect(await taker.get('a')).toBe('later')
  await finish('later', owner, taker)
})

test('a fenced owner confirms no reads: what it looked at may be half of another commit', async () => {
  const owner = await startOwner()
  const stopped = hold(owner, ({ operation }) => operation === 'listNames') // so it does not let the store go
  const taker = machine.start()
  const held = hold(
    taker,
    ({ operation, paths }) => operation === 'rename' && paths[1]?.endsWith('/b') === true,
  )
  machine.lockState = () => 'stale'
  await taker.open()
  const changes = ['a', 'b'].map((key) => ({ scope: SCOPE, key, value: Buffer.from('both') }))
  const commit = taker.engine.commit({ changes })
  await held.reached
  const [a, b] = [await owner.engine.readEntry(SCOPE, 'a'), await owner.engine.readEntry(SCOPE, 'b')]
  expect([Buffer.from(a?.bytes ?? '').toString(), b]).toEqual(['both', undefined])
  const expectations = [
    { scope: SCOPE, key: 'a', version: a?.version },
    { scope: SCOPE, key: 'b', version: undefined },
  ]
  const confirmed = owner.engine.commit({ changes: [], expectations })
  stopped.release()
  await expect(confirmed).rejects.toMatchObject({ code: 'CONFLICT' })
  machine.lockState = () => undefined
  held.release()
  await commit
  await finish('both', owner, taker)
})

test('a write was told to be in place, though who took the store over stood still before its last file', async () => {
  const owner = await startOwner()
  const last = ({ operation, paths }: DiskCall): boolean =>
    operation === 'rename' && paths[1]?.endsWith('/b') === true
  const held = hold(owner, last)
  const write = owner.commit({ a: 'both', b: 'both' })
  await held.reached
  machine.lockState = () => 'stale'
  const taker = await machine.start().open()
  const stopped = hold(taker, last, true)
  const later = taker.set('c', 'later')
  await stopped.reached
  machine.lockState = () => undefined
  held.release()
  let looks = 0
  machine.nowMs = () => {
    looks += 1
    return performance.now() + looks * 100 // whoever waits is late soon
  }
  await expect(write).rejects.toMatchObject({ code: 'FENCED', outcome: 'committed' })
  expect(await owner.get('b')).toBeUndefined()
  stopped.release()
  await later
  expect([await owner.get('a'), await owner.get('b')]).toEqual(['both', 'both'])
  await finish('both', owner, taker)
})

test('a large value is not recorded once the work folder that names it is gone', async () => {
  const owner = await startOwner()
  await owner.set('a', Buffer.alloc(70_000, 'first'))
  const held = hold(
    owner,
    ({ operation, paths }) => operation === 'syncFolder' && /\/w[0-9a-f]{24}$/.test(paths[0] ?? ''),
  )
  const write = owner.set('a', Buffer.alloc(70_000, 'again'))
  await held.reached
  machine.lockState = () => 'stale'
  const taker = await machine.start().open()
  const stopped = hold(
    taker,
    ({ operation, paths }) => operation === 'readFile' && /\/journal$/.test(paths[0] ?? ''),
  )
  const later = taker.set('c', 'later')
  await stopped.reached
  const count = owner.disk.log.length
  held.release()
  await held.acted
  machine.lockState = () => undefined
  stopped.release()
  await later
  await taker.close()
  await write
  const calls = owner.disk.log.slice(count).map((line) => line.split(' ')[0])
  expect(calls.indexOf('link')).toBeGreaterThan(-1)
  expect(calls.slice(0, calls.indexOf('link'))).not.toContain('write')
  expect(await owner.get('a')).toBe(Buffer.alloc(70_000, 'again').toString())
  await finish(Buffer.alloc(70_000, 'again').toString(), owner)
})

test('a file that lands in a fenced work folder late is removed before the taker is owner', async () => {
  const owner = machine.start()
  owner.disk.makeSpare = () => undefined // a file that was made ahead is missed, and the write begins anew
  await owner.open()
  await owner.set('a', 'first')
  const held = hold(
    owner,
    ({ operation, paths }) => operation === 'createFile' && /\/s\d+$/.test(paths[0] ?? ''),
    true,
  )
  const write = owner.set('a', 'staged late')
  await held.reached
  machine.lockState = () => 'stale'
  const taker = await machine.start().open()
  const stopped = hold(
    taker,
    ({ operation, paths }) => operation === 'removeFolder' && /\.s\d+$/.test(paths[0] ?? ''),
  )
  const later = taker.set('a', 'later')
  await stopped.reached
  held.release()
  await held.acted
  stopped.release()
  const { revision = 0 } = await later
  machine.lockState = () => undefined
  await fencedOrDone(write)
  // A spare that the taker has swept makes the owner begin anew: then its value is a commit of its own, before or behind.
  const expected = await write.then(
    (receipt) => ((receipt.revision ?? 0) > revision ? 'staged late' : 'later'),
    () => 'later',
  )
  expect(await taker.get('a')).toBe(expected)
  await finish(expected, owner, taker)
})

test('a fenced work folder in which something has landed is emptied again, so a late deletion has no place to go', async () => {
  const owner = await startOwner()
  const held = hold(
    owner,
    ({ operation, paths }) => operation === 'rename' && /\/d\d+$/.test(paths[1] ?? ''),
    true,
  )
  const removal = owner.delete('a')
  await held.reached
  machine.lockState = () => 'stale'
  const taker = await machine.start().open()
  const stopped = hold(
    taker,
    ({ operation, paths }) => operation === 'removeFolder' && /\.s\d+$/.test(paths[0] ?? ''),
  )
  const later = taker.set('a', 'later')
  await stopped.reached
  const control = join(machine.root, '.plainkeep')
  const fenced = readdirSync(control).find((name) => /\.s\d+$/.test(name)) as string
  writeFileSync(join(control, fenced, 's9'), 'a spare that a thread was making')
  stopped.release()
  await later
  machine.lockState = () => undefined
  held.release()
  await fencedOrDone(removal)
  expect(await taker.get('a')).toBe('later')
  await finish('later', owner, taker)
})

test('names of work folders never come back', async () => {
  const seen = new Set<string>()
  for (let round = 0; round < 5; round += 1) {
    const process = await startOwner()
    const names = readdirSync(join(machine.root, '.plainkeep')).filter((name) => name.startsWith('w'))
    for (const name of names) expect(seen).not.toContain(name)
    for (const name of names) seen.add(name)
    await process.close()
  }
  expect(seen.size).toBe(5)
})

test('a takeover that dies at any call is done again by the next', async () => {
  for (let count = 1, isDone = false; !isDone; count += 1) {
    rmSync(join(machine.root, 'default'), { recursive: true, force: true })
    rmSync(join(machine.root, '.plainkeep'), { recursive: true, force: true })
    const owner = await startOwner()
    const held = hold(owner, publishing)
    void owner.commit({ a: 'dead', b: 'dead' })
    await held.reached
    owner.crash()
    const taker = machine.start()
    let left = count
    await new Promise<void>((resolve) => {
      taker.disk.intercept = (_, perform) => {
        left -= 1
        if (left > 0) return perform()
        taker.crash()
        resolve()
        return new Promise(() => undefined)
      }
      void taker.open().then(() => {
        isDone = true
        resolve()
      })
    })
    if (isDone) taker.crash()
    const next = await machine.start().open()
    expect([await next.get('a'), await next.get('b')], `after ${count} calls`).toEqual(['dead', 'dead'])
    await finish('dead', next)
  }
}, 60_000)

test('of two that take over at once one is owner, and the other after it', async () => {
  const owner = await startOwner()
  owner.crash()
  const takers = await Promise.all([machine.start().open(), machine.start().open()])
  const receipts = await Promise.all(takers.map((taker, index) => taker.set(`taker-${index}`, 'here')))
  expect(receipts.map(({ revision }) => revision).sort()).toEqual([2, 3])
  await finish('first', ...takers)
})

test('a taker that is paused in the middle of its recovery publishes nothing when it goes on', async () => {
  const owner = await startOwner()
  const held = hold(owner, publishing)
  void owner.set('a', 'recovered')
  await held.reached
  owner.crash()
  const paused = machine.start()
  const stopped = hold(paused, publishing, true)
  const opening = paused.open()
  await stopped.reached
  const taker = await takeOver()
  stopped.release()
  await opening
  expect(await taker.get('a')).toBe('later')
  await finish('later', taker, paused)
})

test('the judgement that one claim is stale takes the next number or nothing', async () => {
  const owner = await startOwner()
  machine.lockState = () => 'stale'
  const late = await machine.start().open()
  const held = hold(late, ({ operation }) => operation === 'link')
  const write = late.set('late', 'retried')
  await held.reached
  machine.lockState = () => undefined
  await owner.close()
  const next = await startOwner()
  held.release()
  await next.set('a', 'still owner')
  await next.close()
  await write
  const numbers = late.disk.log
    .filter((line) => line.startsWith('link'))
    .map((line) => Number(/\d+$/.exec(line)))
  expect(numbers.slice(0, 2)).toEqual([2, 3])
  await finish('still owner', late)
})

test('an old work folder that a power cut brings back is emptied, and its journal changes nothing', async () => {
  const owner = await startOwner()
  const control = join(machine.root, '.plainkeep')
  const name = readdirSync(control).find((each) => each.startsWith('w')) as string
  const copy = join(machine.root, '..', `${name}-copy`)
  cpSync(join(control, name), copy, { recursive: true })
  await owner.set('a', 'newer')
  await owner.close()
  cpSync(copy, join(control, name), { recursive: true })
  rmSync(copy, { recursive: true })
  machine.reboot()
  const next = await machine.start().open()
  await next.set('b', 'anew')
  expect(existsSync(join(control, name))).toBe(false)
  await finish('newer', next)
})

test('a checkpoint that is fenced while it writes a value anew keeps the journal that holds it', async () => {
  const first = await startOwner()
  first.crash()
  const owner = machine.start()
  const held = hold(
    owner,
    ({ operation, paths }) => operation === 'rename' && paths[1]?.endsWith('/a') === true,
  )
  const { intercept } = owner.disk
  const control = join(machine.root, '.plainkeep')
  owner.disk.intercept = async (call, perform) => {
    if (call.operation !== 'syncFile' || !call.paths[0]?.endsWith('/a'))
      return (intercept as NonNullable<typeof intercept>)(call, perform)
    // A checkpoint that began before the second set comes to nothing; the flush of the file itself fails in the next one.
    const code = existsSync(join(control, 'kept-2')) ? 'EIO' : 'EMFILE'
    throw Object.assign(new Error(`${code}: injected`), { code })
  }
  await owner.open()
  await owner.set('b', 'second')
  const closing = owner.close()
  await held.reached
  expect(readdirSync(control)).toEqual(expect.arrayContaining(['kept-1', 'kept-2']))
  machine.lockState = () => 'stale'
  const taker = await machine.start().open()
  await taker.set('b', 'third')
  machine.lockState = () => undefined
  held.release()
  await closing
  expect(readdirSync(control)).toContain('kept-1')
  await finish('first', taker)
})

test('a process waited in vain: its work folder was taken for left behind just before it had a record', async () => {
  const owner = await startOwner()
  const waiter = await machine.start().open()
  const isRecord = ({ operation, paths }: DiskCall): boolean =>
    operation === 'createFile' && paths[0]?.endsWith('/record') === true
  const held = hold(waiter, isRecord, true)
  owner.disk.intercept = async (call, perform) => {
    if (call.operation === 'removeFolder' && /\.s\d+$/.test(call.paths[0] ?? '')) {
      held.release()
      await held.acted
    }
    return perform()
  }
  const setting = waiter.set('b', 'waited')
  await held.acted
  await owner.close()
  expect((await setting).revision).toBe(2)
  await finish('first', waiter)
})

test('a late removal of a kept journal does not remove the one that says the last revision', async () => {
  const owner = await startOwner()
  const held = hold(
    owner,
    ({ operation, paths }) => operation === 'unlink' && /\/kept-\d+$/.test(paths[0] ?? ''),
    true,
  )
  const closing = owner.close().catch(() => undefined)
  await Promise.race([held.reached, closing]) // there is none, unless the newest is removed as well
  machine.lockState = () => 'stale'
  const taker = await machine.start().open()
  await taker.delete('none')
  await taker.close()
  machine.lockState = () => undefined
  held.release()
  await closing
  await finish('first')
})

test('late calls by path outside the work folder leave the keys alone', async () => {
  const owner = await startOwner()
  const held = hold(
    owner,
    ({ operation, paths }) => operation === 'unlink' && /\/d\d+$/.test(paths[0] ?? ''),
    true,
  )
  const removal = owner.delete('a')
  await held.reached
  const taker = await takeOver('anew')
  held.release()
  expect((await removal).results[0]?.existed).toBe(true)
  expect(await taker.get('a')).toBe('anew')
  await finish('anew', owner, taker)
})

test.each([
  ['link', 'EEXIST'],
  ['rename', 'ENOENT'],
  ['unlink', 'ENOENT'],
  ['removeFolder', 'ENOENT'],
])('a %s that was done and is answered %s is taken for done', async (operation, code) => {
  const owner = await startOwner()
  owner.crash()
  const taker = machine.start()
  const wasLost = loseReply(taker, operation, code)
  await taker.open()
  await taker.set('a', 'done')
  expect(await taker.get('a')).toBe('done')
  await taker.delete('a')
  await taker.set('a', 'again')
  await taker.close()
  expect(wasLost()).toBe(true)
  await finish('again')
})

test('a scope on another filesystem is refused before anything is written', async () => {
  const owner = await startOwner()
  owner.disk.intercept = async (call, perform) => {
    if (call.operation === 'rename' && call.paths[1]?.includes('/plugins/')) {
      throw Object.assign(new Error('EXDEV: cross-device link'), { code: 'EXDEV' })
    }
    return perform()
  }
  const scope = { workspace: 'default', plugin: 'elsewhere' }
  const change = { scope, key: 'a', value: Buffer.from('value') }
  await expect(owner.engine.commit({ changes: [change] })).rejects.toMatchObject({
    code: 'IO_ERROR',
    outcome: 'none',
  })
  await owner.set('a', 'here')
  await finish('here', owner)
})
