// @ts-check
/** The terminal: lines in, lines out. Without a terminal, when input or output is a pipe, there is no prompt. */

import { createInterface } from 'node:readline'

/** Whether a person sits in front of it. */
export const isInteractive = Boolean(process.stdin.isTTY && process.stdout.isTTY)

/** Shows the prompt again, with what was typed so far, if it is waited for a line. */
let promptAgain = () => {}

/**
 * The lines of the input, each read when the one before has been dealt with. They end with the input, with Ctrl-D
 * or Ctrl-C, or when the signal aborts.
 *
 * @param {{ history: readonly string[], signal: AbortSignal }} options `history`: earlier lines, oldest first.
 * @returns {AsyncGenerator<string, void>}
 */
export async function* readLines({ history, signal }) {
  if (signal.aborted) return
  const readline = createInterface({
    input: process.stdin,
    ...(isInteractive && { output: process.stdout }),
    prompt: '> ',
    history: history.map(printable).reverse(),
    signal,
  })
  let isOpen = true
  readline.once('close', () => {
    isOpen = false
    if (isInteractive && !signal.aborted) process.stdout.write('\n') // leave the line of the prompt
  })
  let isWaiting = false
  const prompt = () => {
    isWaiting = isInteractive && isOpen
    if (isWaiting) readline.prompt()
  }
  promptAgain = () => {
    if (isWaiting && isOpen) readline.prompt(true)
  }
  try {
    prompt()
    for await (const line of readline) {
      isWaiting = false
      if (signal.aborted) return // lines that had been read ahead
      yield line
      prompt()
    }
  } finally {
    readline.close()
  }
}

/**
 * Prints one line.
 *
 * @param {string} text
 */
export function print(text) {
  process.stdout.write(`${printable(text)}\n`)
}

/**
 * Prints one line that nobody asked for: above the prompt, if somebody sits there and types.
 *
 * @param {string} text
 */
export function printBetween(text) {
  if (isInteractive) process.stdout.write('\r\u001b[K')
  print(text)
  promptAgain()
}

/** Control characters, which can command a terminal, and those that break lines or turn the reading direction. */
const UNSAFE = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu

/**
 * The text as one line that is safe to show, whatever it holds: it may be a value that anyone wrote. Spaces and
 * newlines at its end are left out, since an editor or `echo` ends a file with one.
 *
 * @param {string} text
 */
function printable(text) {
  return text.trimEnd().replace(UNSAFE, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)
}
