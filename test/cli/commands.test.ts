/** What each command does, as a child process, and how it ends. */

import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openStorage } from '../../lib/index.js'
import { Child } from '../processes/child.js'
import { collect, Place } from './run.js'

/** Sets keys of the shared storage of a new store. */
async function prepare(
  place: Place,
  values: Readonly<Record<string, string | Uint8Array>> = {},
): Promise<void> {
  const storage = await openStorage(place.store)
  for (const [key, value] of Object.entries(values)) await storage.workspace().shared.set(key, value)
  await storage.close()
}

test('somebody who has never seen it gets along', () => {
  const place = new Place()
  const steps: [line: string, out: string][] = [
    ['plainkeep init', `${place.store} is a store now\n`],
    ['plainkeep init', `${place.store} is a store already\n`],
    ['plainkeep set acme/weather lastCity Bern', ''],
    ['printf 42 | plainkeep set acme/weather count', ''],
    ['plainkeep set -w host shared motd hello', ''],
    ['plainkeep ls', 'default\tacme/weather\nhost\tshared\n'],
    ['plainkeep ls acme/weather', 'count\nlastCity\n'],
    ['plainkeep get acme/weather count', '42'],
    ['cat "$(plainkeep path acme/weather lastCity)"', 'Bern'],
    ['plainkeep key "$(plainkeep path acme/weather lastCity)"', 'lastCity\n'],
    ['cd data/default/plugins && plainkeep key acme%2Fweather/count', 'count\n'],
    ['plainkeep cp acme/weather lastCity shared city && plainkeep get shared city', 'Bern'],
    ['plainkeep mv shared city plugin:shared && plainkeep get plugin:shared city', 'Bern'],
    ['plainkeep rm acme/weather count lastCity && plainkeep ls acme/weather', ''],
    [
      'plainkeep usage',
      'host shared            1  5 B  ██████████████████████████████\ndefault plugin:shared  1  4 B  ████████████████████████\ndefault acme/weather   0  0 B\n2 keys, 9 B\n',
    ],
    ['plainkeep check | tail -1', 'The store is sound.\n'],
    ['plainkeep recover', 'There was nothing to recover.\n'],
    [
      'plainkeep --version',
      `${(JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }).version}\n`,
    ],
  ]
  for (const [line, out] of steps) expect(place.sh(line), line).toEqual({ code: 0, out, err: '' })
})

test('values go in and out byte for byte: from an argument, a file, a pipe', async () => {
  const place = new Place()
  await prepare(place)
  const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => (index * 7) % 256))
  const path = place.write('bytes', bytes)
  expect((await place.run(['set', 'shared', 'piped'], bytes)).code).toBe(0)
  expect((await place.run(['get', 'shared', 'piped'])).bytes.equals(bytes)).toBe(true)
  expect((await place.call(['set', 'shared', 'filed', '--file', path])).code).toBe(0)
  expect((await place.run(['get', 'shared', 'filed'])).bytes.equals(bytes)).toBe(true)
  expect((await place.call(['set', 'shared', 'text', ' ü\n'])).code).toBe(0)
  expect((await place.run(['get', 'shared', 'text'])).out).toBe(' ü\n')
  expect((await place.call(['set', 'shared', 'empty', ''])).code).toBe(0)
  expect((await place.run(['get', 'shared', 'empty'])).out).toBe('')
  expect((await place.call(['set', 'shared', '--', '-x', '-5'])).code).toBe(0)
  expect((await place.call(['get', 'shared', '--', '-x'])).out).toBe('-5')
})

