/** The example bot, driven as a person or a pipe drives it. */

import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sleep } from './watch/log.js'

const MAIN = fileURLToPath(new URL('../examples/bot/main.js', import.meta.url))

let folder: string
let bots: ChildProcessWithoutNullStreams[]

beforeEach(() => {
  // The space and the quote have to survive in the commands that the bot shows.
  folder = mkdtempSync(join(tmpdir(), "plainkeep bot's "))
  bots = []
})

afterEach(() => {
  for (const bot of bots) bot.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
})

function startBot(args: readonly string[] = [folder]): ChildProcessWithoutNullStreams {
  const { PLAINKEEP_DATA: _, ...env } = process.env
  const bot = spawn(process.execPath, [MAIN, ...args], { cwd: folder, env })
  bot.stdin.on('error', () => {}) // a bot that has ended reads no more
  bots.push(bot)
  return bot
}

interface Run {
  readonly answers: readonly string[]
  readonly errors: string
  readonly code: number | null
}

/** All that the bot does with an input, and how it ends. */
async function runBot(input: string, args?: readonly string[]): Promise<Run> {
  const bot = startBot(args)
  const texts = { answers: '', errors: '' }
  bot.stdout.setEncoding('utf8').on('data', (text: string) => (texts.answers += text))
  bot.stderr.setEncoding('utf8').on('data', (text: string) => (texts.errors += text))
  bot.stdin.end(input)
  const [code] = (await once(bot, 'close')) as [number | null]
  return { answers: texts.answers.split('\n').slice(0, -1), errors: texts.errors, code }
}

/** What the bot answers to an input; it has to end well and let the store go. */
async function answersTo(input: string): Promise<readonly string[]> {
  const { answers, errors, code } = await runBot(input)
  expect({ errors, code }).toEqual({ errors: '', code: 0 })
  expect(listWorkFolders()).toEqual([])
  return answers
}

interface Conversation {
  /** Writes a line, and waits for one line of answer. */
  ask(line: string): Promise<string | undefined>
  /** Waits for a line that begins so and that nobody asked for. */
  hear(beginning: string): Promise<string>
  /** Ends the input, or sends the signal, and gives the exit code. */
  end(signal?: NodeJS.Signals): Promise<number | null>
}

/** A bot whose input stays open. */
function converse(): Conversation {
  const bot = startBot()
  const closed = once(bot, 'close') as Promise<[number | null]>
  let isClosed = false
  void closed.then(() => {
    isClosed = true
  })
  const said: string[] = []
  const answers: string[] = []
  createInterface({ input: bot.stdout }).on('line', (line) =>
    (line.startsWith('* ') ? said : answers).push(line),
  )
  return {
    async ask(line) {
      bot.stdin.write(`${line}\n`)
      while (answers.length === 0 && !isClosed) await sleep(2)
      return answers.shift()
    },
    async hear(beginning) {
      for (;;) {
        const line = said.find((text) => text.startsWith(beginning))
        if (line !== undefined) return line
        await sleep(2)
      }
    },
    async end(signal) {
      if (signal === undefined) bot.stdin.end()
      else bot.kill(signal)
      return (await closed)[0]
    },
  }
}

function readKey(...path: readonly string[]): string {
  return readFileSync(join(folder, ...path), 'utf8')
}

/** The work folders that an owner has left behind. */
function listWorkFolders(): string[] {
  return readdirSync(join(folder, '.plainkeep')).filter((name) => name.startsWith('w'))
}

describe('preferences', () => {
  test('a preference is a file of the plugin that holds the value and nothing else', async () => {
    expect(await answersTo('setpref theme dark\ngetpref theme\n')).toEqual(['theme = dark', 'theme = dark'])
    expect(readKey('default', 'plugins', 'preferences', 'pref_theme')).toBe('dark')
  })

  test('a preference is there in the next run, and gone once deleted', async () => {
    await answersTo('setpref theme dark\nsetpref city New  York\n')
    expect(await answersTo('listprefs\ndelpref theme\nlistprefs\n')).toEqual([
      'city = New  York',
      'theme = dark',
      'theme is forgotten.',
      'city = New  York',
    ])
    expect(readdirSync(join(folder, 'default', 'plugins', 'preferences'))).toEqual(['pref_city'])
  })

  test('a value written by hand is read without the newline that an editor leaves', async () => {
    await answersTo('setpref theme dark\n')
    writeFileSync(join(folder, 'default', 'plugins', 'preferences', 'pref_theme'), 'light\n')
    expect(await answersTo('getpref theme\n')).toEqual(['theme = light'])
  })

  test('a missing preference is told kindly', async () => {
    expect(await answersTo('getpref nope\ndelpref nope\nlistprefs\n')).toEqual([
      'There is no preference "nope".',
      'There is no preference "nope".',
      'There are no preferences yet.',
    ])
  })
})

