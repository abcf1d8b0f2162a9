/** How a command ends: the number that tells other programs what to do next. */

import { type ErrorKind, StorageError } from '../index.js'

/** The exit code of each kind of error; docs/cli.md lists them. */
export const EXIT_CODES: Readonly<Record<ErrorKind | 'done' | 'no', number>> = {
  done: 0,
  /** It ran, and the answer is no; or something that has no code of its own failed. */
  no: 1,
  usage: 2,
  missing: 3,
  contention: 4,
  limit: 5,
  disk: 6,
  corruption: 7,
  value: 8,
  state: 9,
}

/** An error of the command line itself. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  /** Decides the exit code. */
  readonly kind: keyof typeof EXIT_CODES

  constructor(kind: keyof typeof EXIT_CODES, message: string) {
    super(message)
    this.kind = kind
  }
}

/** The exit code for what a command threw. */
export function exitCodeOf(error: unknown): number {
  const isKnown = error instanceof StorageError || error instanceof CommandError
  return isKnown ? EXIT_CODES[error.kind] : EXIT_CODES.no
}
