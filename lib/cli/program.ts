/** The program: finds the command, runs it, and turns what it throws into a message and an exit code. */

import { createRequire } from 'node:module'
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { COMMANDS } from './commands.js'
import { escapeLine } from './escape.js'
import { EXIT_CODES, exitCodeOf } from './exit.js'
import type { Terminal } from './terminal.js'

/** Runs a command line, and gives the exit code. */
export async function runProgram(words: readonly string[], terminal: Terminal): Promise<number> {
  try {
    const program = makeProgram(terminal)
    await addCommands(program, terminal, findCommand(words))
    await program.parseAsync(words, { from: 'user' })
    return EXIT_CODES.done
  } catch (error) {
    if (terminal.signal.aborted) throw error
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_CODES.done : EXIT_CODES.usage
    await complain(terminal, error)
    return exitCodeOf(error)
  }
}

/** The program with the options that all commands share, and no command yet. */
function makeProgram(terminal: Terminal): Command {
  const { out, err } = terminal
  const program = new Command('plainkeep')
  program
    .description('Looks at and changes the storage of plugins, in plain files, also while it is used.')
    .option('-s, --store <folder>', 'the store; default: PLAINKEEP_STORE, or the nearest one')
    .option('-w, --workspace <name>', 'the workspace; default: default')
    .option('--json', 'print JSON, for programs')
    .option('--wait <seconds>', 'how long to wait while others own the store', parseSeconds, 10)
    .version(readVersion(), '-V, --version', 'print the version')
    .addHelpText('after', ROOT_HELP)
    .configureHelp({ showGlobalOptions: true })
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void out.write(text).catch(() => undefined),
      writeErr: (text) => void err.write(text.split('\n').map(escapeLine).join('\n')).catch(() => undefined),
      getOutHelpWidth: () => out.columns,
      getErrHelpWidth: () => err.columns,
    })
  return program
}

/** Adds all commands: one of them whole, the others by their names, for the help. */
async function addCommands(program: Command, terminal: Terminal, name: string | undefined): Promise<void> {
  for (const entry of COMMANDS) {
    if (entry.name === name) {
      const command = (await entry.load())(terminal, { entries: COMMANDS, program })
      command.copyInheritedSettings(program).showHelpAfterError(`(plainkeep ${name} --help tells more)`)
      program.addCommand(command.summary(entry.summary), { hidden: entry.summary === '' })
    } else program.command(entry.name, { hidden: entry.summary === '' }).summary(entry.summary)
  }
}

const OPTIONS_WITH_VALUE = ['-s', '--store', '-w', '--workspace', '--wait']

/** The first word that is neither an option nor the value of one; behind `help`, the next. */
function findCommand(words: readonly string[]): string | undefined {
  const names: string[] = []
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] as string
    if (OPTIONS_WITH_VALUE.includes(word)) index += 1
    else if (!word.startsWith('-')) names.push(word)
  }
  return names[0] === 'help' ? names[1] : names[0]
}

function parseSeconds(text: string): number {
  const seconds = Number(text)
  if (text.trim() !== '' && seconds >= 0) return seconds
  throw new InvalidArgumentError('It must be a number of at least 0.')
}

function readVersion(): string {
  const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }
  return version
}

async function complain({ err }: Terminal, error: unknown): Promise<void> {
  const message = error instanceof Error ? error.message : String(error)
  await err.write(`${err.paint('red', 'plainkeep:')} ${escapeLine(message)}\n`)
}

const ROOT_HELP = `
Scopes are written as shared, the storage that the plugins of a workspace share, or as the id of a plugin.

Examples:
  plainkeep init
  plainkeep set acme/weather lastCity Bern
  plainkeep ls acme/weather
  cat "$(plainkeep path acme/weather lastCity)"
  plainkeep get --help

Exit codes: 0 done, 1 no or failed, 2 usage, 3 missing, 4 try again, 5 limit, 6 disk, 7 damage, 8 value, 9 state.`
