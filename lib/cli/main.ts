#!/usr/bin/env node
/** The command line: plainkeep COMMAND … */

import { runProgram } from './program.js'
import { makeTerminal } from './terminal.js'

/** The exit codes of a process that is asked to end, as shells give them. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

/** How long a command may take to clean up. It may be cut off at any moment: the store is made for that. */
const GRACE_MS = 3000

const controller = new AbortController()
let signalCode: number | undefined
let isLent = false

for (const [name, code] of Object.entries(SIGNALS)) {
  process.on(name, () => {
    if (isLent && name === 'SIGINT') return
    if (signalCode !== undefined) process.exit(code) // asked twice
    signalCode = code
    setTimeout(() => process.exit(code), GRACE_MS).unref()
    controller.abort(new Error(name))
  })
}

// Whoever reads the output has seen enough: `plainkeep ls | head -1`.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

async function lend<T>(body: () => Promise<T>): Promise<T> {
  isLent = true
  try {
    return await body()
  } finally {
    isLent = false
  }
}

try {
  const terminal = makeTerminal(process, { signal: controller.signal, lend })
  process.exitCode = await runProgram(process.argv.slice(2), terminal)
} catch {
  process.exitCode = signalCode ?? 1 // the command was ended by a signal, and has cleaned up
}
