/** plainkeep __complete: what may come next on a command line; asked by the scripts of `plainkeep completion`. */

import { Command, type Option } from 'commander'
import type { Shelf } from './command-entry.js'
import { escapeLine } from './escape.js'
import { listScopes, type StoreOptions, scopeOf, withStore, wordOf } from './store.js'
import type { Terminal } from './terminal.js'

/** More are of no use to anybody who has to choose. */
const MAX_CANDIDATES = 500

/** The shell completes the names of files itself. */
const FILES = [':files']

/** Makes the command. */
export function makeComplete(terminal: Terminal, shelf: Shelf): Command {
  return new Command('__complete').argument('[words...]').action(async (words: string[]) => {
    const candidates = await complete(terminal, shelf, words.map(unquote)).catch(() => []) // a wrong line has no next word
    const shown = candidates.filter((word) => escapeLine(word) === word).slice(0, MAX_CANDIDATES)
    await terminal.out.write(shown.map((word) => `${word}\n`).join(''))
  })
}

/** A word as it stands on the line may begin with a quote, and have backslashes in it. */
function unquote(word: string): string {
  return word.replace(/^["']/, '').replaceAll(/\\(.)/g, '$1')
}

/** What is on the line: the command, its words, and the last word so far. */
interface Line {
  command: Command | undefined
  readonly words: string[]
  readonly options: Record<string, string>
  /** The option whose value comes next. */
  pending: string | undefined
  readonly current: string
}

async function complete(terminal: Terminal, shelf: Shelf, all: readonly string[]): Promise<string[]> {
  const { entries, program } = shelf
  const line = await readLine(terminal, shelf, all)
  const { command, current } = line
  if (line.pending !== undefined) return startingWith(current, await valuesOf(terminal, line, line.pending))
  if (current.startsWith('-')) {
    const options = [...(command?.options ?? []), ...program.options]
    return startingWith(current, [...options.flatMap(({ long }) => long ?? []), '--help'])
  }
  if (command === undefined)
    return startingWith(current, [
      ...entries.flatMap(({ name, summary }) => (summary === '' ? [] : name)),
      'help',
    ])
  const { registeredArguments } = command
  const argument = registeredArguments[Math.min(line.words.length, registeredArguments.length - 1)]
  if (argument === undefined || (line.words.length >= registeredArguments.length && !argument.variadic))
    return []
  return startingWith(current, argument.argChoices ?? (await valuesOf(terminal, line, argument.name())))
}

async function readLine(terminal: Terminal, shelf: Shelf, all: readonly string[]): Promise<Line> {
  const current = all.at(-1) ?? ''
  const line: Line = { command: undefined, words: [], options: {}, pending: undefined, current }
  for (const word of all.slice(0, -1)) {
    const option = findOption(shelf, line, word)
    if (line.pending !== undefined) {
      line.options[line.pending] = word
      line.pending = undefined
    } else if (option !== undefined) takeOption(line, option, word)
    else if (line.command !== undefined) line.words.push(word)
    else line.command = await loadCommand(terminal, shelf, word)
  }
  return line
}

function findOption({ program }: Shelf, { command }: Line, word: string): Option | undefined {
  const [name] = word.split('=')
  return [...(command?.options ?? []), ...program.options].find(({ short, long }) =>
    [short, long].includes(name),
  )
}

function takeOption(line: Line, option: Option, word: string): void {
  const name = option.attributeName()
  if (word.includes('=')) line.options[name] = word.slice(word.indexOf('=') + 1)
  else if (option.required) line.pending = name
}

/** An unknown one has no words that could come next. */
async function loadCommand(terminal: Terminal, shelf: Shelf, word: string): Promise<Command> {
  const make = await shelf.entries.find(({ name }) => name === word)?.load()
  return make?.(terminal, shelf) ?? new Command()
}

/** What an argument, or the value of an option, of this name may be. */
async function valuesOf(terminal: Terminal, line: Line, name: string): Promise<string[]> {
  if (['archive', 'path', 'folder', 'store', 'file', 'into'].includes(name)) return FILES
  const options: StoreOptions = { ...line.options, wait: 1 }
  const inWorkspace = { ...options, workspace: options.workspace ?? 'default' }
  const isTo = name === 'to-scope' || name === 'to-key'
  if (isTo && line.options.toWorkspace !== undefined) inWorkspace.workspace = line.options.toWorkspace
  return withStore(terminal, options, async (storage) => {
    if (name === 'workspace' || name === 'toWorkspace') return storage.workspaces()
    if (name === 'scope' || name === 'to-scope')
      return ['shared', ...(await listScopes(storage, inWorkspace)).map(({ id }) => wordOf(id))]
    const word = line.words[name === 'to-key' ? 2 : 0]
    if (word === undefined || !['key', 'keys', 'to-key', 'prefix'].includes(name)) return []
    return scopeOf(storage, word, inWorkspace).keys({ prefix: line.current, limit: MAX_CANDIDATES })
  })
}

function startingWith(start: string, words: readonly string[]): string[] {
  return words === FILES ? FILES : [...new Set(words)].filter((word) => word.startsWith(start))
}
