/** Copying and moving a value, in one commit. */

import { Command } from 'commander'
import { ConflictError, KeyNotFoundError } from '../index.js'
import { CommandError } from './exit.js'
import {
  describeScope,
  openScope,
  parseScope,
  SCOPE_HELP,
  type StoreOptions,
  scopeOf,
  withStore,
} from './store.js'
import type { Terminal } from './terminal.js'

interface MoveOptions extends StoreOptions {
  readonly toWorkspace?: string
  readonly clobber?: boolean
}

/** A command that copies a value, and deletes where it was if it moves. */
export function makeTransfer(terminal: Terminal, name: 'cp' | 'mv'): Command {
  return new Command(name)
    .argument('<scope>', SCOPE_HELP)
    .argument('<key>', 'the key')
    .argument('<to-scope>', 'the scope to put it into')
    .argument('[to-key]', 'the key there; default: the same one')
    .option('--to-workspace <name>', 'the workspace of the second scope; default: that of the first')
    .option('-n, --no-clobber', 'fail if the second key holds a value')
    .action(
      async (
        word: string,
        key: string,
        toWord: string,
        toKey: string | undefined,
        _: object,
        command: Command,
      ) => {
        const options = command.optsWithGlobals<MoveOptions>()
        await withStore(terminal, options, async (storage) => {
          const from = scopeOf(storage, word, options)
          const to = openScope(storage, parseScope(toWord, options.toWorkspace ?? options.workspace))
          const target = toKey ?? key
          if (from.pathOf(key) === to.pathOf(target))
            throw new CommandError('usage', 'Both are the same key of the same scope; name another one.')
          const size = await storage.transaction(
            async (transaction) => {
              const [source, destination] = [transaction.scope(from), transaction.scope(to)]
              const value = await source.find(key)
              if (value === undefined)
                throw new KeyNotFoundError(key, { store: storage.path, scope: from.id })
              if (options.clobber === false && (await destination.has(target)))
                throw new ConflictError(
                  `The key ${JSON.stringify(target)} holds a value already; nothing was done.`,
                )
              await destination.set(target, value)
              if (name === 'mv') await source.delete(key)
              return value.byteLength
            },
            { signal: terminal.signal },
          )
          if (options.json === true) await terminal.out.json({ ...describeScope(to.id), key: target, size })
        })
      },
    )
}
