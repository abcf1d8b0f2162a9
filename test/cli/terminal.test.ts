/** On a terminal: nothing in a key or a value moves the cursor; colours and bars only where they are wanted. */

import { Writable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { escapeLine, escapeValue } from '../../lib/cli/escape.js'
import { formatAge, formatBar, formatBytes, formatTable } from '../../lib/cli/format.js'
import { ProgressBar } from '../../lib/cli/progress.js'
import { Output } from '../../lib/cli/terminal.js'
import { openStorage } from '../../lib/index.js'
import { Place } from './run.js'

const ESCAPE = '\u001b'
const EVIL = `${ESCAPE}]0;title\u0007${ESCAPE}[31mred\u202e\u009b2J\r\u0000`
const SHOWN = '\\x1b]0;title\\x07\\x1b[31mred\\u{202e}\\x9b2J\\r\\x00'

/** Whether a text can do anything to a terminal but print; colours that are ours are taken off before. */
const isHarmless = (text: string): boolean => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours
  const plain = text.replaceAll(/\u001b\[(1|2|22|3[1236]|39)m/g, '')
  return !/[\p{Cc}\p{Cf}]/u.test(plain.replaceAll('\n', ''))
}

async function prepare(place: Place): Promise<void> {
  const storage = await openStorage(place.store)
  await storage.workspace().shared.set(EVIL, `${EVIL}\n\ttext\n`)
  await storage.workspace().shared.set('binary', Buffer.from([0, 27, 65, 255, 10]))
  await storage.workspace(EVIL).plugin(EVIL).storage.set('key', 'value')
  await storage.close()
}

test('what a program reads is untouched, what a person sees is harmless, whichever command prints it', async () => {
  const place = new Place()
  await prepare(place)
  const person = { isTerminal: true }
  expect((await place.call(['get', 'shared', EVIL])).out).toBe(`${EVIL}\n\ttext\n`)
  expect((await place.call(['get', 'shared', EVIL], person)).out).toBe(`${SHOWN}\n\ttext\n`)
  expect((await place.call(['get', 'shared', 'binary'], person)).out).toBe('\\x00\\x1bA\\xff\n')
  expect((await place.call(['ls', 'shared'])).out).toBe(`${EVIL}\nbinary\n`)
  expect((await place.call(['ls', 'shared'], person)).out).toBe(`${SHOWN}\nbinary\n`)
  expect((await place.call(['ls', '-0', 'shared'])).out).toBe(`${EVIL}\0binary\0`)
  const { out: json } = await place.call(['get', 'shared', EVIL, '--json'])
  expect(JSON.parse(json)).toMatchObject({ key: EVIL, text: `${EVIL}\n\ttext\n` })
  const lines = [
    ['ls'],
    ['ls', '--long'],
    ['ls', '--long', 'shared'],
    ['usage'],
    ['check'],
    ['ls', '--json'],
    ['ls', '--json', 'shared'],
    ['get', 'shared', EVIL, '--json'],
    ['usage', '--json'],
    ['path', 'shared', EVIL],
    ['key', `${place.store}/default/${EVIL}`],
    ['get', 'shared', `${EVIL}none`],
    ['get', EVIL],
    [EVIL],
    ['ls', `--${EVIL}`],
    ['ls', '--store', EVIL],
    ['restore', EVIL],
    ['set', 'shared', 'key', '--file', EVIL],
    ['rm', 'shared', EVIL, 'missing'],
    ['cp', 'shared', EVIL, 'shared', EVIL],
    ['init', `${place.folder}/${EVIL.replace('\0', '')}`],
  ]
  for (const words of lines) {
    const { out, err } = await place.call(words, { ...person, env: { PLAINKEEP_STORE: place.store } })
    expect(isHarmless(out) && isHarmless(err), JSON.stringify({ words, out, err })).toBe(true)
  }
})

describe.skipIf(process.platform !== 'linux')('on a real terminal', () => {
  test('a value is shown with controls escaped, colours are there, and not with NO_COLOR or on a dumb terminal', async () => {
    const place = new Place()
    const storage = await openStorage(place.store)
    await storage.workspace().shared.set('evil', `${ESCAPE}[2Jgone`)
    await storage.close()
    expect(place.onTerminal('plainkeep get shared evil')).toBe('\\x1b[2Jgone\n')
    expect(place.onTerminal('plainkeep get shared evil | cat')).toBe(`${ESCAPE}[2Jgone`)
    expect(place.onTerminal('plainkeep check')).toContain(`${ESCAPE}[32mThe store is sound.`)
    expect(place.onTerminal('plainkeep check', { NO_COLOR: '1' })).not.toContain(ESCAPE)
    expect(place.onTerminal('plainkeep check', { TERM: 'dumb' })).not.toContain(ESCAPE)
    expect(place.sh('plainkeep check').out).not.toContain(ESCAPE)
    expect(place.onTerminal('plainkeep set shared key')).toContain('There is no value: give one')
  })
})

describe('a bar', () => {
  /** What is drawn when so many milliseconds pass between updates. */
  async function draw(stepMs: number, isTTY = true): Promise<string> {
    let [text, nowMs] = ['', 0]
    const stream = new Writable({
      write: (chunk: Buffer, _, done) => {
        text += chunk.toString()
        done()
      },
    })
    const bar = new ProgressBar(new Output(Object.assign(stream, { isTTY, columns: 60 }), {}), () => nowMs)
    for (let step = 0; step <= 10; step += 1) {
      bar.update({ bytes: step * 1e6, totalBytes: 1e7, label: 'backup' })
      nowMs += stepMs
    }
    bar.end()
    await new Promise((resolve) => setImmediate(resolve))
    return text
  }

  test('is shown for what takes longer than a second, and taken away at the end', async () => {
    const text = await draw(300)
    expect(text).toContain('backup ')
    expect(text.split('\r').filter((part) => part.includes('%'))).toHaveLength(7)
    expect(text.endsWith(`\r${ESCAPE}[K`)).toBe(true)
    expect(Math.max(...text.split('\r').map((part) => part.length))).toBeLessThanOrEqual(63)
  })

  test('is not shown for what is quick, nor where nobody looks', async () => {
    expect(await draw(50)).toBe('')
    expect(await draw(300, false)).toBe('')
  })

  test('is drawn ten times a second at most', async () => {
    expect((await draw(150)).split('%').length - 1).toBe(4)
  })
})

test('texts are escaped so that they fill one line, and letters and emoji stay as they are', () => {
  expect(escapeLine(`a\nb\tc${EVIL}`)).toBe(`a\\nb\\tc${SHOWN}`)
  for (const text of ['naïve', '日本語', '👩‍👩‍👧', 'نمی‌خواهم', 'a b', '\\'])
    expect(escapeLine(text)).toBe(text)
  expect(escapeLine('\u2028\u2029\ufeff\u00ad\u{e0041}\ud800')).toBe(
    '\\u{2028}\\u{2029}\\u{feff}\\xad\\u{e0041}\\u{d800}',
  )
  expect(escapeValue(Buffer.from('a\n\tb\r\n'))).toBe('a\n\tb\\r\n')
  expect(escapeValue(Buffer.from([0xc3, 0x28, 0x0a]))).toBe('\\xc3(\n')
})

test('sizes, ages, bars and tables read well', () => {
  expect([0, 1023, 1024, 1536, 10_240, 1_048_575, 5 * 2 ** 40, 2 ** 60].map(formatBytes)).toEqual([
    ...['0 B', '1023 B', '1.0 KiB', '1.5 KiB', '10 KiB', '1.0 MiB', '5.0 TiB', '1048576 TiB'],
  ])
  expect([0, 59_000, 60_000, 7_200_000, 86_400_000 * 3, 86_400_000 * 800, -5000].map(formatAge)).toEqual([
    ...['0s', '59s', '1m', '2h', '3d', '2y', 'future'],
  ])
  expect([0, 0.5, 1, 2, 0.05].map((share) => formatBar(share, 4))).toEqual(['', '██', '████', '████', '▎'])
  const rows = [
    ['日本', '1', 'x'],
    ['a', '100', 'y'],
  ]
  expect(formatTable(rows, [1])).toEqual(['日本    1  x', 'a     100  y'])
  expect(formatTable([])).toEqual([])
})
