/** plainkeep backup: writes an archive of all values. */

import { Command } from 'commander'
import { verifyBackup } from '../index.js'
import { formatBytes, formatCount } from './format.js'
import { examples } from './help.js'
import { ProgressBar } from './progress.js'
import { listScopes, parseScope, type StoreOptions, withStore } from './store.js'
import type { Terminal } from './terminal.js'

interface BackupOptions extends StoreOptions {
  readonly scope?: readonly string[]
  readonly verify?: boolean
}

/** Makes the command. */
export function makeBackup(terminal: Terminal): Command {
  return new Command('backup')
    .description(
      'Writes a tar archive of all values as of one moment, while the store is used. An older archive is replaced when it is complete.',
    )
    .argument('<archive>', 'the archive, such as backup.tar')
    .option('--scope <scopes...>', 'only these scopes of the workspace')
    .option('--verify', 'read the archive again, and verify it')
    .addHelpText(
      'after',
      examples(
        'plainkeep backup "/backups/bot-$(date +%F).tar"',
        'plainkeep backup --workspace default all-of-default.tar',
        'plainkeep backup weather.tar --scope acme/weather shared',
        'tar tf backup.tar',
      ),
    )
    .action(async (archive: string, _: object, command: Command) => {
      const options = command.optsWithGlobals<BackupOptions>()
      const { signal, out, err } = terminal
      const bar = new ProgressBar(err)
      const report = await withStore(terminal, options, async (storage) => {
        const wanted = options.scope?.map((word) => parseScope(word, options.workspace))
        const isPart = wanted !== undefined || options.workspace !== undefined
        const scopes = isPart
          ? (wanted ?? (await listScopes(storage, options)).map(({ id }) => id))
          : undefined
        return storage.backup(archive, {
          ...{ scopes, signal },
          onProgress: (progress) => bar.update({ ...progress, label: 'backup' }),
        })
      }).finally(() => bar.end())
      if (options.verify === true) await verify(terminal, report.path)
      if (options.json === true) return out.json(report)
      const { path, keys, sizeBytes, revision } = report
      await out.line(`${path}: ${formatCount(keys, 'key')}, ${formatBytes(sizeBytes)}, revision ${revision}`)
    })
}

async function verify({ err, signal }: Terminal, path: string): Promise<void> {
  const bar = new ProgressBar(err)
  try {
    await verifyBackup(path, {
      signal,
      onProgress: (progress) => bar.update({ ...progress, label: 'verify' }),
    })
  } finally {
    bar.end()
  }
}
