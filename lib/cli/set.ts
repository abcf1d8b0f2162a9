/** plainkeep set: sets a key to a value. */

import { Command } from 'commander'
import { CommandError } from './exit.js'
import { readFileOf } from './files.js'
import { examples } from './help.js'
import { describeScope, SCOPE_HELP, type StoreOptions, scopeOf, withStore } from './store.js'
import { readInput, type Terminal } from './terminal.js'

interface SetOptions extends StoreOptions {
  readonly file?: string
  readonly ifVersion?: string
  readonly ifAbsent?: boolean
}

/** Makes the command. */
export function makeSet(terminal: Terminal): Command {
  return new Command('set')
    .description(
      'Sets a key to the value given, to what a file holds, or to what is piped in; in each case byte for byte.',
    )
    .argument('<scope>', SCOPE_HELP)
    .argument('<key>', 'the key')
    .argument('[value]', 'the value; without it, or with --file -, it is read from the input')
    .option('-f, --file <path>', 'take the value from a file')
    .option('--if-absent', 'only if the key holds no value')
    .option('--if-version <version>', 'only if the key has this version, as get --json prints it')
    .addHelpText(
      'after',
      examples(
        'plainkeep set acme/weather lastCity Bern',
        'plainkeep set shared config --file config.json',
        'printf 42 | plainkeep set acme/weather count     # echo would add a line break',
        'plainkeep set acme/weather offset -- -5          # what begins with a dash goes behind --',
      ),
    )
    .action(async (word: string, key: string, value: string | undefined, _: object, command: Command) => {
      const options = command.optsWithGlobals<SetOptions>()
      const bytes = await readValue(terminal, value, options.file)
      const { ifAbsent, ifVersion } = options
      await withStore(terminal, options, async (storage) => {
        const scope = scopeOf(storage, word, options)
        const version = await scope.set(key, bytes, { ifAbsent, ifVersion, signal: terminal.signal })
        const told = { ...describeScope(scope.id), key, version, size: bytes.byteLength }
        if (options.json === true) await terminal.out.json(told)
      })
    })
}

async function readValue(
  terminal: Terminal,
  value: string | undefined,
  file: string | undefined,
): Promise<Uint8Array> {
  if (value !== undefined && file !== undefined)
    throw new CommandError('usage', 'Give the value or a file, not both.')
  if (value !== undefined) return Buffer.from(value)
  if (file !== undefined && file !== '-') return readFileOf(file)
  if (terminal.stdin.isTTY === true)
    throw new CommandError('usage', 'There is no value: give one, name a file with --file, or pipe one in.')
  return readInput(terminal)
}