describe('globals', () => {
  test('a global is a file in the storage that the plugins share', async () => {
    expect(await answersTo('setglobal motd hello\ngetglobal motd\nlistglobals\ngetglobal nope\n')).toEqual([
      'motd = hello',
      'motd = hello',
      'motd = hello',
      'There is no global "nope".',
    ])
    expect(readKey('default', 'shared', 'global_motd')).toBe('hello')
  })

  test('two bots at once on one folder see the globals of each other', async () => {
    const left = converse()
    const right = converse()
    expect(await left.ask('setglobal from_left 1')).toBe('from_left = 1')
    expect(await right.ask('getglobal from_left')).toBe('from_left = 1')
    expect(await right.ask('setglobal from_right 2')).toBe('from_right = 2')
    expect(await left.ask('getglobal from_right')).toBe('from_right = 2')
    expect(await right.ask('setglobal from_left 3')).toBe('from_left = 3')
    expect(await left.ask('getglobal from_left')).toBe('from_left = 3')
    expect(await Promise.all([left.end(), right.end()])).toEqual([0, 0])
    expect(listWorkFolders()).toEqual([])
  })
})

describe('the announcer', () => {
  /** Does it again and again, since a bot that has just begun may not listen yet. */
  async function untilHeard(bot: Conversation, line: string, change: () => unknown): Promise<void> {
    const heard = bot.hear(line)
    let isHeard = false
    void heard.then(() => {
      isHeard = true
    })
    while (!isHeard) {
      await change()
      await sleep(100)
    }
  }

  test('a global that another bot sets or deletes is announced, and what the bot does itself is not', async () => {
    const left = converse()
    const right = converse()
    await untilHeard(right, '* motd = hello, set by another bot', () => left.ask('setglobal motd hello'))
    expect(await right.ask('setglobal motd bye')).toBe('motd = bye')
    expect(await left.hear('* motd = bye')).toBe('* motd = bye, set by another bot')
    expect(await right.ask('getglobal motd')).toBe('motd = bye')
    await expect(Promise.race([right.hear('* motd = bye'), sleep(300)])).resolves.toBeUndefined()
    expect(await Promise.all([left.end(), right.end()])).toEqual([0, 0])
    expect(listWorkFolders()).toEqual([])
  })

  test.skipIf(process.platform === 'win32')(
    'a global that echo writes and rm removes is announced',
    async () => {
      const bot = converse()
      const shared = join(folder, 'default', 'shared')
      mkdirSync(shared, { recursive: true })
      const shell = (command: string): void => void execFileSync('sh', ['-c', command], { cwd: shared })
      await untilHeard(bot, '* motd = ', () => shell('echo from the second terminal > global_motd'))
      expect(await bot.hear('* motd = ')).toBe('* motd = from the second terminal, set by hand')
      shell('echo not a global > other; rm global_motd')
      expect(await bot.hear('* motd was')).toBe('* motd was deleted by hand')
      shell("printf '\\033[2J\\377' > global_evil") // it commands the terminal, and is no text
      expect(await bot.hear('* evil')).toBe('* evil = \\u{1b}[2J\ufffd, set by hand')
      await expect(Promise.race([bot.hear('* other'), sleep(200)])).resolves.toBeUndefined()
      expect(await bot.end()).toBe(0)
    },
  )
})

describe('the message counter', () => {
  test('every line with text counts, commands and others, over several runs', async () => {
    await answersTo('setpref theme dark\nhello\n\n   \n')
    expect(await answersTo('count\n/count\n')).toEqual(['Messages so far: 3', 'Messages so far: 4'])
    expect(JSON.parse(readKey('default', 'plugins', 'counter', 'message_count'))).toBe(4)
  })
})