test('the store is the one named, that of the environment, or the nearest', async () => {
  const place = new Place()
  await prepare(place, { key: 'data' })
  mkdirSync(join(place.folder, 'sub/deep'), { recursive: true })
  const other = await openStorage(join(place.folder, 'other'))
  await other.workspace().shared.set('key', 'other')
  await other.close()
  const get = (before: string, env = {}): string => place.sh(`${before} plainkeep get shared key`, env).out
  expect(get('')).toBe('data')
  expect(get('cd sub/deep &&')).toBe('data')
  expect(get('cd other/default/shared &&')).toBe('other')
  expect(get('', { PLAINKEEP_STORE: 'other' })).toBe('other')
  expect(place.sh('plainkeep --store data get shared key', { PLAINKEEP_STORE: 'other' }).out).toBe('data')
  expect(place.sh('plainkeep get -s other shared key').out).toBe('other')
  const missing = place.sh('plainkeep ls --store sub')
  expect(missing).toMatchObject({ code: 3, err: expect.stringContaining('There is no store in') })
  expect(existsSync(join(place.folder, 'sub/.plainkeep'))).toBe(false)
})

const FAILURES: readonly (readonly [code: number, words: readonly string[]])[] = [
  [2, ['nothing']],
  [2, ['get', 'shared']],
  [2, ['get', 'shared', 'key', '--unknown']],
  [2, ['get', 'shared', '']],
  [2, ['set', 'shared', 'key', 'value', '--file', 'x']],
  [2, ['rm', 'shared']],
  [2, ['rm', 'shared', 'key', '--all']],
  [2, ['mv', 'shared', 'key', 'shared']],
  [2, ['ls', '--wait', 'soon']],
  [2, ['set', 'shared', 'k'.repeat(300), 'value']],
  [2, ['backup', 'STORE/inside.tar']],
  [3, ['get', 'shared', 'missing']],
  [3, ['get', 'missing/plugin', 'key']],
  [3, ['rm', 'shared', 'key', 'missing']],
  [3, ['cp', 'shared', 'missing', 'shared', 'other']],
  [3, ['key', '/etc/passwd']],
  [4, ['set', 'shared', 'key', 'value', '--if-absent']],
  [4, ['set', 'shared', 'key', 'value', '--if-version', 'another']],
  [4, ['cp', 'shared', 'other', 'shared', 'key', '--no-clobber']],
  [6, ['set', 'shared', 'key', '--file', '/missing']],
  [6, ['restore', '/missing']],
  [7, ['restore', '/etc/passwd']],
]

test('what fails ends with the code of its kind, says so in a line, and changes nothing', async () => {
  const place = new Place()
  await prepare(place, { key: 'value', other: 'value' })
  for (const [code, words] of FAILURES) {
    const line = words.map((word) => word.replace('STORE', place.store))
    const ended = await place.call(line)
    expect(ended.err, `${line}`).toMatch(/^(plainkeep|error): .+\.?\n/)
    expect({ line, code: ended.code, out: ended.out }).toEqual({ line, code, out: '' })
  }
  expect(JSON.parse((await place.call(['usage', '--json'])).out)).toMatchObject({ keys: 2, bytes: 10 })
})

test('what is wrong on a line is told with where to read more; help is no failure', async () => {
  const place = new Place()
  expect((await place.call(['get'])).err).toContain('plainkeep get --help tells more')
  expect((await place.call(['gte', 'x'])).err).toContain('Did you mean get?')
  for (const words of [['--help'], ['help'], ['help', 'get'], ['get', '--help']])
    expect(await place.call(words)).toMatchObject({ code: 0, err: '' })
  expect((await place.call(['help', 'get'])).out).toBe((await place.call(['get', '--help'])).out)
})

test('rm deletes all of its keys or none, those with a prefix, or all', async () => {
  const place = new Place()
  await prepare(place, { a1: '', a2: '', b1: '', b2: '' })
  expect((await place.call(['rm', 'shared', 'a1', 'missing'])).code).toBe(3)
  expect((await place.call(['rm', 'shared', 'missing', '--force'])).code).toBe(0)
  expect((await place.call(['rm', 'shared', 'a1', 'a1', '--json'])).out).toBe('{"deleted":1}\n')
  expect((await place.call(['rm', 'shared', '--prefix', 'b'])).out).toBe('2 keys deleted\n')
  expect((await place.call(['ls', 'shared'])).out).toBe('a2\n')
  expect((await place.call(['rm', 'shared', '--all'])).out).toBe('1 key deleted\n')
})

