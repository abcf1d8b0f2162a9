/** plainkeep restore: brings an archive back. */

import { Command } from 'commander'
import {
  type BackupDescription,
  type RestoreOptions as LibraryOptions,
  type RestoreProgress,
  type RestoreReport,
  restore,
  verifyBackup,
} from '../index.js'
import { CommandError } from './exit.js'
import { formatAge, formatBytes, formatCount } from './format.js'
import { examples } from './help.js'
import { ProgressBar } from './progress.js'
import { parseScope, type StoreOptions, withStore } from './store.js'
import type { Terminal } from './terminal.js'

interface RestoreOptions extends StoreOptions {
  readonly into?: string
  readonly overwrite?: boolean
  readonly scope?: readonly string[]
  readonly verify?: boolean
}

/** Makes the command. */
export function makeRestore(terminal: Terminal): Command {
  return new Command('restore')
    .description(
      'Verifies an archive from end to end, then puts its values into a store: each scope is one commit. Keys that the archive does not hold stay.',
    )
    .argument('<archive>', 'the archive')
    .option('--into <folder>', 'the store, which is made if it is missing; default: as for every command')
    .option('--overwrite', 'replace values that are other ones by now')
    .option('--scope <scopes...>', 'only these scopes of the workspace')
    .option('--verify', 'verify the archive, and restore nothing')
    .addHelpText(
      'after',
      examples(
        'plainkeep restore --verify backup.tar',
        'plainkeep restore backup.tar --into ./elsewhere',
        'plainkeep restore backup.tar --overwrite --scope acme/weather',
      ),
    )
    .action(async (archive: string, _: object, command: Command) => {
      const options = command.optsWithGlobals<RestoreOptions>()
      const bar = new ProgressBar(terminal.err)
      const onProgress = (progress: RestoreProgress): void =>
        bar.update({ ...progress, label: progress.phase })
      const settings = { signal: terminal.signal, onProgress }
      if (options.verify === true) {
        const found = await verifyBackup(archive, settings).finally(() => bar.end())
        return tellVerified(terminal, options, found)
      }
      const report = await runRestore(terminal, archive, options, settings).finally(() => bar.end())
      return tellRestored(terminal, options, report)
    })
}

async function tellVerified(
  { out }: Terminal,
  { json }: RestoreOptions,
  found: BackupDescription,
): Promise<void> {
  if (json === true) return out.json(found)
  const { path, keys, bytes, revision, createdAt } = found
  const age = formatAge(Date.now() - createdAt.getTime())
  await out.line(
    `${path}: ${formatCount(keys, 'key')}, ${formatBytes(bytes)}, revision ${revision}, made ${age} ago`,
  )
}

/** A store that is named by --into is opened, and made, only when the archive is verified. */
async function runRestore(
  terminal: Terminal,
  archive: string,
  options: RestoreOptions,
  running: Pick<LibraryOptions, 'signal' | 'onProgress'>,
): Promise<RestoreReport> {
  const { into, overwrite, workspace } = options
  if (into !== undefined && options.store !== undefined)
    throw new CommandError('usage', 'Name the store with --into or with --store, not with both.')
  const scopes = options.scope?.map((word) => parseScope(word, workspace))
  const settings = { overwrite, scopes, ...running }
  if (into !== undefined) return restore(archive, { into, ...settings })
  return withStore(terminal, options, (storage) => restore(archive, { into: storage, ...settings }))
}

async function tellRestored(
  { out }: Terminal,
  { json }: RestoreOptions,
  report: RestoreReport,
): Promise<void> {
  if (json === true) return out.json(report)
  const { store, keys, bytes, unchanged } = report
  const same = unchanged === 0 ? '' : `; ${formatCount(unchanged, 'key')} held the same value already`
  await out.line(`${store}: ${formatCount(keys, 'key')}, ${formatBytes(bytes)} restored${same}`)
}
