/** The tables of docs/cli.md are complete, and the examples of every command's help can be run. */

import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { COMMANDS } from '../../lib/cli/commands.js'
import { EXIT_CODES } from '../../lib/cli/exit.js'
import { openStorage, type Scope, type Storage } from '../../lib/index.js'
import { Place } from './run.js'

const page = readFileSync('docs/cli.md', 'utf8')
const isLong = process.env.PLAINKEEP_LONG !== undefined

/** The cells of the rows of the table with such a heading. */
function rowsOf(heading: string): string[][] {
  const start = page.indexOf(`\n${heading}\n`)
  const [, , ...rows] =
    page
      .slice(start + 1)
      .split('\n\n', 1)[0]
      ?.split('\n') ?? []
  return rows.map((row) => row.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '')))
}

test('every command is in the table of documents for programs, but for those that print none', () => {
  const listed = new Set(
    rowsOf('| command | document |').flatMap(([cell = '']) => cell.match(/[a-z]+/g) ?? []),
  )
  const names = COMMANDS.filter(({ summary }) => summary !== '').map(({ name }) => name)
  expect([...listed].sort()).toEqual(names.filter((name) => !['completion', 'edit'].includes(name)).sort())
})

test('every exit code is in the table, with the kind of error it stands for', () => {
  const rows = [...page.matchAll(/^\| (\d) \| (\w+) \|/gm)].map(([, code, kind]) => [kind, Number(code)])
  expect(rows).toEqual(Object.entries(EXIT_CODES).filter(([kind]) => kind !== 'done' && kind !== 'no'))
})

describe.runIf(isLong)('the examples of the help', () => {
  /** Those that name folders of the system, do not end, or are for another shell than the one here, are not run. */
  const isRun = (line: string): boolean => !/[ "]\/|plainkeep watch|completion zsh\)/.test(line)

  const pluginOf =
    (storage: Storage) =>
    (id: string): Scope =>
      storage.workspace().plugin(id).storage

  test.each(COMMANDS.filter(({ summary }) => summary !== ''))(
    'of $name run',
    async ({ load }) => {
      const place = new Place()
      const command = (await load())({} as never, { entries: COMMANDS, program: new Command() })
      let help = ''
      command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp()
      const lines = help.split('Examples:\n')[1]?.trim().split('\n') ?? []
      expect(lines.length).toBeGreaterThan(0)
      const storage = await openStorage(place.store)
      for (const scope of [
        storage.workspace().shared,
        ...['acme/weather', 'old/plugin'].map(pluginOf(storage)),
      ])
        for (const key of ['config', 'motd', 'lastCity', 'settings', 'logo', 'cache_1'])
          await scope.set(key, { city: 'Bern' })
      await storage.backup(`${place.folder}/backup.tar`)
      await storage.close()
      place.sh('mkdir -p .config/fish/completions')
      place.write('config.json', '{}')
      for (const program of ['jq', 'code']) place.write(`.bin/${program}`, '#!/bin/sh\nexec true\n', 0o755)
      for (const line of lines.filter(isRun)) {
        place.write('line', `${line}\n`)
        const { code, err } = place.sh('bash -o pipefail line')
        expect({ line, code, err: err.replace('Nothing was changed.\n', '') }).toEqual({
          line,
          code: 0,
          err: '',
        })
      }
    },
    120_000,
  )
})
