/** plainkeep repair: puts right what is safe to put right. */

import { Command } from 'commander'
import { tellReport } from './check.js'
import { escapeLine } from './escape.js'
import { CommandError } from './exit.js'
import { examples } from './help.js'
import { type StoreOptions, withStore } from './store.js'
import type { Terminal } from './terminal.js'

/** Makes the command. */
export function makeRepair(terminal: Terminal): Command {
  return new Command('repair')
    .description(
      'Recovers what a dead process left, removes what holds no commit, and gives files that were put into a scope under another name the name of their key. What a person made is neither removed nor changed. Ends with 1 if the store does not keep all its promises after it.',
    )
    .addHelpText('after', examples('plainkeep check && echo nothing to do', 'plainkeep repair'))
    .action(async (_: object, command: Command) => {
      const options = command.optsWithGlobals<StoreOptions>()
      const { out, signal } = terminal
      const report = await withStore(terminal, options, (storage) => storage.repair({ signal }))
      if (options.json === true) await out.json(report)
      else {
        for (const { action } of report.repaired)
          await out.write(`${out.paint('green', 'done')} ${escapeLine(action)}\n`)
        for (const { finding, reason } of report.left)
          await out.write(`${out.paint('yellow', 'left')} ${escapeLine(`${finding.message} ${reason}`)}\n`)
        await tellReport(terminal, { ...report.check, findings: [] })
      }
      if (!report.check.isSound) throw new CommandError('no', 'Not all could be put right.')
    })
}
