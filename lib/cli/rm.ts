/** plainkeep rm: deletes keys. */

import { Command } from 'commander'
import { KeyNotFoundError, type Scope } from '../index.js'
import { CommandError } from './exit.js'
import { formatCount } from './format.js'
import { examples } from './help.js'
import { SCOPE_HELP, type StoreOptions, scopeOf, withStore } from './store.js'
import type { Terminal } from './terminal.js'

interface RmOptions extends StoreOptions {
  readonly prefix?: string
  readonly all?: boolean
  readonly force?: boolean
}

/** Makes the command. */
export function makeRm(terminal: Terminal): Command {
  return new Command('rm')
    .description('Deletes keys of a scope, all in one commit: if one of them is missing, none is deleted.')
    .argument('<scope>', SCOPE_HELP)
    .argument('[keys...]', 'the keys')
    .option('-p, --prefix <text>', 'all keys that begin with it')
    .option('--all', 'all keys of the scope')
    .option('-f, --force', 'a key that is missing is no error')
    .addHelpText(
      'after',
      examples(
        'plainkeep rm acme/weather lastCity',
        'plainkeep rm shared --prefix cache_',
        'plainkeep rm acme/weather --all',
      ),
    )
    .action(async (word: string, keys: string[], _: object, command: Command) => {
      const options = command.optsWithGlobals<RmOptions>()
      const ways = [keys.length > 0, options.prefix !== undefined, options.all === true]
      if (ways.filter(Boolean).length !== 1)
        throw new CommandError('usage', 'Name the keys, or use --prefix or --all; one of the three.')
      await withStore(terminal, options, async (storage) => {
        const scope = scopeOf(storage, word, options)
        const deleted = await remove(terminal, scope, keys, options)
        if (options.json === true) await terminal.out.json({ deleted })
        else if (keys.length === 0) await terminal.out.line(`${formatCount(deleted, 'key')} deleted`)
      })
    })
}

/** Gives how many there were. */
async function remove(
  { signal }: Terminal,
  scope: Scope,
  keys: readonly string[],
  { prefix, force }: RmOptions,
): Promise<number> {
  if (keys.length === 0) return scope.clear({ prefix, signal })
  return scope.transaction(
    async (own) => {
      let count = 0
      for (const key of new Set(keys)) {
        if (await own.delete(key)) count += 1
        else if (force !== true) throw new KeyNotFoundError(key, { store: scope.store, scope: scope.id })
      }
      return count
    },
    { signal },
  )
}
