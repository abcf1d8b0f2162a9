/** What docs/backup.md says of an archive; its examples run with those of all documents. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openStorage } from '../../lib/index.js'

const page = readFileSync('docs/backup.md', 'utf8')

test('an archive is laid out, and its manifest written, as docs/backup.md says', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'plainkeep-docs-'))
  const tar = (...args: string[]): string =>
    execFileSync('tar', args, { cwd: folder, encoding: 'utf8' }).trimEnd()
  const storage = await openStorage(join(folder, 'store'))
  await storage.workspace().shared.set('motd', 'hello')
  await storage.backup(join(folder, 'backup.tar'))
  await storage.close()
  const named = [...page.matchAll(/^\| (`\S+`.*?) \|/gm)].flatMap(([, cell]) =>
    [...(cell as string).matchAll(/`([^`]+)`/g)].map(([, path]) => path),
  )
  expect(tar('tf', 'backup.tar').split('\n')).toEqual(named)
  const [, shown] = /^```text\n(.*?)\n```$/ms.exec(page) ?? []
  const steady = (text = ''): string => text.replace(/"createdAt":"[^"]*"/, '"createdAt":"…"')
  expect(steady(tar('xOf', 'backup.tar', '.plainkeep/manifest.jsonl'))).toBe(steady(shown))
  rmSync(folder, { recursive: true })
})