describe('lines', () => {
  test('a command works with and without a slash, and the last line needs no newline', async () => {
    expect(await answersTo('/setpref theme dark\r\ngetpref theme\n/getpref theme')).toEqual(
      Array(3).fill('theme = dark'),
    )
  })

  test('lines are handled one after another', async () => {
    const lines = Array.from({ length: 30 }, (_, index) => [`setpref n ${index}`, 'getpref n', 'delpref n'])
    const answers = lines.flatMap((_, index) => [`n = ${index}`, `n = ${index}`, 'n is forgotten.'])
    expect(await answersTo(lines.flat().join('\n'))).toEqual(answers)
  })

  test('without input there is no answer', async () => {
    expect(await answersTo('')).toEqual([])
  })

  test('/quit ends the bot, with lines still waiting and the input still open', async () => {
    expect(await answersTo('setpref theme dark\n/quit\nsetpref theme light\n')).toEqual(['theme = dark'])
    const bot = converse()
    expect(await bot.ask('/quit')).toBeUndefined()
    expect(await bot.end()).toBe(0)
    expect(readKey('default', 'plugins', 'preferences', 'pref_theme')).toBe('dark')
  })

  test.skipIf(process.platform === 'win32').each(['SIGINT', 'SIGTERM'] as const)(
    '%s ends the bot in good order',
    async (signal) => {
      const bot = converse()
      await bot.ask('setpref theme dark')
      expect(await bot.end(signal)).toBe(0)
      expect(listWorkFolders()).toEqual([])
    },
  )

  test('/help names every command', async () => {
    const commands = (await answersTo('/help\n')).map((line) => line.split(' ')[0])
    expect(commands).toEqual([
      ...['/help', '/where', '/quit'],
      ...['/setpref', '/getpref', '/listprefs', '/delpref'],
      ...['/setglobal', '/getglobal', '/listglobals'],
      '/count',
    ])
  })
})

describe('what goes wrong', () => {
  test('an unknown command is answered, even one that objects have by nature', async () => {
    expect(await answersTo('sing\n/constructor\n')).toEqual([
      'I know no command "sing". /help lists those I know.',
      'I know no command "constructor". /help lists those I know.',
    ])
  })

  test('too few or too many words are answered with the usage', async () => {
    const usage = 'Please write it so: /setpref NAME VALUE'
    expect(await answersTo('setpref\nsetpref theme\ncount 3\n')).toEqual([
      usage,
      usage,
      'Please write it so: /count',
    ])
  })

  test('an error of the storage is one line, and the bot goes on', async () => {
    const answers = await answersTo(`setpref ${'n'.repeat(300)} dark\nsetpref theme dark\n`)
    expect(answers).toEqual([expect.stringMatching(/limit is 255.*\(KEY_TOO_LONG\)$/), 'theme = dark'])
  })

  test('control characters in values do not reach the terminal, nor do they start a line', async () => {
    mkdirSync(join(folder, 'default', 'shared'), { recursive: true })
    writeFileSync(join(folder, 'default', 'shared', 'global_evil'), '\u001b[2Jgone\nand\u009bmore\u202e')
    const shown = 'evil = \\u{1b}[2Jgone\\u{a}and\\u{9b}more\\u{202e}'
    expect(await answersTo('getglobal evil\nlistglobals\n')).toEqual([shown, shown])
  })

  test('a store of a newer format is refused with one line and exit code 1', async () => {
    mkdirSync(join(folder, '.plainkeep'))
    writeFileSync(join(folder, '.plainkeep', 'format.json'), '{"format":99}')
    const { answers, errors, code } = await runBot('count\n')
    expect({ answers, code }).toEqual({ answers: [], code: 1 })
    expect(errors).toMatch(/^.*\(UNSUPPORTED_FORMAT\)\n$/)
  })
})

describe('where the data is', () => {
  test.skipIf(process.platform === 'win32')('the commands that /where shows work', async () => {
    const answers = await answersTo('setpref theme dark\n/where\n')
    expect(answers.join('\n')).toContain(folder)
    const commands = answers.filter((line) => line.startsWith('  cat '))
    const outputs = commands.map((command) => execFileSync('sh', ['-c', command], { encoding: 'utf8' }))
    expect(outputs).toEqual([expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z\n$/), 'dark'])
  })

  test('without an argument it is ./data', async () => {
    const { code } = await runBot('setpref theme dark\n', [])
    expect(code).toBe(0)
    expect(readKey('data', 'default', 'plugins', 'preferences', 'pref_theme')).toBe('dark')
  })
})
