/** Edits by hand: what editors and commands do to the files of a scope, call by call, and what is told of it. */

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openStorage, type Scope, type Storage } from '../../lib/index.js'
import { sleep, WatchLog } from './log.js'

/** In memory, since flushes are not what this is about. */
const PARENT = fs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

let root: string
let storage: Storage
let scope: Scope
let log: WatchLog

beforeEach(async () => {
  root = fs.mkdtempSync(join(PARENT, 'plainkeep-edits-'))
  storage = await openStorage(root)
  scope = storage.workspace().plugin('editor').storage
  await scope.set('notes', 'first')
  await scope.set('other', 'first')
  log = new WatchLog(scope.watch())
  await log.watcher.ready
})

afterEach(async () => {
  await storage.close()
  fs.rmSync(root, { recursive: true, force: true })
})

const at = (name: string): string => join(scope.path, name)
const shell = (script: string): void => void execFileSync('sh', ['-c', script], { cwd: scope.path })

/** All that is told of what was done, when all is quiet; and the folder must be as the events say. */
async function toldOf(edit: () => unknown): Promise<string[]> {
  await edit()
  const lines = await log.quiet()
  await sleep(120) // and nothing comes afterwards
  expect(log.lines).toEqual(lines)
  for (const [key, version] of log.state) expect((await scope.entry(key))?.version).toBe(version)
  return lines
}

describe('editors', () => {
  test('vim renames to a backup, writes anew and removes the backup: one set', async () => {
    const lines = await toldOf(() => {
      fs.writeFileSync(at('.notes.swp'), 'swap')
      fs.writeFileSync(at('4913'), '') // vim tries whether it may make files
      fs.unlinkSync(at('4913'))
      fs.renameSync(at('notes'), at('notes~'))
      fs.writeFileSync(at('notes'), 'by vim')
      fs.chmodSync(at('notes'), 0o600)
      fs.unlinkSync(at('notes~'))
      fs.unlinkSync(at('.notes.swp'))
    })
    expect(lines).toEqual(['set notes external'])
  })

  test('vim with backupcopy=yes copies and writes in place: one set', async () => {
    const lines = await toldOf(() => {
      fs.copyFileSync(at('notes'), at('notes~'))
      const descriptor = fs.openSync(at('notes'), 'w')
      fs.writeSync(descriptor, 'by ')
      fs.writeSync(descriptor, 'vim')
      fs.fsyncSync(descriptor)
      fs.closeSync(descriptor)
      fs.unlinkSync(at('notes~'))
    })
    expect(lines).toEqual(['set notes external'])
  })

  test('nano truncates and writes in place: one set', async () => {
    expect(await toldOf(() => fs.writeFileSync(at('notes'), 'by nano'))).toEqual(['set notes external'])
  })

  test('VS Code writes in place, truncating first or last: one set', async () => {
    const lines = await toldOf(async () => {
      const descriptor = fs.openSync(at('notes'), 'r+')
      fs.ftruncateSync(descriptor, 0)
      await sleep(10)
      fs.writeSync(descriptor, 'by code')
      await sleep(10)
      fs.fdatasyncSync(descriptor)
      fs.closeSync(descriptor)
    })
    expect(lines).toEqual(['set notes external'])
  })

  test('sed -i writes a file of another name and renames it: one set', async () => {
    const lines = await toldOf(() => {
      fs.writeFileSync(at('sedabcdef'), 'by sed')
      fs.renameSync(at('sedabcdef'), at('notes'))
    })
    expect(lines).toEqual(['set notes external'])
    expect(await toldOf(() => shell('sed -i s/by/from/ notes'))).toEqual([
      'set notes external',
      'set notes external',
    ])
  })

  test('Emacs locks by a link, saves what was typed beside, renames to a backup and writes anew: one set', async () => {
    const lines = await toldOf(() => {
      fs.symlinkSync('somebody@machine.1:1', at('.#notes'))
      fs.writeFileSync(at('#notes#'), 'typed')
      fs.renameSync(at('notes'), at('notes~'))
      fs.writeFileSync(at('notes'), 'by emacs')
      fs.unlinkSync(at('#notes#'))
      fs.unlinkSync(at('.#notes'))
    })
    expect(lines).toEqual(['set notes external'])
    fs.unlinkSync(at('notes~'))
  })

  test('editors that write a hidden file and rename it: one set', async () => {
    const lines = await toldOf(() => {
      fs.writeFileSync(at('.goutputstream-A1B2C3'), 'by gedit')
      fs.renameSync(at('.goutputstream-A1B2C3'), at('notes'))
    })
    expect(lines).toEqual(['set notes external'])
  })

  test.runIf(isThere('vim'))('vim itself: one set for each save', async () => {
    expect(await toldOf(() => shell('vim -u NONE -es -c "s/first/by vim/" -c wq notes'))).toEqual([
      'set notes external',
    ])
    shell('vim -u NONE -es -c "set backup writebackup backupcopy=no" -c "s/by/from/" -c wq notes')
    await log.quiet()
    expect(log.lines.filter((line) => line === 'set notes external')).toHaveLength(2)
    expect(await scope.get('notes', 'text')).toBe('from vim\n')
  })

  test('an edit that takes its time is told once, when it has settled', async () => {
    const lines = await toldOf(async () => {
      for (let number = 0; number < 15; number += 1) {
        fs.appendFileSync(at('notes'), 'more ')
        await sleep(10)
      }
    })
    // On a machine that stands still for longer than the quiet time it may be told more than once.
    expect(new Set(lines)).toEqual(new Set(['set notes external']))
    expect(lines.length).toBeLessThan(5)
  })
})

