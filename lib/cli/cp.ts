/** plainkeep cp: copies a value. */

import type { Command } from 'commander'
import { examples } from './help.js'
import { makeTransfer } from './move.js'
import type { Terminal } from './terminal.js'

/** Makes the command. */
export function makeCp(terminal: Terminal): Command {
  return makeTransfer(terminal, 'cp')
    .description('Copies the value of a key, byte for byte, to another key or scope, in one commit.')
    .addHelpText(
      'after',
      examples(
        'plainkeep cp acme/weather lastCity shared city',
        'plainkeep cp -w default shared config shared --to-workspace test',
      ),
    )
}
