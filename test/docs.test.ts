/** The documents say what is so: what they quote runs, what they list is complete, where they point to something is. */

import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createFsFromVolume, Volume } from 'memfs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeFilename } from '../lib/base/filename.js'
import { CACHE_BYTES, LOCK_TIMEOUT_MS, SMALL_VALUE_BYTES, VALUE_BYTES } from '../lib/base/limits.js'
import { IS_HARMLESS } from '../lib/commit/finding.js'
import { parseJournal } from '../lib/commit/journal.js'
import { decodeHeader, decodeRecord, encodeHeader, encodeRecord } from '../lib/commit/record.js'
import { type ErrorCode, type FileSystem, openStorage, StorageError } from '../lib/index.js'
import { createMemoryDisk } from '../lib/testing/index.js'

const top = fileURLToPath(new URL('..', import.meta.url))
const read = (path: string): string => readFileSync(join(top, path), 'utf8')
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'examples/bot/README.md',
  ...readdirSync(join(top, 'docs')).map((name) => `docs/${name}`),
]
const readme = read('README.md')
const api = read('docs/api.md')
const format = read('docs/format.md')

/** The fenced blocks, each with its language in front. */
const blocksOf = (page: string): string[] =>
  [...page.matchAll(/^```(\w*\n.*?)^```$/gms)].map(([, block]) => block as string)

/** The text below a heading, up to the next one. */
function sectionOf(page: string, heading: string): string {
  const start = page.indexOf(`\n${heading}\n`)
  if (start < 0) throw new Error(`There is no heading ${heading}.`)
  return page.slice(start + heading.length + 1).split(/^#+ /m)[0] as string
}

/** The cells of the rows of all tables in a text, without the heads. */
const rowsOf = (text: string): string[][] =>
  [...text.matchAll(/^\|[-|]+\|\n((?:\|.*\|\n?)+)/gm)].flatMap(([, rows]) =>
    (rows as string)
      .trim()
      .split('\n')
      .map((row) =>
        row
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      ),
  )

const unquote = (cell: string): string => cell.replaceAll('`', '')

describe('what the README shows', () => {
  let folder: string

  const run = (program: string, args: readonly string[], input = ''): unknown =>
    execFileSync(process.execPath, [join(top, program), ...args], { cwd: folder, encoding: 'utf8', input })

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'plainkeep-readme-'))
    run('examples/readme.js', [])
    const lines = /^printf '(.*)' \| node (\S+) (\S+)$/m.exec(readme)
    const [input = '', program = '', data = ''] = lines?.slice(1) ?? []
    run(program, [data], input.replaceAll('\\n', '\n'))
  })

  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('its ten lines are the example that runs here', () => {
    const code = read('examples/readme.js')
    expect(blocksOf(readme)).toContain(`js\n${code}`)
    expect(code.split('\n').filter((line) => line !== '').length).toBeLessThanOrEqual(10)
  })

  test('the folder looks as the tree says', () => {
    const [shown] = blocksOf(readme).filter((block) => block.startsWith('\ndata\n'))
    // A process that pauses for a second lets the store go and claims it again.
    const steady = (tree = ''): string => tree.replaceAll(/ ([cf])\d+$/gm, ' $1N')
    expect(steady(`\ndata\n${drawTree(join(folder, 'data'))}`)).toBe(steady(shown))
  })

  /** As `tree -a --noreport` draws it. */
  function drawTree(path: string, indent = ''): string {
    const entries = readdirSync(path, { withFileTypes: true })
    entries.sort((left, right) => (left.name < right.name ? -1 : 1))
    return entries
      .map((entry, index) => {
        const isLast = index === entries.length - 1
        const below = entry.isDirectory()
          ? drawTree(join(path, entry.name), `${indent}${isLast ? '    ' : '│   '}`)
          : ''
        return `${indent}${isLast ? '└── ' : '├── '}${entry.name}\n${below}`
      })
      .join('')
  }
})

const OUTPUT: Readonly<Record<string, string>> = {
  'configuration.js': `{ port: 8080, tls: { on: true, file: 'server.pem' } }
VALIDATION_FAILED [ 'port' ]
{ port: 8080, tls: { on: false, file: 'server.pem' } }
`,
  'errors.js': `no value for missing
somebody was faster
limit QUOTA_EXCEEDED none
`,
  'migration.js': `2
{ text: 'buy milk', isDone: false }
`,
  'objects.js': `{ perDay: 3 }
Ada came first in 1970
3
`,
  'preferences.js': `color = blue
greeting = Hello
undefined
`,
  'user-data.js': `ada has too few coins
coins_ada 6
coins_bob 4
ada to bob: 4
`,
}

test.each(readdirSync(join(top, 'examples')).filter((name) => name.endsWith('.js') && name !== 'readme.js'))(
  'the example %s is quoted by the README, is short, and prints what it should',
  (name) => {
    const code = read(`examples/${name}`)
    expect(code.trimEnd().split('\n').length).toBeLessThanOrEqual(40)
    expect(blocksOf(readme)).toContain(`js\n${code}`)
    const folder = mkdtempSync(join(tmpdir(), 'plainkeep-example-'))
    const program = join(top, 'examples', name)
    expect(execFileSync(process.execPath, [program], { cwd: folder, encoding: 'utf8' })).toBe(OUTPUT[name])
    rmSync(folder, { recursive: true })
  },
)

