/** What a check finds, and what it does not: each kind of finding, on a real filesystem. */

import { execFileSync } from 'node:child_process'
import fs, {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFsFromVolume, Volume } from 'memfs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  type CheckProgress,
  type CheckReport,
  checkStorage,
  type FileSystem,
  type Finding,
  openStorage,
  type Scope,
} from '../../lib/index.js'
import { checkStore, findFlaws } from '../setup/check-store.js'
import { listTree } from '../setup/tree.js'

const WORK = `w${'0a'.repeat(12)}`
const SCOPE = 'default/plugins/acme%2Fweather'

let folder: string
let root: string

beforeEach(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'plainkeep-check-')))
  root = join(folder, 'store')
  const storage = await openStorage(root)
  await fill(storage.workspace().plugin('acme/weather').storage)
  await storage.close()
})

afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

async function fill(scope: Scope): Promise<void> {
  await scope.set('userCount', 'value')
  await scope.set('large', Buffer.alloc(100_000))
}

const at = (path: string): string => join(root, path)
const control = (name: string): string => at(join('.plainkeep', name))
const describeFindings = ({ findings }: CheckReport): string[] =>
  findings.map(({ kind, path, isHarmless }) => `${isHarmless ? '' : '! '}${kind} ${path}`)

/** Checks, and that nothing was changed by it. */
async function check(): Promise<CheckReport> {
  const before = listTree(root)
  const report = await checkStorage(root)
  expect(listTree(root)).toEqual(before)
  for (const finding of report.findings) expectWords(finding)
  expect(report.isSound).toBe(report.findings.every(({ isHarmless }) => isHarmless))
  return report
}

