/**
 * Every block of code in the documents runs. The blocks of one section share a folder, in which plainkeep and the packages
 * that the documents name are installed, and run one after the other.
 *
 * A block goes into the file that the line before it names; otherwise `js` and `ts` are run, as a program if they import
 * something, else as the inside of one that has opened a store. `sh` is run line by line. Of `console`, what stands behind
 * `$ ` is run, and must print what follows. A block without a language is what the block before it printed.
 */

import { execFile } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { transform } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isShown, parsePage, parseTranscript, type Section } from './setup/doc-page.js'

const top = fileURLToPath(new URL('..', import.meta.url))
const manifest = JSON.parse(readFileSync(join(top, 'package.json'), 'utf8')) as {
  readonly bin?: Readonly<Record<string, string>>
  readonly scripts: Readonly<Record<string, string>>
}
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'examples/bot/README.md',
  ...readdirSync(join(top, 'docs')).map((name) => `docs/${name}`),
]

/** Blocks without a language that another test looks after: the page, and how they begin. */
const SHOWN: readonly (readonly [page: string, start: string])[] = [
  ['README.md', 'data\n├──'], // docs.test.ts draws the folder
  ['docs/format.md', 'data/\n'], // a picture
  ['docs/format.md', '00000000  '], // docs.test.ts reads the journal
  ['docs/backup.md', '{"backup":1'], // a manifest
]

/** Nothing to run. */
const QUOTED = ['yaml', 'ini', 'dockerfile', 'text']

/** What a block without imports may use. */
const PRELUDE = `import { openStorage } from 'plainkeep'
const storage = await openStorage('./data')
const workspace = storage.workspace()
const context = workspace.plugin('acme/weather')
const [scope, weather] = [context.storage, context]
`

let root: string

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'plainkeep-docs-'))
  const modules = join(root, 'node_modules')
  mkdirSync(modules)
  symlinkSync(top, join(modules, 'plainkeep'))
  for (const name of readdirSync(join(top, 'node_modules')).filter((each) => !each.startsWith('.')))
    symlinkSync(join(top, 'node_modules', name), join(modules, name))
  writeFileSync(
    join(root, 'gitconfig'),
    '[user]\n  name = Ada\n  email = ada@example.org\n[init]\n  defaultBranch = main\n',
  )
  const bin = join(root, 'bin')
  mkdirSync(bin)
  const addCommand = (name: string, text: string): void =>
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  const scripts = ['install', 'ci', 'run', ...Object.keys(manifest.scripts)].join('|')
  addCommand('npm', `case "$1" in ${scripts}) ;; *) echo "There is no script $1" >&2; exit 1;; esac`)
  addCommand('npx', `exec node ${top}node_modules/$1/$1.mjs "$2" "$3"`)
  for (const [name, path] of Object.entries(manifest.bin ?? {}))
    addCommand(name, `exec node ${join(top, path)} "$@"`)
})

afterAll(() => rmSync(root, { recursive: true, force: true }))

const runFile = promisify(execFile)

/** What a program prints; standard output and errors of a failure are in its message. */
async function run(program: string, args: readonly string[], cwd: string): Promise<string> {
  const PATH = [join(root, 'bin'), dirname(process.execPath), process.env.PATH].join(delimiter)
  const { PLAINKEEP_DATA: _, PLAINKEEP_STORE: __, ...env } = process.env
  const own = {
    PATH,
    NODE_OPTIONS: '',
    GIT_CONFIG_GLOBAL: join(root, 'gitconfig'),
    HOME: root,
    NO_COLOR: '1',
  }
  const running = runFile(program, args, { cwd, env: { ...env, ...own }, timeout: 60_000 })
  running.child.stdin?.end()
  return (await running).stdout
}

