/** plainkeep edit: edits a value in the editor of the user. */

import { spawn } from 'node:child_process'
import { basename } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { Command } from 'commander'
import type { Entry, Scope } from '../index.js'
import { decodeText, escapeLine } from './escape.js'
import { CommandError } from './exit.js'
import { type Draft, makeDraft } from './files.js'
import { examples } from './help.js'
import { SCOPE_HELP, type StoreOptions, scopeOf, withStore } from './store.js'
import type { Terminal } from './terminal.js'

/** Makes the command. */
export function makeEdit(terminal: Terminal): Command {
  return new Command('edit')
    .description(
      'Opens a copy of a value in $VISUAL, $EDITOR or vi. What is saved is written back if nobody changed the key meanwhile; a value that was JSON must be JSON still. A key that is missing is made.',
    )
    .argument('<scope>', SCOPE_HELP)
    .argument('<key>', 'the key')
    .addHelpText(
      'after',
      examples('plainkeep edit shared config', 'EDITOR="code --wait" plainkeep edit acme/weather settings'),
    )
    .action(async (word: string, key: string, _: object, command: Command) => {
      const options = command.optsWithGlobals<StoreOptions>()
      await withStore(terminal, options, (storage) => edit(terminal, scopeOf(storage, word, options), key))
    })
}

async function edit(terminal: Terminal, scope: Scope, key: string): Promise<void> {
  const entry = await scope.entry(key)
  const before = decodeText(entry?.value ?? new Uint8Array())
  if (before === undefined)
    throw new CommandError('value', `The value of ${JSON.stringify(key)} is no text; use get and set --file.`)
  const isJson = entry !== undefined && explainJson(before) === undefined
  const name = basename(scope.pathOf(key))
  const draft = await makeDraft(
    isJson && !name.endsWith('.json') ? `${name}.json` : name,
    Buffer.from(before),
  )
  try {
    const after = await editDraft(terminal, draft, { before, isJson })
    if (after === before && entry !== undefined) await terminal.err.write('Nothing was changed.\n')
    else await scope.set(key, after, { ...condition(entry), signal: terminal.signal })
  } catch (error) {
    await terminal.err.write(`What you wrote is in ${escapeLine(draft.path)}\n`)
    throw error
  }
  await draft.remove()
}

/** That nobody has changed the key since it was read. */
function condition(entry: Entry | undefined): { ifVersion: string } | { ifAbsent: true } {
  return entry === undefined ? { ifAbsent: true } : { ifVersion: entry.version }
}

/** Has a draft edited until it is as it must be; gives the text. */
async function editDraft(
  terminal: Terminal,
  draft: Draft,
  { before, isJson }: { readonly before: string; readonly isJson: boolean },
): Promise<string> {
  for (;;) {
    await terminal.lend(() => runEditor(terminal, draft.path))
    const text = decodeText(await draft.read())
    if (text === undefined)
      throw new CommandError('value', 'What you wrote is not in UTF-8; nothing was changed.')
    const after = takeOffLineBreak(before, text)
    const problem = isJson ? explainJson(after) : undefined
    if (problem === undefined) return after
    await terminal.err.write(`The value was JSON and is none any more: ${escapeLine(problem)}\n`)
    if (!(await wantsToGoOn(terminal)))
      throw new CommandError('value', 'Nothing was changed, since what you wrote is no JSON.')
  }
}

/** Editors end the last line with a line break; a value that had none gets none. */
function takeOffLineBreak(before: string, after: string): string {
  return before.endsWith('\n') || before === '' ? after : after.replace(/\r?\n$/, '')
}

/** What is wrong with a text as JSON; undefined if nothing is. */
function explainJson(text: string): string | undefined {
  try {
    JSON.parse(text)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

async function wantsToGoOn({ stdin, err, signal }: Terminal): Promise<boolean> {
  if (stdin.isTTY !== true || !err.isTerminal) return false
  await err.write('Edit it again? [Y/n] ')
  const lines = createInterface({ input: stdin })
  try {
    return !/^n/i.test(await lines.question('', { signal }))
  } finally {
    lines.close()
  }
}

/** Resolves when the editor has ended well. It may be given with arguments, as git takes it. */
async function runEditor({ env }: Terminal, path: string): Promise<void> {
  const editor = env.VISUAL || env.EDITOR || 'vi'
  const child = spawn('sh', ['-c', `${editor} "$1"`, 'sh', path], { stdio: 'inherit' })
  const [code, cause] = await new Promise<[number | null, unknown?]>((resolve) => {
    child.on('error', (error) => resolve([null, error]))
    child.on('close', (exitCode) => resolve([exitCode]))
  })
  if (code === 0) return
  const how = cause === undefined ? `ended with ${code ?? 'a signal'}` : 'could not be run'
  throw new CommandError('no', `The editor ${JSON.stringify(editor)} ${how}; nothing was changed.`)
}
