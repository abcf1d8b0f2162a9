/** What is published: its files, its types, its entries in projects of others, and in bundles. */

import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build as buildByEsbuild } from 'esbuild'
import { publint } from 'publint'
import { build as buildByVite, parseSync } from 'vite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const top = fileURLToPath(new URL('..', import.meta.url))
const manifest = JSON.parse(readFileSync(join(top, 'package.json'), 'utf8')) as Manifest

interface Manifest {
  readonly version: string
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>
  readonly bin?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

/** What each entry needs besides the dependencies. */
const PEERS: Readonly<Record<string, readonly string[]>> = {
  '.': [],
  './testing': ['memfs'],
  './keyv': ['keyv'],
  './unstorage': ['unstorage'],
}

/** A program that uses each entry; it says `good` if that works. */
const PROGRAMS: Readonly<Record<string, string>> = {
  '.': `import { openStorage } from 'plainkeep'
const storage = await openStorage('./data')
await storage.workspace().plugin('p').setStorage('said', 'good')
console.log(await storage.workspace().plugin('p').getStorage('said'))
await storage.close()
`,
  './testing': `import { createMemoryStorage } from 'plainkeep/testing'
const storage = await createMemoryStorage()
await storage.workspace().shared.set('said', 'good')
console.log(await storage.workspace().shared.get('said', 'text'))
await storage.close()
`,
  './keyv': `import Keyv from 'keyv'
import { openStorage } from 'plainkeep'
import { KeyvScope } from 'plainkeep/keyv'
const storage = await openStorage('./data')
const keyv = new Keyv({ store: new KeyvScope(storage.workspace().shared) })
await keyv.set('said', 'good')
console.log(await keyv.get('said'))
await storage.close()
`,
  './unstorage': `import { plainkeepDriver } from 'plainkeep/unstorage'
import { createStorage } from 'unstorage'
const storage = createStorage({ driver: plainkeepDriver({ path: './data' }) })
await storage.setItem('said', 'good')
console.log(await storage.getItem('said'))
await storage.dispose()
`,
}

let folder: string
let tarball: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'plainkeep-package-'))
  const source = join(folder, 'source')
  mkdirSync(source)
  for (const name of ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'docs'])
    cpSync(join(top, name), join(source, name), { recursive: true })
  const compiler = join(top, 'node_modules/typescript/bin/tsc')
  execFileSync(process.execPath, [compiler, '-p', top, '--outDir', join(source, 'dist')], {
    stdio: 'inherit',
  })
  const options = ['--json', '--ignore-scripts', '--pack-destination', folder]
  const [packed] = JSON.parse(run('npm', ['pack', ...options], source)) as { filename: string }[]
  tarball = join(folder, packed?.filename as string)
}, 120_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function run(program: string, args: readonly string[], cwd: string): string {
  try {
    return execFileSync(program, args, { cwd, encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } })
  } catch (error) {
    throw new Error(`${program} ${args.join(' ')} fails: ${(error as { stdout: string }).stdout}`)
  }
}

/** An empty project with the packed package and these packages, copied from where this repository has them. */
function makeProject(name: string, packages: readonly string[]): string {
  const project = join(folder, name)
  const own = join(project, 'node_modules/plainkeep')
  mkdirSync(own, { recursive: true })
  writeFileSync(join(project, 'package.json'), '{"private":true,"type":"module"}')
  run('tar', ['-xzf', tarball, '--strip-components=1', '-C', own], project)
  copyPackages(join(project, 'node_modules'), [...Object.keys(manifest.dependencies ?? {}), ...packages])
  return project
}

/** Packages with all that they depend on. What npm nested in a package comes with it. */
function copyPackages(target: string, names: readonly string[]): void {
  for (const name of names) {
    if (existsSync(join(target, name))) continue
    const source = join(top, 'node_modules', name)
    cpSync(source, join(target, name), { recursive: true })
    const { dependencies = {} } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8')) as Manifest
    const isNested = (dependency: string): boolean => existsSync(join(source, 'node_modules', dependency))
    copyPackages(
      target,
      Object.keys(dependencies).filter((dependency) => !isNested(dependency)),
    )
  }
}

