/** All commands: a table of contents. A command is loaded when it is used, so that the others cost nothing. */

import type { CommandEntry } from './command-entry.js'

/** In the order of the help. */
export const COMMANDS: readonly CommandEntry[] = [
  entry('init', 'make a store', async () => (await import('./init.js')).makeInit),
  entry('ls', 'list scopes, or the keys of one', async () => (await import('./ls.js')).makeLs),
  entry('get', 'print a value, byte for byte', async () => (await import('./get.js')).makeGet),
  entry('set', 'set a key to a value', async () => (await import('./set.js')).makeSet),
  entry('edit', 'edit a value in your editor', async () => (await import('./edit.js')).makeEdit),
  entry('rm', 'delete keys', async () => (await import('./rm.js')).makeRm),
  entry('cp', 'copy a value to another key or scope', async () => (await import('./cp.js')).makeCp),
  entry('mv', 'move a value to another key or scope', async () => (await import('./mv.js')).makeMv),
  entry('path', 'print the file of a key', async () => (await import('./path.js')).makePath),
  entry('key', 'print the key of a file', async () => (await import('./key.js')).makeKey),
  entry('watch', 'print changes as they happen', async () => (await import('./watch.js')).makeWatch),
  entry('usage', 'show how much each scope holds', async () => (await import('./usage.js')).makeUsage),
  entry('check', 'look the store over', async () => (await import('./check.js')).makeCheck),
  entry(
    'repair',
    'put right what is safe to put right',
    async () => (await import('./repair.js')).makeRepair,
  ),
  entry(
    'recover',
    'finish what a killed process left',
    async () => (await import('./recover.js')).makeRecover,
  ),
  entry('backup', 'write an archive of all values', async () => (await import('./backup.js')).makeBackup),
  entry('restore', 'bring an archive back', async () => (await import('./restore.js')).makeRestore),
  entry('__complete', '', async () => (await import('./complete.js')).makeComplete),
  entry(
    'completion',
    'print a script for the shell',
    async () => (await import('./completion.js')).makeCompletion,
  ),
]

function entry(name: string, summary: string, load: CommandEntry['load']): CommandEntry {
  return { name, summary, load }
}
