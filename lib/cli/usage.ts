/** plainkeep usage: shows how much each scope holds. */

import { Command } from 'commander'
import { escapeLine } from './escape.js'
import { formatBar, formatBytes, formatCount, formatTable } from './format.js'
import { examples } from './help.js'
import { describeScope, listScopes, type StoreOptions, withStore, wordOf } from './store.js'
import type { Terminal } from './terminal.js'

const BAR_COLUMNS = 30

/** Makes the command. */
export function makeUsage(terminal: Terminal): Command {
  return new Command('usage')
    .description('Shows how many keys and bytes each scope holds, the largest first.')
    .addHelpText('after', examples('plainkeep usage', 'plainkeep usage --workspace default --json'))
    .action(async (_: object, command: Command) => {
      const options = command.optsWithGlobals<StoreOptions>()
      await withStore(terminal, options, async (storage) => {
        const usages = []
        for (const scope of await listScopes(storage, options))
          usages.push({ id: scope.id, ...(await scope.usage()) })
        usages.sort((left, right) => right.bytes - left.bytes || right.keys - left.keys)
        const total = { keys: 0, bytes: 0 }
        for (const { keys, bytes } of usages) {
          total.keys += keys
          total.bytes += bytes
        }
        const { out } = terminal
        if (options.json === true) {
          const scopes = usages.map(({ id, keys, bytes }) => ({ ...describeScope(id), keys, bytes }))
          return out.json({ ...total, scopes })
        }
        const largest = Math.max(1, ...usages.map(({ bytes }) => bytes))
        const rows = usages.map(({ id, keys, bytes }) => [
          `${escapeLine(id.workspace)} ${escapeLine(wordOf(id))}`,
          keys.toLocaleString('en'),
          formatBytes(bytes),
          out.paint('cyan', formatBar(bytes / largest, BAR_COLUMNS)),
        ])
        const sum = `${formatCount(total.keys, 'key')}, ${formatBytes(total.bytes)}`
        await out.write([...formatTable(rows, [1, 2]), sum].map((line) => `${line}\n`).join(''))
      })
    })
}