describe('commands', () => {
  test.each<[string, string, string[]]>([
    ['echo', 'echo hello > new', ['set new external']],
    ['touch of a file that is there', 'touch notes', ['set notes external']],
    ['cp', 'cp notes copy', ['set copy external']],
    ['cp -p, which keeps the time', 'cp -p notes copy', ['set copy external']],
    ['mv out', 'mv notes ../../elsewhere', ['delete notes external']],
    ['mv in', 'echo x > ../../new && mv ../../new new', ['set new external']],
    ['mv within', 'mv notes moved', ['delete notes external', 'set moved external']],
    ['rm', 'rm notes', ['delete notes external']],
    ['rm and echo', 'rm notes; echo again > notes', ['set notes external']],
    ['chmod', 'chmod 644 notes', []],
    ['chmod of the folder', 'chmod 755 .', []],
    ['names that are no keys', 'echo x > .hidden; echo x > "#notes#"; echo x > Upper; mkdir folder', []],
    ['a link', 'ln -s notes link', []],
    ['what comes and goes at once', 'echo x > brief; rm brief', []],
    ['a name that some watchers hide', 'echo x > a.b.swp', ['set a.b.swp external']],
    ['two edits of two files', 'echo 1 > a; echo 2 > b', ['set a external', 'set b external']],
  ])('%s', async (_, script, lines) => {
    expect((await toldOf(() => shell(script))).sort()).toEqual(lines)
    expect(log.reasons).toEqual([])
  })

  test('cp -r, rsync and git checkout into the folder', async () => {
    const source = join(root, 'source')
    fs.mkdirSync(source)
    for (let number = 0; number < 20; number += 1) fs.writeFileSync(join(source, `n${number}`), `${number}`)
    const sets = Array.from({ length: 20 }, (_, number) => `set n${number} external`).sort()
    expect((await toldOf(() => shell(`cp -r ${source}/. .`))).sort()).toEqual(sets)
    if (isThere('rsync')) {
      fs.writeFileSync(join(source, 'n3'), 'by rsync')
      expect((await toldOf(() => shell(`rsync -a ${source}/ .`))).at(-1)).toBe('set n3 external')
    }
    shell('git init -q . && git add . && git -c user.name=n -c user.email=e commit -qm all')
    shell('git rm -q n4 && echo changed > n5')
    await log.told('delete n4 external')
    expect((await toldOf(() => shell('git checkout -qf HEAD .'))).slice(-2).sort()).toEqual([
      'set n4 external',
      'set n5 external',
    ])
  }, 30_000)

  test('rsync writes a file of another name, dates it back and renames it: one set, though it is the older one', async () => {
    const lines = await toldOf(() => {
      fs.writeFileSync(at('.notes.Ab3dEf'), 'by rsync')
      fs.utimesSync(at('.notes.Ab3dEf'), 1e9, 1e9)
      fs.chmodSync(at('.notes.Ab3dEf'), 0o644)
      fs.renameSync(at('.notes.Ab3dEf'), at('notes'))
    })
    expect(lines).toEqual(['set notes external'])
  })

  test('git checkout unlinks and writes anew, many files in one go: one set each', async () => {
    const names = Array.from({ length: 50 }, (_, number) => `n${number}`)
    for (const name of names) fs.writeFileSync(at(name), 'first')
    await log.told(...names.map((name) => `set ${name} external`))
    const before = log.lines.length
    const lines = await toldOf(() => {
      fs.writeFileSync(at('.git-index.lock'), '')
      for (const name of names) {
        fs.unlinkSync(at(name))
        fs.writeFileSync(at(name), 'by git')
      }
      fs.unlinkSync(at('.git-index.lock'))
    })
    expect(lines.slice(before).sort()).toEqual(names.map((name) => `set ${name} external`).sort())
  })

  test('rm -rf of the scope deletes every key, and a folder made anew is watched', async () => {
    expect((await toldOf(() => shell('rm -rf ../editor'))).sort()).toEqual([
      'delete notes external',
      'delete other external',
    ])
    await log.until(({ reasons }) => reasons.includes('folder'))
    fs.mkdirSync(scope.path)
    fs.writeFileSync(at('notes'), 'again')
    await log.told('set notes external')
    await scope.set('mine', 'again')
    fs.writeFileSync(at('later'), 'again')
    await log.told('set mine local', 'set later external')
  })

  test('rm -rf and a folder made anew at once: the differences are told', async () => {
    await toldOf(() => shell('rm -rf ../editor; mkdir ../editor; echo again > ../editor/notes'))
    expect(log.lines.sort()).toEqual(['delete other external', 'set notes external'])
    fs.writeFileSync(at('later'), 'again')
    await log.told('set later external')
  })

  test('mv of the whole workspace away and back', async () => {
    fs.renameSync(join(root, 'default'), join(root, 'away'))
    await log.told('delete notes external', 'delete other external')
    fs.renameSync(join(root, 'away'), join(root, 'default'))
    await log.told('set notes external', 'set other external')
    fs.writeFileSync(at('later'), 'again')
    await log.told('set later external')
  })
})

