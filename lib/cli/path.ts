/** plainkeep path: prints the file of a key. */

import { Command } from 'commander'
import { examples } from './help.js'
import { SCOPE_HELP, type StoreOptions, scopeOf, withStore } from './store.js'
import type { Terminal } from './terminal.js'

/** Makes the command. */
export function makePath(terminal: Terminal): Command {
  return new Command('path')
    .description('Prints the path of the file of a key, or of the folder of a scope; neither need exist.')
    .argument('<scope>', SCOPE_HELP)
    .argument('[key]', 'the key')
    .addHelpText(
      'after',
      examples('cat "$(plainkeep path acme/weather lastCity)"', 'cd "$(plainkeep path shared)"'),
    )
    .action(async (word: string, key: string | undefined, _: object, command: Command) => {
      const options = command.optsWithGlobals<StoreOptions>()
      const path = await withStore(terminal, options, async (storage) => {
        const scope = scopeOf(storage, word, options)
        return key === undefined ? scope.path : scope.pathOf(key)
      })
      if (options.json === true) await terminal.out.json({ path })
      else await terminal.out.line(path)
    })
}
