/** The mutations fit the library as it is, and the documentation lists them all. */

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { FLUSHES, RULES, TESTS } from './mutations.js'

const page = readFileSync('docs/durability.md', 'utf8')

test.each([...FLUSHES, ...RULES])(
  'the texts of a mutation stand once in their files: $name',
  ({ and = [], ...first }) => {
    for (const { file, from, to } of [first, ...and]) {
      expect(readFileSync(`lib/${file}`, 'utf8').split(from)).toHaveLength(2)
      expect(to).not.toBe(from)
    }
  },
)

test.each([...FLUSHES, ...RULES])(
  'the documentation says which test notices it: $name',
  ({ name, test: noticing }) => {
    expect(page).toContain(`| ${name} | \`${TESTS[noticing].replace(/^test\//, '')}\` |`)
  },
)

test('every flush that the library asks for has a mutation', () => {
  const calls =
    /\.(?:syncFolder|syncFile)\(|\.sync\(\)|sync: true|, sync \}|sync: isLarge|[^.]sync(?:Scope|Large)\w+\(|flush\(this|fdatasyncSync\(/g
  const files = ['checkpoint', 'claim', 'commit', 'journal', 'own', 'prepare', 'publish', 'recover', 'stage']
  const paths = [...files.map((name) => `commit/${name}.ts`), 'disk/node-disk.ts', 'disk/opened-file.ts']
  for (const path of paths) {
    const text = readFileSync(`lib/${path}`, 'utf8')
      .replace(/\/\*\*[\s\S]*?\*\//g, '')
      .replace(/^(?:import|export|async function|function).*$/gm, '')
    const asked = text.match(calls) ?? []
    const removed = FLUSHES.filter(({ file }) => file === path).flatMap(({ from }) => from.match(calls) ?? [])
    expect([path, asked.length, removed.length]).toEqual([path, asked.length, asked.length])
  }
})