describe('beside commits', () => {
  test('an edit over a commit and a commit over an edit are both told, and the last state is right', async () => {
    await scope.set('notes', 'committed')
    fs.writeFileSync(at('notes'), 'by hand')
    await log.until(({ lines }) => lines.includes('set notes external'))
    await scope.set('notes', 'committed again')
    const lines = await toldOf(() => undefined)
    expect(lines).toEqual(['set notes local', 'set notes external', 'set notes local'])
  })

  test('commits are not told as edits, however many there are', async () => {
    for (let number = 0; number < 200; number += 1) await scope.set(`k${number % 7}`, `${number}`)
    for (let number = 0; number < 7; number += 1) await scope.delete(`k${number}`)
    const lines = await toldOf(() => undefined)
    expect(lines.filter((line) => line.endsWith('external'))).toEqual([])
    expect(lines).toHaveLength(207)
    expect(log.reasons).toEqual([])
  })

  test('commits do not wait for an edit that is under way', async () => {
    let isOver = false
    const editing = (async () => {
      while (!isOver) {
        fs.appendFileSync(at('other'), 'x')
        await sleep(5)
      }
    })()
    await scope.set('notes', 'committed')
    await log.told('set notes local')
    expect(log.lines).toEqual(['set notes local'])
    isOver = true
    await editing
    await log.told('set other external')
  })

  test('a scope that is not there yet is watched as soon as it comes', async () => {
    const later = storage.workspace('later').plugin('new')
    const laterLog = new WatchLog(later.storage.watch({ initial: true }))
    await laterLog.watcher.ready
    fs.mkdirSync(later.storage.path, { recursive: true })
    fs.writeFileSync(join(later.storage.path, 'hand'), '1')
    await laterLog.told('set hand external')
    await later.storage.set('commit', '1')
    await laterLog.told('set commit local')
    expect(laterLog.reasons).toEqual([])
  })
})

function isThere(command: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${command}`])
    return true
  } catch {
    return false
  }
}
