/** A command as the table of all commands knows it. */

import type { Command } from 'commander'
import type { Terminal } from './terminal.js'

/** What a command may ask of the program that it belongs to. */
export interface Shelf {
  readonly entries: readonly CommandEntry[]
  /** The program with the options that all commands share. */
  readonly program: Command
}

/** Makes a command that runs on a terminal. */
type MakeCommand = (terminal: Terminal, shelf: Shelf) => Command

/** A command by its name. */
export interface CommandEntry {
  readonly name: string
  /** Empty for one that is not for people. */
  readonly summary: string
  readonly load: () => Promise<MakeCommand>
}
