/** plainkeep key: prints the key of a file. */

import { dirname, resolve } from 'node:path'
import { Command } from 'commander'
import { CommandError } from './exit.js'
import { findNearestStore } from './files.js'
import { examples } from './help.js'
import { describeScope, findStore, type StoreOptions, withStoreAt, wordOf } from './store.js'
import type { Terminal } from './terminal.js'

interface KeyOptions extends StoreOptions {
  readonly long?: boolean
}

/** Makes the command. */
export function makeKey(terminal: Terminal): Command {
  return new Command('key')
    .description('Prints the key that a file holds the value of; the file need not exist.')
    .argument('<path>', 'the file')
    .option('-l, --long', 'with its workspace and its scope before it')
    .addHelpText(
      'after',
      examples(
        'plainkeep key data/default/plugins/acme%2Fweather/lastCity~10',
        'grep -rl Bern data/default | xargs -n1 plainkeep key --long',
      ),
    )
    .action(async (path: string, _: object, command: Command) => {
      const options = command.optsWithGlobals<KeyOptions>()
      const nearest = options.store === undefined ? findNearestStore(dirname(resolve(path))) : undefined
      const place = await withStoreAt(nearest ?? findStore(terminal, options), options, async (storage) =>
        storage.locate(path),
      )
      if (place === undefined)
        throw new CommandError(
          'missing',
          `No key has the file ${path}; plainkeep check tells what it may be.`,
        )
      const { scope, key } = place
      if (options.json === true) await terminal.out.json({ ...describeScope(scope), key })
      else
        await terminal.out.line(options.long === true ? `${scope.workspace}\t${wordOf(scope)}\t${key}` : key)
    })
}