test('what the README links to is packed, but for sources and tests', () => {
  const links = [...readFileSync(join(top, 'README.md'), 'utf8').matchAll(/\]\((\w[^):#]*)/g)]
  const paths = links.map(([, path]) => path as string).filter((path) => path.startsWith('docs/'))
  const packed = run('tar', ['-tzf', tarball], folder).split('\n')
  expect(paths.length).toBeGreaterThan(5)
  expect(paths.filter((path) => !packed.includes(`package/${path}`))).toEqual([])
})

test('publint finds nothing to complain of', async () => {
  const bytes = Uint8Array.from(readFileSync(tarball)).buffer
  const { messages } = await publint({ pack: { tarball: bytes }, strict: true })
  expect(messages).toEqual([])
})

test('the types of every entry are found by every way of resolving that knows ES modules', () => {
  const attw = join(top, 'node_modules/@arethetypeswrong/cli/dist/index.js')
  const args = [attw, tarball, '--profile', 'esm-only', '--format', 'json']
  const { analysis } = JSON.parse(run(process.execPath, args, folder)) as Analysis
  expect(Object.keys(analysis.entrypoints)).toEqual(expect.arrayContaining(Object.keys(PEERS)))
})

interface Analysis {
  readonly analysis: { readonly entrypoints: object }
}

describe('what an entry imports, however far away', () => {
  const dist = (): string => join(folder, 'source/dist')

  /** The packages that a file of the built library imports, itself or by the files that it imports. */
  function packagesOf(path: string, seen = new Set<string>()): Set<string> {
    if (seen.has(path)) return new Set()
    seen.add(path)
    const found = new Set<string>()
    for (const name of importsOf(readFileSync(join(dist(), path), 'utf8'))) {
      if (!name.startsWith('.')) found.add(name)
      else for (const far of packagesOf(posix.join(posix.dirname(path), name), seen)) found.add(far)
    }
    return found
  }

  const isPackage = (name: string): boolean => !name.startsWith('node:')

  const entries = Object.entries(manifest.exports).flatMap(([entry, target]) =>
    typeof target === 'string' ? [] : [[entry, target.default.replace('./dist/', '')] as const],
  )

  test('every entry is known here', () => {
    expect(entries.map(([entry]) => entry)).toEqual(Object.keys(PEERS))
  })

  test.each(entries)('%s imports dependencies and its own peers, and nothing else', (entry, path) => {
    const imported = [...packagesOf(path)].filter(isPackage)
    const allowed = [...Object.keys(manifest.dependencies ?? {}), ...(PEERS[entry] ?? [])]
    expect(imported.filter((name) => !allowed.includes(name))).toEqual([])
    expect(imported).toContain('proper-lockfile') // the walk gets as far as the disk
  })

  test('an import is found wherever it stands', () => {
    const text = `import 'a'; import { x } from "b"; export * from 'c'; const y = await import('d')`
    expect(importsOf(text)).toEqual(['a', 'b', 'c', 'd'])
  })
})

/** What a module names to import, at once or later. */
function importsOf(text: string): string[] {
  const { module, errors } = parseSync('module.js', text)
  if (errors.length > 0) throw new Error(errors[0]?.message)
  const fixed = [...module.staticImports.map(({ moduleRequest }) => moduleRequest.value)]
  const exported = module.staticExports.flatMap(({ entries }) =>
    entries.flatMap(({ moduleRequest }) => moduleRequest?.value ?? []),
  )
  const later = module.dynamicImports.map(({ moduleRequest: { start, end } }) =>
    text.slice(start + 1, end - 1),
  )
  return [...new Set([...fixed, ...exported, ...later])]
}

describe('installed in an empty project', () => {
  test.each(Object.entries(PROGRAMS))('%s runs with its own peers and no others', (entry, program) => {
    const project = makeProject(`with-${entry.replaceAll(/\W/g, '') || 'main'}`, PEERS[entry] ?? [])
    writeFileSync(join(project, 'program.js'), program)
    expect(run(process.execPath, ['program.js'], project)).toBe('good\n')
    const installed = readdirSync(join(project, 'node_modules'))
    const foreign = Object.keys(manifest.peerDependencies ?? {}).filter(
      (peer) => !PEERS[entry]?.includes(peer),
    )
    expect(installed.filter((name) => foreign.includes(name))).toEqual([])
  })

  test('every entry has types that hold without the peers', () => {
    const project = makeProject('typed', ['@types/node'])
    const names = Object.keys(PEERS).map((entry) => `plainkeep${entry.slice(1)}`)
    const text = names.map((name, index) => `export * as entry${index} from '${name}'`).join('\n')
    writeFileSync(join(project, 'program.ts'), text)
    const compiler = join(top, 'node_modules/typescript/bin/tsc')
    const options = [
      '--strict',
      '--types',
      'node',
      '--noEmit',
      '--module',
      'nodenext',
      '--target',
      'es2023',
      '--lib',
      'es2023,esnext.disposable',
    ]
    run(process.execPath, [compiler, ...options, 'program.ts'], project)
  })

  test('without memfs plainkeep/testing says what is missing', () => {
    const project = makeProject('without-memfs', [])
    const program = `import { createMemoryStorage } from 'plainkeep/testing'
await createMemoryStorage().catch((error) => console.log(error.message))`
    writeFileSync(join(project, 'program.js'), program)
    expect(run(process.execPath, ['program.js'], project)).toContain("'memfs'")
  })
})

describe('bundled with all that it needs, and run where nothing is installed', () => {
  const PROGRAM = `import { openStorage } from 'plainkeep'
import { KeyvScope } from 'plainkeep/keyv'
async function main() {
  const storage = await openStorage('./data')
  const keyv = new KeyvScope(storage.workspace().shared)
  await keyv.set('said', 'good')
  console.log(await keyv.get('said'))
  await storage.close()
}
main()
`
  const REQUIRE = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`

  function prepare(name: string): { readonly project: string; readonly elsewhere: string } {
    const project = makeProject(name, [])
    writeFileSync(join(project, 'program.js'), PROGRAM)
    const elsewhere = join(folder, `${name}-elsewhere`)
    mkdirSync(elsewhere)
    return { project, elsewhere }
  }

  test.each([
    ['cjs', 'program.cjs', {}],
    ['esm', 'program.mjs', { banner: { js: REQUIRE } }],
  ] as const)('by esbuild, as %s', async (format, name, options) => {
    const { project, elsewhere } = prepare(`esbuild-${format}`)
    await buildByEsbuild({
      absWorkingDir: project,
      entryPoints: ['program.js'],
      outfile: join(elsewhere, name),
      bundle: true,
      platform: 'node',
      format,
      logLevel: 'silent',
      ...options,
    })
    expect(run(process.execPath, [name], elsewhere)).toBe('good\n')
  })

  test("by Vite's build for servers", async () => {
    const { project, elsewhere } = prepare('vite')
    await buildByVite({
      root: project,
      configFile: false,
      logLevel: 'silent',
      ssr: { noExternal: true },
      build: {
        ssr: 'program.js',
        outDir: elsewhere,
        emptyOutDir: true,
        rolldownOptions: { output: { format: 'esm', entryFileNames: 'program.mjs' } },
      },
    })
    expect(run(process.execPath, ['program.mjs'], elsewhere)).toBe('good\n')
  })
})

test.runIf(process.env.PLAINKEEP_LONG)(
  'npm itself installs the package and the peers of each entry',
  () => {
    for (const [entry, program] of Object.entries(PROGRAMS)) {
      const project = join(folder, `npm-${entry.replaceAll(/\W/g, '')}`)
      mkdirSync(project)
      writeFileSync(join(project, 'package.json'), '{"private":true,"type":"module"}')
      const peers = (PEERS[entry] ?? []).map((peer) => `${peer}@${manifest.peerDependencies?.[peer]}`)
      run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', tarball, ...peers], project)
      writeFileSync(join(project, 'program.js'), program)
      expect(run(process.execPath, ['program.js'], project)).toBe('good\n')
    }
  },
  300_000,
)
