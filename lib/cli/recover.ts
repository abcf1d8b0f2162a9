/** plainkeep recover: finishes what a killed process left. */

import { Command } from 'commander'
import { checkStorage } from '../index.js'
import { examples } from './help.js'
import { findStore, type StoreOptions, withStoreAt } from './store.js'
import type { Terminal } from './terminal.js'

/** Makes the command. */
export function makeRecover(terminal: Terminal): Command {
  return new Command('recover')
    .description(
      'Finishes the commits that a killed process, or a power cut, left unfinished, as whoever opens the store does.',
    )
    .addHelpText('after', examples('plainkeep recover'))
    .action(async (_: object, command: Command) => {
      const options = command.optsWithGlobals<StoreOptions>()
      const { signal, out } = terminal
      const store = findStore(terminal, options)
      const before = await checkStorage(store, { signal })
      await withStoreAt(store, options, async () => undefined)
      const after = await checkStorage(store, { signal })
      const paths = (report: typeof before): string[] =>
        report.journals.filter(({ state }) => state === 'unrecovered').map(({ path }) => path)
      const recovered = paths(before).filter((path) => !paths(after).includes(path))
      const isInUse = after.owner?.isAlive === true
      if (options.json === true) return out.json({ recovered, isInUse })
      for (const path of recovered) await out.line(`recovered ${path}`)
      if (recovered.length === 0) await out.line('There was nothing to recover.')
      if (isInUse) await out.line(`Process ${after.owner?.pid} uses the store.`)
    })
}
