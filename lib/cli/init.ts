/** plainkeep init: makes a store. */

import { resolve } from 'node:path'
import { Command } from 'commander'
import { CommandError } from './exit.js'
import { holdsAnything, isStore } from './files.js'
import { examples } from './help.js'
import { type StoreOptions, withStoreAt } from './store.js'
import type { Terminal } from './terminal.js'

/** Makes the command. */
export function makeInit(terminal: Terminal): Command {
  return new Command('init')
    .description('Makes an empty store. A folder that is one already is left as it is.')
    .argument('[folder]', 'where; default: --store, PLAINKEEP_STORE, or ./data')
    .option('-f, --force', 'also in a folder that holds something: folders in it will count as workspaces')
    .addHelpText('after', examples('plainkeep init', 'plainkeep init /var/lib/bot/data'))
    .action(async (folder: string | undefined, { force }: { force?: boolean }, command: Command) => {
      const options = command.optsWithGlobals<StoreOptions>()
      const path = resolve(folder ?? options.store ?? (terminal.env.PLAINKEEP_STORE || 'data'))
      const isThere = isStore(path)
      if (!isThere && force !== true && (await holdsAnything(path)))
        throw new CommandError('usage', `The folder ${path} is not empty; name another one, or use --force.`)
      const store = await withStoreAt(path, options, async (storage) => storage.path)
      if (options.json === true) await terminal.out.json({ store, created: !isThere })
      else await terminal.out.line(`${store} ${isThere ? 'is a store already' : 'is a store now'}`)
    })
}
