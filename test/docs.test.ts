import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parseJournal } from '../lib/commit/journal.js'
import { PluginContext, Scope, Storage, Workspace } from '../lib/index.js'

const top = fileURLToPath(new URL('..', import.meta.url))
const read = (path: string): string => readFileSync(join(top, path), 'utf8')
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...readdirSync(join(top, 'docs')).map((name) => `docs/${name}`),
]
const readme = read('README.md')

/** The fenced blocks of a language. */
const blocks = (text: string, language: string): string[] =>
  [...text.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 'gs'))].map(([, block]) => block as string)

test('the ten lines of the README are an example that runs, and print what it says', () => {
  expect(blocks(readme, 'js')[0]).toBe(read('examples/readme.js'))
  const folder = mkdtempSync(join(tmpdir(), 'plainkeep-readme-'))
  const { stdout, stderr } = spawnSync(process.execPath, [join(top, 'examples/readme.js')], {
    cwd: folder,
    encoding: 'utf8',
  })
  const files = readdirSync(join(folder, 'data/default/plugins/acme%2Fweather'))
  rmSync(folder, { recursive: true })
  expect(stderr).toBe('')
  expect(readme).toContain(`\`\`\`\n${stdout}\`\`\``)
  expect(files.sort()).toEqual(['lastCity~10', 'user_count'])
})

test('the README stays short', () => {
  expect(readme.split('\n').length).toBeLessThan(350)
})

test.each(pages)('every relative link of %s leads to a file', (page) => {
  const links = [...read(page).matchAll(/\]\(([^)#\s]+)[^)]*\)/g)].map(([, link]) => link as string)
  const local = links.filter((link) => !/^[a-z]+:/.test(link))
  expect(local.filter((link) => !existsSync(join(top, dirname(page), link)))).toEqual([])
})

test('the table of errors names every code that the library raises', () => {
  const sources = readdirSync(join(top, 'lib'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.startsWith('testing'))
    .map((name) => read(`lib/${name}`))
    .join('\n')
  const declared = [...read('lib/base/errors.ts').matchAll(/^ {2}\| '([A-Z_]+)'$/gm)].map(
    ([, code]) => code as string,
  )
  const raised = declared.filter((code) => sources.split(`'${code}'`).length > 2)
  const told = [...readme.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, code]) => code as string)
  expect(told.sort()).toEqual(raised.sort())
})

describe.each([{ Storage }, { Workspace }, { PluginContext }, { Scope }])(
  'the tables of the API',
  (types) => {
    const [[name, type]] = Object.entries(types) as [[string, { prototype: object }]]
    test(`name every method of ${name}`, () => {
      const methods = Object.getOwnPropertyNames(type.prototype).filter((method) => method !== 'constructor')
      expect(methods.filter((method) => !new RegExp(`\`${method}[(<]`).test(readme))).toEqual([])
    })
  },
)

test('the journal in the description of the format says what it is said to say', () => {
  const bytes = Buffer.from((blocks(read('docs/format.md'), 'hex')[0] as string).replace(/\s/g, ''), 'hex')
  const contents = parseJournal(bytes, 'the example')
  expect(contents).toMatchObject({ revision: 1, synced: 0, end: 200 })
  expect(contents?.changes).toMatchObject([
    { kind: 'set', key: 'k', scope: { workspace: 'default', plugin: 'p' }, value: { staged: 1, size: 2 } },
  ])
})
