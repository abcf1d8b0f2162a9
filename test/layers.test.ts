/** The sources of the library keep its rules, and each rule is seen to refuse a sample that breaks it. */

import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parseSources, type Source, type Texts } from './setup/source.js'
import {
  findBareExports,
  findBareMembers,
  findConsole,
  findCycles,
  findDiskImports,
  findLongFiles,
  findLongFunctions,
  findLongMedian,
  findRefusedSyntax,
  findUpwardImports,
  findVagueNames,
} from './setup/source-rules.js'

interface Samples {
  /** Each breaks the rule once. */
  readonly refuses: Readonly<Record<string, Texts>>
  /** Each keeps it, though barely. */
  readonly accepts?: Readonly<Record<string, Texts>>
}

const library = parseSources(
  Object.fromEntries(
    readdirSync('lib', { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .map((path) => [path.replaceAll('\\', '/'), readFileSync(`lib/${path}`, 'utf8')]),
  ),
)

/** Tests a rule on the library, and on samples that what finds its violations does find them. */
function rule(sentence: string, find: (sources: readonly Source[]) => string[], samples: Samples): void {
  test(sentence, () => expect(find(library)).toEqual([]))
  test.each(Object.entries(samples.refuses))(`${sentence}: refused is %s`, (_, texts) => {
    expect(find(parseSources(texts))).toHaveLength(1)
  })
  test.each(Object.entries(samples.accepts ?? {}))(`${sentence}: accepted is %s`, (_, texts) => {
    expect(find(parseSources(texts))).toEqual([])
  })
}

const lines = (count: number): string => 'void 0\n'.repeat(count)
const functions = (count: number, length: number): string =>
  `function f() {\n${lines(length - 2)}}\n`.repeat(count)

test('the rules are read off the whole library', () => {
  expect(library.map(({ path }) => path)).toEqual(expect.arrayContaining(['index.ts', 'base/errors.ts']))
})

rule('a file imports its own folder and folders below, never above', findUpwardImports, {
  refuses: {
    'an import of a layer above': { 'base/key.ts': `import { layout } from '../disk/layout.js'` },
    'an import of a type from above': { 'disk/disk.ts': `import type { Commit } from '../commit/commit.js'` },
    'a re-export from above': { 'commit/commit.ts': `export * from '../store/scope.js'` },
    'a dynamic import of the index': { 'store/scope.ts': `await import('../index.js')` },
    'an import type from above': { 'base/limits.ts': `type A = typeof import('../store/scope.js')` },
    'values that know the disk': { 'values/codec.ts': `import '../disk/disk.js'` },
    'values that know commits': { 'values/codec.ts': `import '../commit/engine.js'` },
    'an adapter that looks behind the index': { 'adapters/keyv.ts': `import '../store/scope.js'` },
    'a command that opens a store by itself': { 'cli/main.ts': `import '../open.js'` },
    'a test suite that uses an adapter': { 'testing/conformance.ts': `import '../adapters/keyv.js'` },
    'an index that shows a command': { 'index.ts': `export * from './cli/main.js'` },
    'a folder that is no layer': { 'extra/thing.ts': '' },
  },
  accepts: {
    'the index above an adapter': { 'adapters/keyv.ts': `import { openStorage } from '../index.js'` },
    'values on top of the store': {
      'values/codec.ts': `import '../store/scope.js'\nimport '../base/errors.js'`,
    },
    'a layer far below': { 'store/scope.ts': `import '../base/key.js'` },
    'its own folder': { 'commit/commit.ts': `import './stage.js'` },
    'a package': { 'testing/memory.ts': `import { Volume } from 'memfs'` },
    'a path in a comment': { 'base/key.ts': `// import '../disk/layout.js'` },
  },
})

rule('no file imports itself by way of others', findCycles, {
  refuses: {
    'a file that imports itself': { 'base/a.ts': `import './a.js'` },
    'a circle that others lead to': {
      'base/a.ts': `import './b.js'`,
      'base/b.ts': `import './b.js'`,
    },
  },
  accepts: {
    'two ways to one file': {
      'base/a.ts': `import './b.js'\nimport './c.js'`,
      'base/b.ts': `import './c.js'`,
      'base/c.ts': '',
    },
  },
})

test('every file of a circle of imports is named, even where only types go round', () => {
  const circle = {
    'base/a.ts': `import './b.js'`,
    'base/b.ts': `import type { C } from './c.js'`,
    'base/c.ts': `export * from './a.js'`,
  }
  expect(findCycles(parseSources(circle))).toHaveLength(3)
})

rule('only disk/ imports the file system and the lock', findDiskImports, {
  refuses: {
    'node:fs in the store': { 'store/read.ts': `import { readFile } from 'node:fs'` },
    'its types in a commit': { 'commit/stage.ts': `import type { Stats } from 'node:fs'` },
    'its types in a signature': { 'open.ts': `export type Fs = typeof import('node:fs')` },
    'its promises in the index': { 'index.ts': `import fs from 'node:fs/promises'` },
    'its old name': { 'base/key.ts': `import * as fs from 'fs'` },
    'a dynamic import': { 'cli/main.ts': `await import('node:fs')` },
    'the replacing of files in the store': { 'store/backup.ts': `await import('write-file-atomic')` },
    'the lock in a commit': { 'commit/claim.ts': `import lockfile from 'proper-lockfile'` },
  },
  accepts: {
    'disk/': { 'disk/disk.ts': `import 'node:fs'\nimport 'proper-lockfile'` },
    'the file of the command line for the files of people': { 'cli/files.ts': `import 'node:fs/promises'` },
    'other modules of Node': { 'commit/record.ts': `import { crc32 } from 'node:zlib'` },
  },
})

rule('a docstring explains every export', findBareExports, {
  refuses: {
    'a bare function': { 'a.ts': 'export function f() {}' },
    'a bare class': { 'a.ts': 'export class A {}' },
    'a bare interface': { 'a.ts': 'export interface A {}' },
    'a bare type': { 'a.ts': 'export type A = string' },
    'a bare constant': { 'a.ts': 'export const a = 1' },
    'a line comment in its place': { 'a.ts': '// The first letter.\nexport const a = 1' },
    'the docstring of the file in its place': { 'a.ts': '/** Letters. */\n\nexport const a = 1' },
    'the docstring of its neighbour': { 'a.ts': '/** One. */\nexport const a = 1\nexport const b = 2' },
    'a name exported apart from its declaration': { 'a.ts': 'const a = 1\nexport { a }' },
  },
  accepts: {
    'a docstring': { 'a.ts': '/** One. */\nexport const a = 1' },
    'a remark for a tool between': {
      'a.ts': '/** One. */\n// biome-ignore lint: sample\nexport const a = 1',
    },
    'overloads that share one': {
      'a.ts':
        '/** F. */\nexport function f(a: 1): 1\nexport function f(a: 2): 2\nexport function f(a: 1 | 2) { return a }',
    },
    'a re-export': { 'a.ts': `export { b } from './b.js'` },
  },
})

rule('a docstring explains every public member of an exported class', findBareMembers, {
  refuses: {
    'a bare method': { 'a.ts': 'export class A { get() {} }' },
    'a bare field': { 'a.ts': 'export class A { readonly key = 1 }' },
    'a bare static method': { 'a.ts': 'export class A { static open() {} }' },
    'a method of an interface that is bare as well': {
      'a.ts': 'export class A implements B { get() {} }',
      'b.ts': 'export interface B { get(): void }',
    },
  },
  accepts: {
    'what is documented': { 'a.ts': 'export class A { /** The key. */ readonly key = 1 }' },
    'what is private, inherited or well known': {
      'a.ts':
        'export class A extends B { #a = 1; private b = 2; override c = 3; constructor() { super() }; [Symbol.iterator]() {} }',
    },
    'what an interface explains': {
      'a.ts': 'export class A implements B { get() {} }',
      'b.ts': 'export interface B { /** Reads. */ get(): void }',
    },
    'a class of its own file': { 'a.ts': 'class A { get() {} }' },
  },
})

rule('a file has at most 400 lines', findLongFiles, {
  refuses: { 'line 401': { 'a.ts': lines(401) } },
  accepts: { 'line 400': { 'a.ts': lines(400) } },
})

rule('half of the files have fewer than 200 lines', findLongMedian, {
  refuses: { 'two long files of three': { 'a.ts': lines(300), 'b.ts': lines(10), 'c.ts': lines(250) } },
  accepts: { 'one long file of three': { 'a.ts': lines(300), 'b.ts': lines(10), 'c.ts': lines(199) } },
})

rule('nine functions in ten have at most 40 lines', findLongFunctions, {
  refuses: {
    'a long one among eight': { 'a.ts': functions(8, 10) + functions(1, 41) },
    'a long method': { 'a.ts': `class A { m() {\n${lines(40)}} }` },
    'a long closure': { 'a.ts': `const f = () => {\n${lines(40)}}` },
  },
  accepts: { 'a long one among nine': { 'a.ts': functions(9, 40) + functions(1, 41) } },
})

rule('no name fits anything', findVagueNames, {
  refuses: {
    'a file called utils': { 'base/utils.ts': '' },
    'a folder called common': { 'disk/common/path.ts': '' },
    'a manager of something': { 'commit/lock-manager.ts': '' },
  },
  accepts: { 'a word that contains one': { 'base/database.ts': '', 'disk/information.ts': '' } },
})

rule('there are no default exports and no enums', findRefusedSyntax, {
  refuses: {
    'a default export': { 'a.ts': 'export default function f() {}' },
    'an enum': { 'a.ts': 'enum A { B }' },
    'a constant enum': { 'a.ts': 'export const enum A { B }' },
  },
})

rule('only cli/ prints', findConsole, {
  refuses: {
    'a log line': { 'store/scope.ts': `console.log('set')` },
    'a console under another name': { 'base/key.ts': 'const { warn } = console' },
  },
  accepts: { 'a command that prints': { 'cli/main.ts': `console.log('all is well')` } },
})