test('cp and mv go between workspaces, in one commit', async () => {
  const place = new Place()
  await prepare(place, { key: Buffer.from([0, 255]) })
  expect((await place.call(['cp', 'shared', 'key', 'a/b', 'other', '--to-workspace', 'test'])).code).toBe(0)
  expect((await place.call(['mv', 'shared', 'key', 'shared', '--to-workspace', 'test'])).code).toBe(0)
  const storage = await openStorage(place.store)
  expect(await storage.workspace().shared.keys()).toEqual([])
  expect([...(await storage.workspace('test').shared.get('key'))]).toEqual([0, 255])
  expect([...(await storage.workspace('test').plugin('a/b').storage.get('other'))]).toEqual([0, 255])
  await storage.close()
})

test('documents for programs have the members that docs/cli.md lists', async () => {
  const place = new Place()
  await prepare(place, { key: 'value', bytes: Buffer.from([255]) })
  const archive = join(place.folder, 'b.tar')
  const json = async (...words: string[]): Promise<unknown> =>
    JSON.parse((await place.call([...words, '--json'])).out)
  const entry = {
    key: 'key',
    version: expect.any(String),
    size: 5,
    modifiedAt: expect.stringMatching(/^2.*Z$/),
  }
  const shared = { workspace: 'default', scope: 'shared' }
  expect(await json('init')).toEqual({ store: place.store, created: false })
  expect(await json('ls')).toEqual([{ ...shared, keys: 2, bytes: 6 }])
  expect(await json('ls', 'shared', '-p', 'k')).toEqual([entry])
  expect(await json('get', 'shared', 'key')).toEqual({ ...entry, text: 'value' })
  expect(await json('get', 'shared', 'bytes')).toMatchObject({ size: 1, base64: '/w==' })
  const plugin = { workspace: 'default', scope: 'a/b', plugin: 'a/b' }
  const set = { ...plugin, key: 'k', version: entry.version, size: 1 }
  expect(await json('set', 'a/b', 'k', 'v')).toEqual(set)
  expect(await json('cp', 'a/b', 'k', 'a/b', 'l')).toEqual({ ...plugin, key: 'l', size: 1 })
  expect(await json('path', 'a/b')).toEqual({ path: `${place.store}/default/plugins/a%2Fb` })
  expect(await json('key', `${place.store}/default/shared/key`)).toEqual({ ...shared, key: 'key' })
  expect(await json('usage')).toEqual({
    ...{ keys: 4, bytes: 8 },
    scopes: [
      { ...shared, keys: 2, bytes: 6 },
      { ...plugin, keys: 2, bytes: 2 },
    ],
  })
  expect(await json('check')).toMatchObject({ isSound: true, keys: 4 })
  expect(await json('repair')).toMatchObject({ repaired: [], left: [] })
  expect(await json('recover')).toEqual({ recovered: [], isInUse: false })
  const backup = { path: archive, sizeBytes: expect.any(Number), revision: 4, keys: 4, bytes: 8 }
  expect(await json('backup', archive)).toEqual(backup)
  expect(await json('restore', archive)).toEqual({ store: place.store, keys: 0, bytes: 0, unchanged: 4 })
  expect(await json('restore', archive, '--verify')).toMatchObject({
    path: archive,
    revision: 4,
    keys: 4,
    bytes: 8,
  })
})

test('while a bot writes, the command line reads and writes beside it', async () => {
  const place = new Place()
  await prepare(place)
  const bot = new Child('../backup/waiter.js', place.store, 'bot', 50)
  await bot.saying('began')
  for (let round = 0; round < 3; round += 1) {
    expect((await place.run(['set', 'shared', `key${round}`, 'value'])).code).toBe(0)
    expect((await place.run(['get', 'shared', `key${round}`])).out).toBe('value')
  }
  expect((await place.run(['ls', 'bot'])).out).toMatch(/^key_\d+\n/)
  bot.process.kill('SIGTERM')
  await bot.done()
})

