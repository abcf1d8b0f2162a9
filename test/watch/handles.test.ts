/** What watchers hold of the system, and what they do when it has nothing left to give. */

import { execFileSync, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openStorage, type Storage, type Watcher } from '../../lib/index.js'
import { Child } from '../processes/child.js'
import { checkStore } from '../setup/check-store.js'
import { Random } from '../setup/random.js'
import { sleep, WatchLog } from './log.js'

const MEMORY = fs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
const KEYS = process.env.PLAINKEEP_LONG ? 100_000 : 20_000
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000_000)

let root: string
let storage: Storage

beforeEach(async () => {
  root = fs.mkdtempSync(join(MEMORY, 'plainkeep-handles-'))
  storage = await openStorage(root)
})

afterEach(async () => {
  await storage.close()
  await checkStore(root, fs)
  fs.rmSync(root, { recursive: true, force: true })
})

/** The watches that the kernel keeps for this process, each for one folder or file. */
function countWatches(): number {
  const texts = fs.readdirSync('/proc/self/fdinfo').map((name) => {
    try {
      return fs.readFileSync(`/proc/self/fdinfo/${name}`, 'latin1')
    } catch {
      return '' // the one of the listing
    }
  })
  return texts.join('').match(/^inotify wd:/gm)?.length ?? 0
}

function countDescriptors(): number {
  return fs.readdirSync('/proc/self/fd').length
}

describe.runIf(process.platform === 'linux')('handles', () => {
  test('nothing is held until somebody watches, nor when the last one has closed', async () => {
    const scope = storage.workspace().shared
    await scope.set('a', '1')
    await sleep(1500) // the store is let go
    const before = { watches: countWatches(), descriptors: countDescriptors() }
    const watchers = [scope.watch(), scope.watch(), storage.watch(), storage.workspace('new').shared.watch()]
    await Promise.all(watchers.map(({ ready }) => ready))
    await sleep(200) // folders that come and go are watched by a package that is loaded first
    expect(countWatches()).toBeGreaterThan(before.watches + 3)
    for (const watcher of watchers) await watcher.close()
    await sleep(200)
    expect(countWatches()).toBe(before.watches)
    // One descriptor of the kernel's queue stays with the event loop, and one for all of its file work.
    expect(countDescriptors()).toBeLessThanOrEqual(before.descriptors + 2)
  })

  test(`watchers that are closed at any moment leave nothing behind, seed ${SEED}`, async () => {
    const random = new Random(SEED)
    await storage.workspace().shared.set('a', '1')
    const other = new Child('watch-writer.js', root, 'other', 200, 20, 'mixed')
    const warmUp = storage.watch()
    await warmUp.ready
    await warmUp.close()
    for (let round = 0; round < 60; round += 1) {
      const pick = (): Watcher =>
        random.chance(0.5) ? storage.watch() : storage.workspace(random.pick(['a', 'default'])).shared.watch()
      const watchers = [pick(), pick()]
      await sleep(random.below(25))
      for (const watcher of watchers) await watcher.close()
    }
    await other.done()
    await sleep(1500)
    expect(countWatches()).toBe(0)
  })

  test(`a folder of ${KEYS} keys takes one watch, and so does the one above it`, async () => {
    const scope = storage.workspace().plugin('many').storage
    await scope.set('first', '1')
    for (let number = 0; number < KEYS; number += 1) fs.writeFileSync(join(scope.path, `k${number}`), '')
    const before = countWatches()
    const watcher = scope.watch()
    const log = new WatchLog(watcher)
    await watcher.ready
    expect(countWatches() - before).toBeLessThanOrEqual(4) // these two, .plainkeep, and the owner's journal
    fs.writeFileSync(join(scope.path, 'k5'), 'by hand')
    await scope.set('k6', 'by a commit')
    await log.told('set k5 external', 'set k6 local')
    expect(log.lines).toHaveLength(2)
    expect(log.reasons).toEqual([])
  }, 120_000)
})

describe('the life of the process', () => {
  test.each(['scope', 'all'])('ends in spite of a watcher of %s', async (what) => {
    const child = new Child('watch-life.js', root, what, 'plain')
    await child.saying('ready')
    expect(await child.exited).toBe(0)
  })

  test.each(['scope', 'all'])('does not end before a persistent watcher of %s', async (what) => {
    const child = new Child('watch-life.js', root, what, 'persistent')
    await child.saying('ready')
    await sleep(1000)
    expect(child.process.exitCode).toBeNull()
    await storage.workspace().shared.set('last', '1') // it closes the watcher when it is told
    expect(await child.exited).toBe(0)
  })
})

/** A user namespace has limits of its own. */
const canLimit =
  process.platform === 'linux' &&
  spawnSync('unshare', ['-Ur', 'sh', '-c', 'echo 9 > /proc/sys/user/max_inotify_watches']).status === 0

describe.runIf(canLimit)('a system that gives no handles', () => {
  test.each(['max_inotify_watches', 'max_inotify_instances'])(
    'with none of %s left the folders are compared, that is said, and nothing is lost',
    (limit) => {
      const script = fileURLToPath(new URL('../processes/watch-limit.js', import.meta.url))
      const command = `echo 0 > /proc/sys/user/${limit} && exec "${process.execPath}" "${script}" "${root}"`
      const said = execFileSync('unshare', ['-Ur', 'sh', '-c', command], { encoding: 'utf8' })
      expect(said.trim().split('\n')).toEqual([
        'resync polling',
        'set hand external',
        'set commit process',
        'delete hand external',
      ])
    },
    60_000,
  )
})
