/** plainkeep get: prints a value. */

import { Command } from 'commander'
import { type Entry, KeyNotFoundError } from '../index.js'
import { decodeText, escapeValue } from './escape.js'
import { examples } from './help.js'
import { SCOPE_HELP, type StoreOptions, scopeOf, withStore } from './store.js'
import type { Output, Terminal } from './terminal.js'

/** Makes the command. */
export function makeGet(terminal: Terminal): Command {
  return new Command('get')
    .description(
      'Prints the value of a key: byte for byte into a file or a pipe, with controls escaped on a terminal.',
    )
    .argument('<scope>', SCOPE_HELP)
    .argument('<key>', 'the key')
    .addHelpText(
      'after',
      examples(
        'plainkeep get acme/weather lastCity',
        'plainkeep get shared logo > logo.png',
        'plainkeep get shared config | jq .port',
      ),
    )
    .action(async (word: string, key: string, _: object, command: Command) => {
      const options = command.optsWithGlobals<StoreOptions>()
      const entry = await withStore(terminal, options, async (storage) => {
        const scope = scopeOf(storage, word, options)
        const found = await scope.entry(key)
        if (found === undefined) throw new KeyNotFoundError(key, { store: storage.path, scope: scope.id })
        return found
      })
      if (options.json === true) await terminal.out.json(describe(entry))
      else await print(terminal.out, entry.value)
    })
}

async function print(out: Output, bytes: Uint8Array): Promise<void> {
  if (!out.isTerminal) return out.write(bytes)
  const text = escapeValue(bytes)
  await out.write(text === '' || text.endsWith('\n') ? text : `${text}\n`)
}

/** The value is `text` if it is one in UTF-8, and `base64` otherwise. */
function describe({ value, ...stat }: Entry): object {
  const text = decodeText(value)
  return text === undefined ? { ...stat, base64: Buffer.from(value).toString('base64') } : { ...stat, text }
}
