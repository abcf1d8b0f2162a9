/** plainkeep ls: lists scopes, or the keys of one. */

import { Command } from 'commander'
import type { EntryStat, Scope, Storage } from '../index.js'
import { escapeLine } from './escape.js'
import { formatAge, formatBytes, formatTable } from './format.js'
import { examples } from './help.js'
import {
  describeScope,
  listScopes,
  SCOPE_HELP,
  type StoreOptions,
  scopeOf,
  withStore,
  wordOf,
} from './store.js'
import type { Output, Terminal } from './terminal.js'

interface LsOptions extends StoreOptions {
  readonly long?: boolean
  readonly prefix?: string
  readonly null?: boolean
}

/** Makes the command. */
export function makeLs(terminal: Terminal): Command {
  return new Command('ls')
    .description(
      'Lists the scopes of all workspaces, or of --workspace; or the keys of a scope, sorted by code point.',
    )
    .argument('[scope]', SCOPE_HELP)
    .option('-l, --long', 'with sizes and ages')
    .option('-p, --prefix <text>', 'only keys that begin with it')
    .option('-0, --null', 'end each key with a NUL instead of a line break, for keys that hold one')
    .addHelpText(
      'after',
      examples(
        'plainkeep ls',
        'plainkeep ls --long acme/weather',
        'plainkeep ls --prefix user_ shared',
        'plainkeep ls -0 shared | xargs -0 -n1 plainkeep get shared',
      ),
    )
    .action(async (word: string | undefined, _: object, command: Command) => {
      const options = command.optsWithGlobals<LsOptions>()
      await withStore(terminal, options, (storage) => {
        if (word === undefined) return listAll(terminal.out, storage, options)
        return listKeys(terminal.out, scopeOf(storage, word, options), options)
      })
    })
}

async function listAll(out: Output, storage: Storage, options: LsOptions): Promise<void> {
  const scopes = await listScopes(storage, options)
  const needsUsage = options.long === true || options.json === true
  const usages = needsUsage ? await Promise.all(scopes.map((scope) => scope.usage())) : []
  if (options.json === true) {
    const listed = scopes.map((scope, index) => ({ ...describeScope(scope.id), ...usages[index] }))
    return out.json(listed)
  }
  const names = scopes.map(({ id }) => [id.workspace, wordOf(id)] as const)
  if (!needsUsage && !out.isTerminal) return out.write(names.map((name) => `${name.join('\t')}\n`).join(''))
  const rows = names.map(([workspace, word], index) => {
    const usage = usages[index]
    const size = usage === undefined ? [] : [usage.keys.toLocaleString('en'), formatBytes(usage.bytes)]
    return [...size, out.paint('dim', escapeLine(workspace)), escapeLine(word)]
  })
  await writeLines(out, formatTable(rows, needsUsage ? [0, 1] : []))
}

async function listKeys(out: Output, scope: Scope, options: LsOptions): Promise<void> {
  const keys = await scope.keys({ prefix: options.prefix })
  if (options.long !== true && options.json !== true) {
    const [show, end] =
      out.isTerminal && options.null !== true ? [escapeLine, '\n'] : [String, options.null ? '\0' : '\n']
    return out.write(keys.map((key) => show(key) + end).join(''))
  }
  const stats: EntryStat[] = []
  for (const key of keys) {
    const stat = await scope.stat(key)
    if (stat !== undefined) stats.push(stat)
  }
  if (options.json === true) return out.json(stats)
  const now = Date.now()
  const rows = stats.map(({ key, size, modifiedAt }) => [
    formatBytes(size),
    out.paint('dim', formatAge(now - modifiedAt.getTime())),
    escapeLine(key),
  ])
  await writeLines(out, formatTable(rows, [0, 1]))
}

async function writeLines(out: Output, lines: readonly string[]): Promise<void> {
  await out.write(lines.map((line) => `${line}\n`).join(''))
}