/** Runs the blocks of a section in a folder of its own. */
async function runSection(page: string, { heading, blocks }: Section): Promise<void> {
  const folder = join(root, `${page} ${heading}`.replaceAll(/\W+/g, '-'))
  mkdirSync(folder)
  symlinkSync(join(top, 'examples'), join(folder, 'examples'))
  let printed = ''
  for (const { language, text, path, line } of blocks) {
    const place = `${page}:${line}`
    if (language === '') {
      const isElsewhere = SHOWN.some(([where, start]) => where === page && text.startsWith(start))
      if (!isElsewhere)
        expect(isShown(printed, text), `${place} shows what is printed: ${printed}`).toBe(true)
    } else if (path !== undefined) put(join(folder, path), text)
    else if (language === 'js' || language === 'ts')
      printed = await runProgram(folder, `block-${line}.mjs`, text)
    else if (language === 'sh') printed = await run('sh', ['-ec', text], folder)
    else if (language === 'console') await runTranscript(folder, text, place)
    else if (language === 'json') JSON.parse(text)
    else expect(QUOTED, place).toContain(language)
  }
}

function put(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

async function runProgram(folder: string, name: string, text: string): Promise<string> {
  const isProgram = /^import /m.test(text)
  const program = isProgram ? text : `${PRELUDE}{\n${text}}\nawait storage.close()\n`
  const { code } = await transform(program, { loader: 'ts', format: 'esm', target: 'node20' })
  writeFileSync(join(folder, name), code)
  return run(process.execPath, [name], folder)
}

async function runTranscript(folder: string, text: string, place: string): Promise<void> {
  const commands = parseTranscript(text)
  const mark = '-- the end of a command --'
  const script = commands.map(({ command }) => `${command}\necho '${mark}'`).join('\n')
  const printed = (await run('sh', ['-c', `exec 2>&1\n${script}`], folder)).split(`${mark}\n`)
  for (const [index, { command, output }] of commands.entries())
    expect(isShown(printed[index] as string, output), `${place}: ${command} prints ${printed[index]}`).toBe(
      true,
    )
}

describe.each(pages)('%s', (page) => {
  const sections = parsePage(readFileSync(join(top, page), 'utf8'))
  if (sections.length === 0) return test('has no blocks', () => undefined)
  test.concurrent.each(sections.map((section) => [section.heading, section] as const))(
    'what stands under "%s" runs',
    (_, section) => runSection(page, section),
    120_000,
  )
})

describe('a page is read as a reader does', () => {
  const PAGE = `# A
\`\`\`sh
ls
\`\`\`
## B
Put this into \`b.mjs\` and run \`node b.mjs\`:

\`\`\`js
b()
\`\`\`
It prints:

\`\`\`
b
\`\`\`
`

  test('in sections, with files', () => {
    expect(parsePage(PAGE)).toEqual([
      { heading: 'A', blocks: [{ language: 'sh', text: 'ls\n', line: 2, path: undefined }] },
      {
        heading: 'B',
        blocks: [
          { language: 'js', text: 'b()\n', line: 8, path: 'b.mjs' },
          { language: '', text: 'b\n', line: 13, path: undefined },
        ],
      },
    ])
  })

  test('a transcript is commands and what they print', () => {
    expect(parseTranscript('$ a b\nc\nd\n$ e\n$ f\n1\n')).toEqual([
      { command: 'a b', output: 'c\nd\n' },
      { command: 'e', output: '' },
      { command: 'f', output: '1\n' },
    ])
    expect(isShown('a 12 (b)\n', 'a … (b)\n')).toBe(true)
    expect(isShown('a 12 (c)\n', 'a … (b)\n')).toBe(false)
  })

  test('what fails, or prints something else, is told', async () => {
    const section = (language: string, text: string): Section => ({
      heading: `wrong ${language}${text.length}`,
      blocks: [{ language, text, line: 1, path: undefined }],
    })
    await expect(runSection('x', section('js', 'nothing.here()\n'))).rejects.toThrow('not defined')
    await expect(runSection('x', section('sh', 'false\necho later\n'))).rejects.toThrow('failed')
    await expect(runSection('x', section('console', '$ echo 1\n2\n'))).rejects.toThrow('echo 1')
    await expect(runSection('x', section('', 'something\n'))).rejects.toThrow('printed')
    await expect(runSection('x', section('rust', 'fn\n'))).rejects.toThrow()
  })
})
