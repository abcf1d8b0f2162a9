/** plainkeep check: looks the store over. */

import { Command } from 'commander'
import { type CheckReport, checkStorage } from '../index.js'
import { escapeLine } from './escape.js'
import { CommandError } from './exit.js'
import { formatBytes, formatCount } from './format.js'
import { examples } from './help.js'
import { findStore, type StoreOptions } from './store.js'
import type { Terminal } from './terminal.js'

interface CheckOptions extends StoreOptions {
  readonly strict?: boolean
}

/** Makes the command. */
export function makeCheck(terminal: Terminal): Command {
  return new Command('check')
    .description(
      'Looks over all that is in the folder of the store, and changes nothing, also while it is used. Ends with 1 if the store does not keep all its promises.',
    )
    .option('--strict', 'end with 1 for anything that is found, harmless or not')
    .addHelpText('after', examples('plainkeep check', 'plainkeep check --json | jq .findings'))
    .action(async (_: object, command: Command) => {
      const options = command.optsWithGlobals<CheckOptions>()
      const report = await checkStorage(findStore(terminal, options), { signal: terminal.signal })
      if (options.json === true) await terminal.out.json(report)
      else await tellReport(terminal, report)
      const isGood = options.strict === true ? report.findings.length === 0 : report.isSound
      if (!isGood)
        throw new CommandError('no', 'Not all is well; plainkeep repair puts right what is safe to.')
    })
}

/** Prints a report for people. */
export async function tellReport({ out }: Terminal, report: CheckReport): Promise<void> {
  const { findings, counts, owner, journals, scopes, keys, bytes, isSound } = report
  for (const { kind, isHarmless, message } of findings) {
    const sign = isHarmless ? out.paint('yellow', 'note ') : out.paint('red', 'wrong')
    await out.write(`${sign} ${out.paint('dim', kind)} ${escapeLine(message)}\n`)
  }
  for (const [kind, count] of Object.entries(counts)) {
    const shown = findings.filter((finding) => finding.kind === kind).length
    if (count > shown) await out.write(`… and ${(count - shown).toLocaleString('en')} more of ${kind}\n`)
  }
  await out.write(
    `${[formatCount(scopes, 'scope'), formatCount(keys, 'key'), formatBytes(bytes)].join(', ')}\n`,
  )
  const revision = Math.max(0, ...journals.map((journal) => journal.revision ?? 0))
  if (revision > 0) await out.write(`revision ${revision}\n`)
  if (owner !== undefined && owner.pid !== process.pid) await out.write(`${describeOwner(owner)}\n`)
  await out.write(
    isSound ? out.paint('green', 'The store is sound.\n') : out.paint('red', 'The store is not sound.\n'),
  )
}

function describeOwner({ pid, isThisMachine, isAlive }: NonNullable<CheckReport['owner']>): string {
  const where = isThisMachine ? '' : ' of another machine'
  if (isAlive === false) return `process ${pid}${where} owned the store and is gone`
  return `process ${pid}${where} owns the store`
}