/** A message is one line and one sentence, which names the place. */
function expectWords({ message, path }: Finding): void {
  expect(message).not.toMatch(/\p{Cc}/u)
  expect(message).toMatch(/^[A-Z"].*\.$/)
  expect(message).toContain(JSON.stringify(path.split('/').at(-1)).slice(1, -1).slice(0, 8))
}

test('a store that was closed is sound, without any finding', async () => {
  expect(await check()).toEqual({
    isSound: true,
    findings: [],
    counts: {},
    owner: undefined,
    journals: [{ path: '.plainkeep/kept-2', state: 'kept', bytes: 8192, revision: 2, synced: 2 }],
    scopes: 1,
    keys: 2,
    bytes: 100_005,
  })
  await checkStore(root, fs)
})

test('an open store is sound too, and the report says who owns it', async () => {
  const storage = await openStorage(root)
  await storage.workspace().shared.set('key', 'value')
  const report = await storage.check()
  expect(describeFindings(report)).toEqual([])
  expect(report.owner).toMatchObject({
    claim: 2,
    pid: process.pid,
    thread: 0,
    isThisMachine: true,
    isAlive: true,
  })
  expect(Date.now() - Number(report.owner?.since)).toBeLessThan(60_000)
  expect(report.journals.map(({ state, revision, synced }) => [state, revision, synced])).toEqual([
    ['kept', 2, 2],
    ['open', 3, 2],
  ])
  expect(await checkStorage(root)).toEqual(report)
  await storage.close()
  await expect(storage.check()).rejects.toMatchObject({ code: 'STORE_CLOSED' })
  await checkStore(root, fs)
})

describe('in a scope', () => {
  test.each<[string, () => unknown, string, Partial<Finding>]>([
    [
      'a file whose name is not canonical',
      () => writeFileSync(at(`${SCOPE}/README`), 'by hand', { mode: 0o600 }),
      `foreign-name ${SCOPE}/README`,
      { key: 'README', canonicalName: 'README~3f' },
    ],
    [
      'a file whose name is escaped in another way',
      () => writeFileSync(at(`${SCOPE}/a%2fb`), ''),
      `foreign-name ${SCOPE}/a%2fb`,
      { key: 'a/b', canonicalName: 'a%2Fb' },
    ],
    [
      'a name with a newline',
      () => writeFileSync(at(`${SCOPE}/two\nlines`), ''),
      `foreign-name ${SCOPE}/two\nlines`,
      { key: 'two\nlines', canonicalName: 'two%0Alines' },
    ],
    [
      'the backup of an editor',
      () => writeFileSync(at(`${SCOPE}/user_count~`), ''),
      `stray ${SCOPE}/user_count~`,
      { key: 'user_count~', canonicalName: 'user_count%7E' },
    ],
    [
      'a hidden file',
      () => writeFileSync(at(`${SCOPE}/.hidden`), ''),
      `stray ${SCOPE}/.hidden`,
      { key: '.hidden', canonicalName: '%2Ehidden' },
    ],
    [
      'a name that has lost its capitals',
      () => writeFileSync(at(`${SCOPE}/usercount~10`), ''),
      `stray ${SCOPE}/usercount~10`,
      { key: 'usercount', canonicalName: 'usercount' },
    ],
    [
      'a name that no key can have',
      () => writeFileSync(at(`${SCOPE}/${'A'.repeat(240)}`), ''),
      `stray ${SCOPE}/${'A'.repeat(240)}`,
      {},
    ],
    [
      'a link out of the store',
      () => symlinkSync('/etc/passwd', at(`${SCOPE}/link`)),
      `link-in-scope ${SCOPE}/link`,
      { key: 'link' },
    ],
    [
      'a link with a foreign name',
      () => symlinkSync('x', at(`${SCOPE}/Link`)),
      `link-in-scope ${SCOPE}/Link`,
      {},
    ],
    [
      'a FIFO',
      () => execFileSync('mkfifo', [at(`${SCOPE}/fifo`)]),
      `special-in-scope ${SCOPE}/fifo`,
      { key: 'fifo' },
    ],
    [
      'a folder where a value belongs',
      () => mkdirSync(at(`${SCOPE}/folder/in/it`), { recursive: true }),
      `! folder-in-scope ${SCOPE}/folder`,
      { key: 'folder' },
    ],
    ['a folder with a foreign name', () => mkdirSync(at(`${SCOPE}/.git`)), `stray ${SCOPE}/.git`, {}],
    [
      'a file that others may read',
      () => chmodSync(at(`${SCOPE}/large`), 0o644),
      `wide-permissions ${SCOPE}/large`,
      {},
    ],
  ])('%s is found', async (_, plant, line, details) => {
    plant()
    const report = await check()
    expect(describeFindings(report)).toEqual([line])
    expect(report.findings[0]).toMatchObject({
      scope: { workspace: 'default', plugin: 'acme/weather' },
      ...details,
    })
    expect(report.keys).toBe(2)
  })

  test('a name that is no UTF-8 is found', async () => {
    writeFileSync(Buffer.concat([Buffer.from(at(`${SCOPE}/bad`)), Buffer.from([0xff, 0xfe])]), '')
    expect(describeFindings(await check())).toEqual([`undecodable-name ${SCOPE}/bad\ufffd\ufffd`])
  })

  test('a name with U+FFFD in it is one like others', async () => {
    writeFileSync(at(`${SCOPE}/bad\ufffd`), '', { mode: 0o600 })
    expect(describeFindings(await check())).toEqual([`foreign-name ${SCOPE}/bad\ufffd`])
  })

  test('a name in decomposed form is foreign where the filesystem tells the forms apart', async () => {
    writeFileSync(at(`${SCOPE}/cafe\u0301`), '', { mode: 0o600 })
    const report = await check()
    expect(describeFindings(report)).toEqual([`foreign-name ${SCOPE}/cafe\u0301`])
    expect(report.findings[0]).toMatchObject({ key: 'caf\u00e9', canonicalName: 'caf\u00e9' })
  })

  test.each(['EACCES', 'EIO'])('a value that cannot be read (%s) is found', async (code) => {
    const openSync = ((path: string, ...rest: [number]) => {
      if (path.endsWith('/large')) throw Object.assign(new Error(`${code}: injected`), { code })
      return fs.openSync(path, ...rest)
    }) as FileSystem['openSync']
    const report = await checkStorage(root, { fs: { ...fs, openSync } })
    expect(describeFindings(report)).toEqual([`! unreadable ${SCOPE}/large`])
    expect(report.isSound).toBe(false)
  })
})

describe('beside the scopes', () => {
  test.each<[string, () => unknown, string]>([
    ['a file beside the workspaces', () => writeFileSync(at('notes'), ''), 'stray notes'],
    ['a folder of another program', () => mkdirSync(at('.git/shared2'), { recursive: true }), 'stray .git'],
    [
      'a workspace with a foreign name',
      () => mkdirSync(at('My Workspace/plugins'), { recursive: true }),
      'foreign-name My Workspace',
    ],
    ['a file in a workspace', () => writeFileSync(at('default/notes'), ''), 'stray default/notes'],
    [
      'a file beside the plugins',
      () => writeFileSync(at('default/plugins/One'), ''),
      'stray default/plugins/One',
    ],
    [
      'a plugin with a foreign name',
      () => mkdirSync(at('default/plugins/One')),
      'foreign-name default/plugins/One',
    ],
    [
      'a file where a scope belongs',
      () => writeFileSync(at('default/shared'), ''),
      '! misplaced default/shared',
    ],
    [
      'a link where a scope belongs',
      () => symlinkSync('/etc', at('default/shared')),
      '! misplaced default/shared',
    ],
    [
      'a link where a plugin belongs',
      () => symlinkSync('/etc', at('default/plugins/one')),
      '! misplaced default/plugins/one',
    ],
    ['a folder that others may enter', () => chmodSync(at(SCOPE), 0o755), `wide-permissions ${SCOPE}`],
  ])('%s is found', async (_, plant, line) => {
    plant()
    expect(describeFindings(await check())).toEqual([line])
  })

  test("the folder lost+found of a filesystem whose root is the store's is no finding", async () => {
    mkdirSync(at('lost+found'))
    expect(describeFindings(await check())).toEqual([])
  })

  test('a scope on another filesystem is found, and one that cannot be written to', async () => {
    mkdirSync(at('default/shared'), { mode: 0o700 })
    const lstatSync = ((path: string, options: never) => {
      const stat = fs.lstatSync(path, options)
      return path.endsWith('/shared') ? Object.assign(Object.create(stat), { dev: 1n }) : stat
    }) as unknown as FileSystem['lstatSync']
    const accessSync = (path: string, mode: number): void => {
      if (path.endsWith('weather')) throw Object.assign(new Error('EACCES: injected'), { code: 'EACCES' })
      fs.accessSync(path, mode)
    }
    const report = await checkStorage(root, { fs: { ...fs, lstatSync, accessSync } as FileSystem })
    expect(describeFindings(report).sort()).toEqual([
      `! other-filesystem default/shared`,
      `! unwritable ${SCOPE}`,
    ])
  })
})

describe("in the store's own folder", () => {
  /** A process that is gone for certain. */
  const record = (name: string, change: object = {}): string => {
    const claim = JSON.parse(readFileSync(control('c1'), 'utf8')) as { owner: object }
    return `${JSON.stringify({ folder: name, owner: { ...claim.owner, pid: 1, startTime: '1', ...change } })}\n`
  }
  const makeOld = (name: string, seconds = 60): void => {
    const time = Date.now() / 1000 - seconds
    utimesSync(control(name), time, time)
  }
  const makeFolder = (name: string, text?: string): void => {
    mkdirSync(control(name), { mode: 0o700 })
    if (text !== undefined) writeFileSync(control(`${name}/record`), text, { mode: 0o600 })
  }

  test.each<[string, () => unknown, readonly string[]]>([
    ['a file of no kind', () => writeFileSync(control('journal'), ''), ['stray .plainkeep/journal']],
    ['a folder of no kind', () => mkdirSync(control('old')), ['stray .plainkeep/old']],
    [
      'a file in place of the lock',
      () => writeFileSync(control('lock'), ''),
      ['! misplaced .plainkeep/lock'],
    ],
    [
      'a folder in place of a claim',
      () => mkdirSync(control('c7')),
      ['! misplaced .plainkeep/c7', 'leftover .plainkeep/c1', 'leftover .plainkeep/f1'],
    ],
    [
      'a link in place of a kept journal',
      () => symlinkSync('/etc/passwd', control('kept-9')),
      ['! misplaced .plainkeep/kept-9'],
    ],
    [
      'a file in place of a work folder',
      () => writeFileSync(control(WORK), ''),
      [`! misplaced .plainkeep/${WORK}`],
    ],
    [
      'a stale lock',
      () => {
        mkdirSync(control('lock'))
        makeOld('lock')
      },
      ['leftover .plainkeep/lock'],
    ],
    [
      'the work folder of one that died waiting',
      () => makeFolder(WORK, record(WORK)),
      [`leftover .plainkeep/${WORK}`],
    ],
    [
      'an old work folder of nobody',
      () => {
        makeFolder(WORK)
        makeOld(WORK)
      },
      [`leftover .plainkeep/${WORK}`],
    ],
    [
      'an old work folder from another place',
      () => {
        makeFolder(WORK, record(WORK, { pidNamespace: 'pid:[1]' }))
        makeOld(WORK, 3600)
      },
      [`leftover .plainkeep/${WORK}`],
    ],
    [
      'a fenced work folder without a claim',
      () => makeFolder(`${WORK}.s1`),
      [`leftover .plainkeep/${WORK}.s1`],
    ],
    [
      'an owner that died before it had a journal',
      () => {
        makeFolder(WORK)
        writeFileSync(control('c2'), record(WORK), { mode: 0o600 })
      },
      ['leftover .plainkeep/c1', 'leftover .plainkeep/f1', `leftover .plainkeep/${WORK}`],
    ],
    [
      'the end of a claim that nobody had',
      () => writeFileSync(control('f3'), '', { mode: 0o600 }),
      ['leftover .plainkeep/c1', 'leftover .plainkeep/f1'],
    ],
    [
      'a journal that is needed no more',
      () => fs.copyFileSync(control('kept-2'), control('kept-1')),
      ['leftover .plainkeep/kept-1'],
    ],
    [
      'a damaged claim',
      () => writeFileSync(control('c1'), '{"folder":', { mode: 0o600 }),
      ['! damaged-claim .plainkeep/c1'],
    ],
    [
      'a damaged journal',
      () => writeFileSync(control('kept-2'), 'plainkj1 and more', { mode: 0o600 }),
      ['! damaged-journal .plainkeep/kept-2'],
    ],
    [
      'a journal that is shorter than its name says',
      () => renameSync(control('kept-2'), control('kept-3')),
      ['! damaged-journal .plainkeep/kept-3'],
    ],
    [
      'a journal that others may read',
      () => chmodSync(control('kept-2'), 0o640),
      ['wide-permissions .plainkeep/kept-2'],
    ],
    ['a folder that others may list', () => chmodSync(control('.'), 0o711), ['wide-permissions .plainkeep']],
    ...['', '{"format":2}', '{}', 'null', '{"format":1}'.padEnd(5000)].map(
      (text): [string, () => void, string[]] => [
        `a format of "${text.trim()}" in ${text.length} bytes`,
        () => writeFileSync(control('format.json'), text),
        ['! unsupported-format .plainkeep/format.json'],
      ],
    ),
    ['no format', () => unlinkSync(control('format.json')), ['! unsupported-format .plainkeep/format.json']],
    ['no such folder', () => rmSync(control('.'), { recursive: true }), ['! misplaced .plainkeep']],
    [
      'a link in place of it',
      () => {
        renameSync(control('.'), join(folder, 'away'))
        symlinkSync(join(folder, 'away'), at('.plainkeep'))
      },
      ['! misplaced .plainkeep'],
    ],
  ])('%s is found', async (_, plant, lines) => {
    plant()
    const report = await check()
    expect(describeFindings(report).sort()).toEqual([...lines].sort())
    expect(report.keys).toBe(2)
    const isWide = lines[0]?.startsWith('wide-permissions')
    expect((await findFlaws(root, fs)).length > 0).toBe(!isWide)
  })

  test('young work folders and a fresh lock may be those of somebody who is about to write', async () => {
    mkdirSync(control('lock'))
    makeFolder(WORK)
    makeFolder(`w${'1'.repeat(24)}`, record(`w${'1'.repeat(24)}`, { pidNamespace: 'pid:[1]' }))
    expect(describeFindings(await check())).toEqual([])
    expect(await findFlaws(root, fs)).toHaveLength(3)
  })

  test('an owner elsewhere that does not renew its lock is taken for dead, and one that does for alive', async () => {
    makeFolder(WORK, record(WORK))
    writeFileSync(control('c2'), record(WORK, { pidNamespace: 'pid:[1]' }), { mode: 0o600 })
    for (const name of ['c2', `${WORK}/record`]) makeOld(name)
    const left = ['leftover .plainkeep/c1', 'leftover .plainkeep/f1', `leftover .plainkeep/${WORK}`]
    const report = await check()
    expect(describeFindings(report).sort()).toEqual(left)
    expect(report.owner).toMatchObject({ claim: 2, pid: 1, isThisMachine: true, isAlive: undefined })
    mkdirSync(control('lock'))
    expect(describeFindings(await check())).toEqual([])
  })
})

test('a folder that is none of a store, and what is no folder, are told apart', async () => {
  mkdirSync(join(folder, 'empty'))
  const report = await checkStorage(join(folder, 'empty'))
  expect(describeFindings(report)).toEqual(['! misplaced .plainkeep'])
  expect(readdirSync(join(folder, 'empty'))).toEqual([])
  await expect(checkStorage(join(folder, 'none'))).rejects.toMatchObject({ code: 'IO_ERROR' })
  await expect(checkStorage(at(`${SCOPE}/large`))).rejects.toMatchObject({ code: 'IO_ERROR' })
  await expect(checkStorage('')).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  await expect(checkStorage(root, { fileMoed: 1 } as object)).rejects.toMatchObject({
    code: 'INVALID_OPTION',
  })
})

test('modes that a store is opened with are no finding', async () => {
  chmodSync(at(`${SCOPE}/large`), 0o644)
  chmodSync(at(SCOPE), 0o755)
  expect(describeFindings(await checkStorage(root, { fileMode: 0o644, folderMode: 0o755 }))).toEqual([])
  expect(describeFindings(await check())).toHaveLength(2)
})

test('of very many findings of a kind the first are told, and all are counted', async () => {
  for (let index = 0; index < 1500; index += 1) writeFileSync(at(`${SCOPE}/Key ${index}`), '')
  writeFileSync(at('notes'), '')
  const report = await check()
  expect(report.findings).toHaveLength(1001)
  expect(report.counts).toEqual({ 'foreign-name': 1500, stray: 1 })
  expect(report.isSound).toBe(true)
})

test('a long check says how far it has come, lets others have their turn, and can be aborted', async () => {
  const made = at('default/shared')
  mkdirSync(made, { mode: 0o700 })
  for (let index = 0; index < 5000; index += 1) writeFileSync(join(made, `key-${index}`), '', { mode: 0o600 })
  const seen: CheckProgress[] = []
  const turns = setInterval(() => undefined, 1)
  const report = await checkStorage(root, { onProgress: (progress) => seen.push(progress) })
  clearInterval(turns)
  expect(seen.length).toBeGreaterThan(2)
  expect(seen.map(({ keys }) => keys)).toEqual(seen.map(({ keys }) => keys).toSorted((a, b) => a - b))
  expect(report).toMatchObject({ keys: 5002, scopes: 2, bytes: 100_005, findings: [] })
  const aborting = new AbortController()
  const reason = new Error('enough')
  const checking = checkStorage(root, { signal: aborting.signal, onProgress: () => aborting.abort(reason) })
  await expect(checking).rejects.toBe(reason)
  await expect(checkStorage(root, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
})

test('a filesystem in memory, and one that cannot give names one by one, are checked alike', async () => {
  const volume = createFsFromVolume(new Volume()) as unknown as FileSystem & typeof fs
  const { opendirSync: _, ...plain } = volume
  for (const memory of [volume, plain] as FileSystem[]) {
    const storage = await openStorage('/store', { fs: memory })
    await fill(storage.workspace().plugin('acme/weather').storage)
    volume.writeFileSync('/store/default/plugins/acme%2Fweather/README', 'by hand', { mode: 0o600 })
    expect(describeFindings(await storage.check())).toEqual([`foreign-name ${SCOPE}/README`])
    await storage.close()
    expect(describeFindings(await checkStorage('/store', { fs: memory }))).toEqual([
      `foreign-name ${SCOPE}/README`,
    ])
    volume.unlinkSync('/store/default/plugins/acme%2Fweather/README')
    await checkStore('/store', memory)
  }
})
