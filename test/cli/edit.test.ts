/** plainkeep edit: with editors that are scripts. */

import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { openStorage } from '../../lib/index.js'
import { type Ended, Place } from './run.js'

/** A store with one value, and an editor made of a script, which is given the file as `$1`. */
async function edit(value: string | Uint8Array | undefined, script: string, key = 'key'): Promise<Edited> {
  const place = new Place()
  const storage = await openStorage(place.store)
  if (value !== undefined) await storage.workspace().shared.set(key, value)
  const before = (await storage.workspace().shared.entry(key))?.version
  await storage.close()
  const editor = place.write('editor', `#!/bin/sh\n${script}\n`, 0o755)
  const ended = place.sh(`plainkeep edit shared ${key}`, { EDITOR: editor, VISUAL: '' })
  const again = await openStorage(place.store)
  const found = await again.workspace().shared.entry(key)
  await again.close()
  const draft = /What you wrote is in (.*)\n/.exec(ended.err)?.[1]
  const kept = draft === undefined ? undefined : readFileSync(draft, 'utf8')
  if (draft !== undefined) place.sh(`rm -r "$(dirname "${draft}")"`)
  const text = found === undefined ? undefined : Buffer.from(found.value).toString()
  return { ...ended, value: text, isSame: found?.version === before, kept }
}

interface Edited extends Ended {
  readonly value: string | undefined
  readonly isSame: boolean
  /** What the draft holds that was left. */
  readonly kept: string | undefined
}

test('what is saved is written back, and the copy is gone', async () => {
  const edited = await edit('one', 'printf two > "$1"; echo "$1" > path')
  expect(edited).toMatchObject({ code: 0, out: '', err: '', value: 'two', isSame: false, kept: undefined })
})

test('the copy is for its owner alone, named after the key, and gone afterwards', async () => {
  const edited = await edit('{"a":1}', 'stat -c "%a %n" "$1" "$(dirname "$1")" > look; cat look >&2')
  const [file = '', folder = ''] = edited.err.split('\n')
  expect(file).toMatch(/^600 \/.*\/plainkeep-\w+\/key\.json$/)
  expect(folder).toMatch(/^700 /)
  expect(existsSync(folder.slice(4))).toBe(false)
  expect(edited).toMatchObject({ code: 0, isSame: true })
  expect(edited.err).toContain('Nothing was changed.')
})

test('a line break that the editor adds at the end is not added to a value that had none', async () => {
  expect(await edit('one', 'printf "two\\n" > "$1"')).toMatchObject({ value: 'two' })
  expect(await edit('one', 'printf "one\\n" > "$1"')).toMatchObject({ isSame: true })
  expect(await edit('one\n', 'printf "two\\n" > "$1"')).toMatchObject({ value: 'two\n' })
  expect(await edit('one\n', 'printf "two" > "$1"')).toMatchObject({ value: 'two' })
})

test('a value that was JSON must be JSON still; what was written is kept', async () => {
  const edited = await edit('{"a":1}', 'printf "{\\"a\\":" > "$1"')
  expect(edited).toMatchObject({ code: 8, value: '{"a":1}', isSame: true, kept: '{"a":' })
  expect(edited.err).toContain('is none any more')
  expect(await edit('no JSON', 'printf "{" > "$1"')).toMatchObject({ code: 0, value: '{' })
})

test('a key that somebody else has changed meanwhile keeps that value; what was written is kept', async () => {
  const edited = await edit('one', 'printf mine > "$1"; plainkeep set shared key theirs')
  expect(edited).toMatchObject({ code: 4, value: 'theirs', kept: 'mine' })
  const made = await edit(undefined, 'printf mine > "$1"; plainkeep set shared key theirs')
  expect(made).toMatchObject({ code: 4, value: 'theirs', kept: 'mine' })
})

test('a missing key is made, one that is left empty as well', async () => {
  expect(await edit(undefined, 'printf "new\\n" > "$1"')).toMatchObject({ code: 0, value: 'new\n' })
})

test('an editor that fails changes nothing', async () => {
  expect(await edit('one', 'printf two > "$1"; exit 3')).toMatchObject({ code: 1, value: 'one', kept: 'two' })
})

test('a value that is no text is left to get and set', async () => {
  expect(await edit(Buffer.from([255]), 'printf two > "$1"')).toMatchObject({ code: 8, isSame: true })
})

test.skipIf(process.platform !== 'linux')(
  'on a terminal it asks whether to edit again what is no JSON',
  async () => {
    const place = new Place()
    const storage = await openStorage(place.store)
    await storage.workspace().shared.set('key', '{"a":1}')
    await storage.close()
    const script = 'if [ -e once ]; then printf "{}" > "$1"; else touch once; printf "{" > "$1"; fi'
    const editor = place.write('editor', `#!/bin/sh\n${script}\n`, 0o755)
    const shown = place.sh(`(sleep 1; echo y; sleep 1) | script -qec 'plainkeep edit shared key' /dev/null`, {
      ...{ EDITOR: editor, VISUAL: '', SHELL: '/bin/sh' },
    })
    expect(shown.out).toContain('Edit it again? [Y/n]')
    expect((await place.call(['get', 'shared', 'key'])).out).toBe('{}')
  },
)