test('the README stays short', () => {
  expect(readme.split('\n').length).toBeLessThan(350)
})

test.each(pages)('every relative link of %s leads to a file, and to a heading that is there', (page) => {
  const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link as string)
  const local = links.filter((link) => !/^[a-z]+:/.test(link))
  const broken = local.filter((link) => {
    const [path = '', anchor] = link.split('#')
    const target = path === '' ? page : join(dirname(page), path)
    if (!existsSync(join(top, target))) return true
    return anchor !== undefined && !anchorsOf(read(target)).includes(anchor)
  })
  expect(broken).toEqual([])
})

function anchorsOf(page: string): string[] {
  const headings = [...page.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading as string)
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

describe('the table of errors', () => {
  const told = rowsOf(sectionOf(api, '## Errors')).map(([code = '', kind]) => ({
    code: unquote(code),
    kind,
  }))

  test('holds every code that the library raises, and no other', () => {
    const declared = [...read('lib/base/errors.ts').matchAll(/^ {2}\| '([A-Z_]+)'$/gm)].map(
      ([, code]) => code,
    )
    const sources = readdirSync(join(top, 'lib'), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts') && !path.startsWith('testing'))
      .map((path) => read(`lib/${path}`).replaceAll(/^ {2}\| '[A-Z_]+'$/gm, ''))
      .join('\n')
    const raised = declared.filter((code) => sources.includes(`'${code}'`))
    expect(told.map(({ code }) => code).sort()).toEqual(raised.sort())
  })

  test('gives each its kind', () => {
    for (const { code, kind } of told) expect(new StorageError(code as ErrorCode, '').kind, code).toBe(kind)
  })
})

describe('the tables of the API', () => {
  const open = (options: object = {}): ReturnType<typeof openStorage> =>
    openStorage('/data', { fs: createFsFromVolume(new Volume()) as unknown as FileSystem, ...options })

  /** The members that an instance shows, whether of its own or of its class. */
  function membersOf(instance: object): string[] {
    const inherited = Reflect.ownKeys(Object.getPrototypeOf(instance) as object).filter(
      (name) => name !== 'constructor',
    )
    const describeName = (name: string | symbol): string =>
      typeof name === 'symbol' ? `[${name.description}]` : name
    return [...Object.keys(instance), ...inherited].map(describeName).sort()
  }

  test('name every member of every class, and no other', async () => {
    const storage = await open()
    const workspace = storage.workspace()
    const context = workspace.plugin('p')
    for (const instance of [storage, workspace, context, context.storage, await createMemoryDisk()]) {
      const table = rowsOf(sectionOf(api, `## ${instance.constructor.name}`))
      const named = table.flatMap(([cell = '']) =>
        [...cell.matchAll(/`(\[?[\w.]+\]?)/g)].map(([, name]) => name),
      )
      const known = named.map((name) =>
        name === '[Symbol.asyncDispose]' ? `[${Symbol.asyncDispose.description}]` : name,
      )
      expect(known.sort()).toEqual(membersOf(instance))
    }
    await storage.close()
  })

  test('name every option of openStorage, with its default', async () => {
    const rows = rowsOf(sectionOf(api, '## openStorage')).map(([name = '', value]) => [unquote(name), value])
    const complain = (options: object): Promise<string> =>
      open(options).then(String, (error: Error) => error.message)
    const listed = async (options: object): Promise<string[]> =>
      (/there are (.*)\.$/.exec(await complain(options))?.[1] ?? '').split(', ')
    const options = (await listed({ none: 1 })).filter((name) => name !== 'limits')
    const limits = await listed({ limits: { none: 1 } })
    expect(rows.map(([name]) => name).sort()).toEqual(
      [...options, ...limits.map((name) => `limits.${name}`)].sort(),
    )
    expect(Object.fromEntries(rows)).toMatchObject({
      lockTimeout: LOCK_TIMEOUT_MS.toLocaleString('en'),
      syncReadLimit: SMALL_VALUE_BYTES.toLocaleString('en'),
      cacheBytes: CACHE_BYTES.toLocaleString('en'),
      'limits.valueBytes': VALUE_BYTES.toLocaleString('en'),
    })
  })
})

test('every kind of finding is described, with whether it is harmless', () => {
  const kinds = rowsOf(sectionOf(api, '## Checking and repairing')).filter(
    ([, harmless]) => harmless === 'yes' || harmless === 'no',
  )
  const described = kinds.map(([kind, harmless]) => [unquote(kind as string), harmless === 'yes'])
  expect(Object.fromEntries(described)).toEqual(IS_HARMLESS)
})

test('the README has every error code, under its kind', () => {
  const rows = rowsOf(sectionOf(readme, '## Errors'))
  const listed = rows.flatMap(([kind = '', codes = '']) =>
    [...codes.matchAll(/`(\w+)`/g)].map(([, code]) => `${kind.split(':')[0]} ${code}`),
  )
  const all = rowsOf(sectionOf(read('docs/api.md'), '## Errors'))
  expect(listed.sort()).toEqual(all.map(([code = '', kind]) => `${kind} ${unquote(code)}`).sort())
})

test('every stop of the way through the source is where the README says', () => {
  const stops = rowsOf(sectionOf(readme, '## Reading the source'))
  expect(stops).toHaveLength(6)
  for (const [, where = ''] of stops) {
    const path = /\(([^)]+)\)/.exec(where)?.[1] as string
    const names = [...where.matchAll(/`(\w+)`/g)].map(([, name]) => name)
    expect(names.length).toBeGreaterThan(0)
    for (const name of names)
      expect(read(path)).toMatch(new RegExp(`^(export )?( {2})?(async )?(function )?${name}\\(`, 'm'))
  }
})

test('the invariants are in the files that the documents name', () => {
  const rows = rowsOf(sectionOf(read('docs/durability.md'), '## The invariants'))
  expect(rows.length).toBeGreaterThan(6)
  for (const [letter, file = ''] of rows) {
    const path = /\(\.\.\/([^)]+)\)/.exec(file)?.[1] as string
    expect(read(path)).toContain(`\n * ${letter}1  `)
  }
})

test('the programs in test/crash know the variables that the documents name', () => {
  const rows = rowsOf(sectionOf(read('docs/durability.md'), '### On real disks'))
  const variables = rows.map(([cell = '']) => unquote(cell)).filter((name) => /^[A-Z_]+$/.test(name))
  const sources = readdirSync(join(top, 'test/crash'))
    .map((name) => read(`test/crash/${name}`))
    .join('\n')
  expect(variables).toContain('CRASH_DIR')
  for (const variable of variables) expect(sources).toContain(`process.env.${variable}`)
})

test('the keys in the description of the format have the file names that it says', () => {
  const rows = rowsOf(sectionOf(format, '## File names'))
  expect(rows.length).toBeGreaterThan(5)
  for (const [key = '', name = ''] of rows) expect(encodeFilename(unquote(key))).toBe(unquote(name))
})

describe('the journal in the description of the format', () => {
  const section = sectionOf(format, '## A journal, byte by byte')
  const dump = [...section.matchAll(/^[0-9a-f]{8} {2}((?:[0-9a-f]{2} {1,2}){16})\|/gm)]
  const bytes = Buffer.from(dump.map(([, hex = '']) => hex.replaceAll(' ', '')).join(''), 'hex')
  const scope = { workspace: 'default', plugin: 'acme/weather' }
  const time = 1_795_431_763_375_775_000n

  test('says what it is said to say', () => {
    const contents = parseJournal(bytes, 'the example')
    expect(contents).toMatchObject({ revision: 2, synced: 0, time: 1_795_431_763_377_642_000n })
    expect(contents?.changes).toMatchObject([
      { kind: 'set', key: 'user_count', scope, revision: 1, time, value: { staged: 1, size: 2 } },
      { kind: 'delete', key: 'user_count', scope, revision: 2, was: time, removed: 2 },
    ])
  })

  test('is what the library writes for that, byte for byte', () => {
    const header = decodeHeader(bytes)
    if (header === undefined) throw new Error('The header is not whole.')
    const parts = [encodeHeader(header)]
    for (let offset = 64; ; ) {
      const found = decodeRecord(bytes, offset, header.salt)
      if (found === undefined) break
      parts.push(encodeRecord(found.record, header.salt))
      offset = found.next
    }
    const encoded = Buffer.concat(parts)
    expect(parts).toHaveLength(4)
    expect(bytes.subarray(0, encoded.byteLength)).toEqual(encoded)
    expect(bytes.subarray(encoded.byteLength).every((byte) => byte === 0)).toBe(true)
  })

  test('has the bytes and the values that the tables give to its fields, and no byte of the first commit is left out', () => {
    let end = 0
    for (const [offset = '', shown = '', field = '', value = ''] of rowsOf(section)) {
      const repeated = /^(\d+) times `00`$/.exec(shown)
      const hex = repeated ? '00'.repeat(Number(repeated[1])) : unquote(shown).replaceAll(' ', '')
      const start = Number(offset)
      const found = bytes.subarray(start, start + hex.length / 2)
      expect(found.toString('hex'), `${field} at ${offset}`).toBe(hex)
      expect(describeField(found, value), `${field} at ${offset}`).toBe(value)
      if (start < 232) expect(start, field).toBe(end)
      end = start + found.byteLength
    }
    expect(end).toBe(326)
  })

  /** The field in the manner of the table's cell: a text, a number in hexadecimal or decimal digits, or words. */
  function describeField(field: Buffer, cell: string): string {
    const number = BigInt(`0x${Buffer.from(field).reverse().toString('hex')}`)
    if (cell.startsWith('`')) return `\`${field.toString()}\``
    if (cell.startsWith('0x')) return `0x${number.toString(16).padStart(8, '0')}`
    return /^\d/.test(cell) ? cell.replace(/^\d+/, String(number)) : cell
  }
})