test('a store that somebody else keeps is code 4 after the time to wait, and recovered when they are gone', async () => {
  const place = new Place()
  await prepare(place, { key: 'value' })
  const bot = new Child('../backup/waiter.js', place.store, 'bot', 50)
  await bot.saying('began')
  bot.process.kill('SIGSTOP')
  const ended = await place.run(['set', 'shared', 'key', 'other', '--wait', '0.2'])
  const keeps = ended.code === 4 // it may have been stopped while it owned nothing
  expect([0, 4]).toContain(ended.code)
  expect((await place.run(['get', 'shared', 'key'])).out).toBe(keeps ? 'value' : 'other')
  await bot.kill()
  const { out, code } = await place.run(['recover'])
  expect(code).toBe(0)
  expect(out).toMatch(/recovered \.plainkeep\/w[0-9a-f]{24}\/journal|nothing to recover/)
  expect((await place.run(['repair'])).out).toContain('The store is sound.')
})

test('check ends with 1 for what breaks a promise, and repair with what it could do', async () => {
  const place = new Place()
  await prepare(place, { key: 'value' })
  writeFileSync(join(place.store, 'default/shared/Other'), 'value')
  expect(await place.call(['check'])).toMatchObject({ code: 0, out: expect.stringContaining('foreign-name') })
  expect(await place.call(['check', '--strict'])).toMatchObject({ code: 1 })
  expect(await place.call(['repair'])).toMatchObject({
    code: 0,
    out: expect.stringContaining('done Renamed'),
  })
  expect(await place.call(['check', '--strict'])).toMatchObject({ code: 0 })
  mkdirSync(join(place.store, 'default/shared/folder'))
  expect(await place.call(['check'])).toMatchObject({ code: 1, out: expect.stringContaining('is not sound') })
  expect(await place.call(['repair'])).toMatchObject({ code: 1, out: expect.stringContaining('left ') })
  place.sh('rmdir data/default/shared/folder')
})

test('10,000 keys are listed, counted and deleted; whoever reads the first line only is no error', async () => {
  const place = new Place()
  await prepare(place, { key: 'value' })
  for (let index = 0; index < 10_000; index += 1)
    writeFileSync(join(place.store, `default/shared/k${String(index).padStart(5, '0')}`), 'value')
  expect((await place.run(['ls', 'shared'])).out.split('\n')).toHaveLength(10_002)
  expect(place.sh('plainkeep ls shared | head -n 1')).toEqual({ code: 0, out: 'k00000\n', err: '' })
  expect((await place.call(['ls', '--long', 'shared'])).out.split('\n')).toHaveLength(10_002)
  expect((await place.call(['usage'])).out).toContain('10,001 keys, 49 KiB')
  expect((await place.call(['rm', 'shared', '--prefix', 'k0'])).out).toBe('10,000 keys deleted\n')
}, 60_000)

test('init makes a store where it is told to, and none in a folder that holds something', async () => {
  const place = new Place()
  expect(place.sh('plainkeep init .').code).toBe(2)
  expect(place.sh('plainkeep init sub/store').code).toBe(0)
  expect(statSync(join(place.folder, 'sub/store/.plainkeep')).mode & 0o777).toBe(0o700)
  expect(place.sh('plainkeep init --force .').code).toBe(0)
  expect(existsSync(join(place.folder, '.plainkeep'))).toBe(true)
})

test('a command that is told to end while it waits ends, with the code of the signal', async () => {
  const place = new Place()
  await prepare(place)
  const reading = place.start(['set', 'shared', 'key'])
  // More than a pipe holds: when it is written, the child reads.
  await new Promise((resolve) => reading.stdin.write(Buffer.alloc(1_000_000), resolve))
  reading.kill('SIGTERM')
  await once(reading, 'exit')
  expect(reading.exitCode).toBe(143)
  reading.stdin.destroy()
  expect((await place.call(['ls', 'shared'])).out).toBe('')
})

test('it is quick to start', async () => {
  const place = new Place()
  await prepare(place, { key: 'value' })
  const startMs = performance.now()
  const { code } = await collect(place.start(['get', 'shared', 'key']))
  const tookMs = performance.now() - startMs
  console.log(`plainkeep get took ${Math.round(tookMs)} ms`)
  expect(code).toBe(0)
  expect(tookMs).toBeLessThan(10_000)
})
