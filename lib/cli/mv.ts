/** plainkeep mv: moves a value. */

import type { Command } from 'commander'
import { examples } from './help.js'
import { makeTransfer } from './move.js'
import type { Terminal } from './terminal.js'

/** Makes the command. */
export function makeMv(terminal: Terminal): Command {
  return makeTransfer(terminal, 'mv')
    .description('Moves the value of a key, byte for byte, to another key or scope, in one commit.')
    .addHelpText(
      'after',
      examples('plainkeep mv shared motd shared greeting', 'plainkeep mv old/plugin settings new/plugin'),
    )
}
