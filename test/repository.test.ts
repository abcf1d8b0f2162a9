/** The repository holds what a reader expects to find in it, and nothing else. */

import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'

const FOLDERS = ['.ci', 'bench', 'docs', 'examples', 'fixtures', 'lib', 'test']

const FILES = [
  '.editorconfig',
  '.gitattributes',
  '.gitignore',
  '.npmrc',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'LICENSE',
  'README.md',
  'SECURITY.md',
  'biome.json',
  'knip.json',
  'package-lock.json',
  'package.json',
  'tsconfig.json',
  'vitest.config.ts',
]

/** What stands at the top level where it should not, given the paths of all files. */
function findStrays(paths: readonly string[]): string[] {
  return paths.filter((path) => {
    const [top = '', ...rest] = path.split('/')
    return !(rest.length > 0 ? FOLDERS : FILES).includes(top)
  })
}

test('the top level holds the known folders and single files, and nothing else', () => {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'])
  expect(findStrays(listed.toString().split('\0').slice(0, -1))).toEqual([])
})

test('a stray file, a stray folder and a file named like a folder are found', () => {
  const strays = ['notes.md', 'src/index.ts', 'lib']
  expect(findStrays(['README.md', 'lib/index.ts', ...strays])).toEqual(strays)
})
