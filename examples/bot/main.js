// @ts-check
/**
 * A bot in the terminal. It shows how a host uses plainkeep: open a store, give each plugin its context, close.
 *
 *     node examples/bot/main.js [DATA]      the data is in DATA, or $PLAINKEEP_DATA, or ./data
 */

import { join } from 'node:path'
import { openStorage, StorageError } from 'plainkeep'
import { createBot } from './bot.js'
import { announcer } from './plugins/announcer.js'
import { counter } from './plugins/counter.js'
import { globals } from './plugins/globals.js'
import { preferences } from './plugins/preferences.js'
import { isInteractive, print, printBetween, readLines } from './terminal.js'

/** The plugins by their ids. The host gives out the ids, so that no plugin can pick the storage of another. */
const PLUGINS = { preferences, globals, announcer, counter }

const HISTORY_LIMIT_LINES = 500

/** @param {string} dataPath */
async function main(dataPath) {
  const storage = await openStorage(dataPath)
  try {
    await talk(storage)
  } finally {
    await storage.close()
  }
}

/**
 * Answers line after line until the input ends, the person quits, or a signal asks to stop.
 *
 * @param {import('plainkeep').Storage} storage
 */
async function talk(storage) {
  const stop = stopOnSignals()
  const workspace = storage.workspace('default')
  const plugins = Object.entries(PLUGINS).map(([id, makePlugin]) => makePlugin(workspace.plugin(id)))

  // The host keeps things too. In a workspace of its own they are out of the plugins' reach.
  const host = storage.workspace('host').shared
  await host.set('started_at', `${new Date().toISOString()}\n`)
  const history = linesOf((await host.find('history', 'text')) ?? '')

  const bot = createBot([hostPlugin(storage, stop), ...plugins])
  if (isInteractive) for (const text of describePlace(storage)) print(text)
  void bot.listen(printBetween) // ends with the store

  for await (const line of readLines({ history, signal: stop.signal })) {
    history.push(line)
    for (const text of await bot.answer(line)) print(text)
  }

  // Of two bots that ran at once, the one that ends last leaves its history.
  if (isInteractive) await host.set('history', `${history.slice(-HISTORY_LIMIT_LINES).join('\n')}\n`)
}

/** The first signal ends the talk in good order; the second one ends the process as usual. */
function stopOnSignals() {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => stop.abort())
  process.stdout.on('error', () => stop.abort()) // nobody reads the answers any more
  return stop
}

/**
 * The commands that are about the bot itself.
 *
 * @param {import('plainkeep').Storage} storage
 * @param {AbortController} stop
 * @returns {import('./bot.js').Plugin}
 */
function hostPlugin(storage, stop) {
  return {
    id: 'host',
    commands: {
      where: { parameters: [], about: 'tells where the data is', run: () => describePlace(storage) },
      quit: { parameters: [], about: 'ends the bot', run: () => stop.abort() },
    },
  }
}

/**
 * Where the data is, with commands for a second terminal.
 *
 * @param {import('plainkeep').Storage} storage
 */
function describePlace(storage) {
  const startedAt = join(storage.workspace('host').shared.path, 'started_at')
  const theme = join(storage.workspace('default').plugin('preferences').storage.path, 'pref_theme')
  return [
    `The data is in ${storage.path}: every key is a plain file. Type /help here, or in a second terminal`,
    `  cat ${quoteForShell(startedAt)}`,
    'and, after "setpref theme dark" here,',
    `  cat ${quoteForShell(theme)}`,
  ]
}

/** @param {string} path */
function quoteForShell(path) {
  return /^[\w./@-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}

/** @param {string} text */
function linesOf(text) {
  return text.split('\n').filter((line) => line !== '')
}

try {
  await main(process.argv[2] || process.env.PLAINKEEP_DATA || './data')
} catch (error) {
  if (!(error instanceof StorageError)) throw error
  console.error(`${error.message} (${error.code})`)
  process.exitCode = 1
}
