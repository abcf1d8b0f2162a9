/** plainkeep watch: prints changes as they happen. */

import { Command } from 'commander'
import type { Change, Resync } from '../index.js'
import { escapeLine } from './escape.js'
import { examples } from './help.js'
import { describeScope, SCOPE_HELP, type StoreOptions, scopeOf, withStore, wordOf } from './store.js'
import type { Output, Terminal } from './terminal.js'

interface WatchOptions extends StoreOptions {
  readonly prefix?: string
  readonly initial?: boolean
}

/** Makes the command. */
export function makeWatch(terminal: Terminal): Command {
  return new Command('watch')
    .description('Prints a line for each change of a key, whoever makes it, until it is ended with Ctrl-C.')
    .argument('[scope]', `${SCOPE_HELP}; default: all`)
    .option('-p, --prefix <text>', 'only keys that begin with it')
    .option('-i, --initial', 'first tell of every key that is there')
    .addHelpText(
      'after',
      examples(
        'plainkeep watch',
        'plainkeep watch acme/weather --prefix user_',
        'plainkeep watch --json | jq .key',
      ),
    )
    .action(async (word: string | undefined, _: object, command: Command) => {
      const options = command.optsWithGlobals<WatchOptions>()
      await withStore(terminal, options, async (storage) => {
        const target = word === undefined ? storage : scopeOf(storage, word, options)
        const { prefix, initial } = options
        const watcher = target.watch({ prefix, initial, persistent: true, signal: terminal.signal })
        watcher.on('resync', (resync) => void note(terminal, resync))
        await watcher.ready
        if (options.json !== true) await terminal.err.write(`Watching ${escapeLine(storage.path)}\n`)
        const isElsewhere = ({ scope }: Change): boolean =>
          options.workspace !== undefined && scope.workspace !== options.workspace
        for await (const change of watcher)
          if (!isElsewhere(change)) await tell(change, options, terminal.out)
      })
    })
}

async function tell(change: Change, { json }: WatchOptions, out: Output): Promise<void> {
  const { type, scope, key, version, revision, by, source } = change
  if (json === true) return out.json({ type, ...describeScope(scope), key, version, revision, by, source })
  const verb = type === 'set' ? out.paint('green', 'set   ') : out.paint('red', 'delete')
  const time = out.paint('dim', new Date().toTimeString().slice(0, 8))
  const who = by === undefined ? '' : ` by ${by}`
  const from = source === 'external' ? 'by hand' : `#${revision ?? ''}${who}`
  const what = [scope.workspace, wordOf(scope), key].map(escapeLine)
  const words = [time, verb, ...what, ...(source === 'initial' ? [] : [out.paint('dim', escapeLine(from))])]
  await out.write(`${words.join(' ')}\n`)
}

/** Folders that come and go, and a system without hints, are no news. */
async function note({ err }: Terminal, { reason, scope }: Resync): Promise<void> {
  if (reason === 'polling' || reason === 'folder') return
  const where = scope === undefined ? 'the store' : `${scope.workspace} ${wordOf(scope)}`
  await err.write(`Compared ${escapeLine(where)} anew (${reason}); all differences were told.\n`)
}
