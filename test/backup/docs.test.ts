/** docs/backup.md says what is so. */

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const top = fileURLToPath(new URL('../..', import.meta.url))
const page = readFileSync(join(top, 'docs/backup.md'), 'utf8')

/** The fenced blocks of a language. */
const blocksOf = (language: string): string[] =>
  [...page.matchAll(/^```(\w*)\n(.*?)^```$/gms)].flatMap(([, found, text]) =>
    found === language ? [text as string] : [],
  )

test('the example runs as it stands, and the archive is unpacked, and is laid out, as the page says', () => {
  const folder = mkdtempSync(join(tmpdir(), 'plainkeep-docs-'))
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(top, join(folder, 'node_modules/plainkeep'))
  writeFileSync(join(folder, 'example.mjs'), blocksOf('js')[0] as string)
  const run = (command: string, ...args: string[]): string =>
    execFileSync(command, args, { cwd: folder, encoding: 'utf8' })
  const [printed, manifest] = [...blocksOf(''), ...blocksOf('text')]
  expect(run(process.execPath, 'example.mjs')).toBe(printed)
  expect(run('sh', '-c', blocksOf('sh')[0] as string)).toBe('hello')
  const lines = readFileSync(join(folder, 'copy/.plainkeep/manifest.jsonl'), 'utf8')
  const steady = (text = ''): string => text.replace(/"createdAt":"[^"]*"/, '"createdAt":"…"')
  expect(steady(lines)).toBe(steady(manifest))
  const named = [...page.matchAll(/^\| (`\S+`.*?) \|/gm)].flatMap(([, cell]) =>
    [...(cell as string).matchAll(/`([^`]+)`/g)].map(([, path]) => path),
  )
  expect(run('tar', 'tf', 'backup.tar').trim().split('\n')).toEqual(named)
  rmSync(folder, { recursive: true })
})
