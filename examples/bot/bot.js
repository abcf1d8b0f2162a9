// @ts-check
/** The bot itself: finds the command that a line means, runs it, and turns whatever happens into an answer. */

import { StorageError } from 'plainkeep'

/**
 * @typedef {object} Command
 * @property {readonly string[]} parameters What to write behind the name; the last one takes the rest of the line.
 * @property {string} about What the command does, for `/help`.
 * @property {(...values: string[]) => Answer | Promise<Answer>} run Called with a value for each parameter.
 *
 * @typedef {string | string[] | void} Answer One line, several lines, or nothing.
 *
 * @typedef {object} Plugin
 * @property {string} id
 * @property {Readonly<Record<string, Command>>} commands
 * @property {(line: string) => Promise<void>} [onMessage] Called with every line, before its command runs.
 * @property {(say: (text: string) => void) => Promise<void>} [listen] Runs beside all that, and may say something at any
 *   time. It ends when the store is closed.
 */

/** @param {readonly Plugin[]} plugins */
export function createBot(plugins) {
  const commands = collectCommands(plugins)
  return {
    /**
     * The lines that answer a line. A line without text is no message and gets no answer.
     *
     * @param {string} line
     * @returns {Promise<string[]>}
     */
    async answer(line) {
      const message = line.trim()
      if (message === '') return []
      const answers = []
      for (const plugin of plugins) answers.push(await answerOf(() => plugin.onMessage?.(message)))
      answers.push(await answerOf(() => runCommand(commands, message)))
      return answers.flat()
    },

    /**
     * Lets the plugins say what nobody asked for, until the store is closed.
     *
     * @param {(text: string) => void} say
     */
    async listen(say) {
      await Promise.all(plugins.map((plugin) => listenTo(plugin, say)))
    },
  }
}

/**
 * @param {Plugin} plugin
 * @param {(text: string) => void} say
 */
async function listenTo(plugin, say) {
  try {
    await plugin.listen?.(say)
  } catch (error) {
    if (!(error instanceof StorageError)) throw error
    if (error.code !== 'STORE_CLOSED') say(describeError(error))
  }
}

/**
 * Every command by its name, `help` among them.
 *
 * @param {readonly Plugin[]} plugins
 */
function collectCommands(plugins) {
  /** @type {Map<string, Command>} */
  const commands = new Map()
  commands.set('help', { parameters: [], about: 'lists the commands', run: () => describeCommands(commands) })
  for (const plugin of plugins) {
    for (const [name, command] of Object.entries(plugin.commands)) {
      if (commands.has(name))
        throw new Error(`Plugin ${plugin.id} brings a command that exists already: ${name}.`)
      commands.set(name, command)
    }
  }
  return commands
}

/**
 * @param {ReadonlyMap<string, Command>} commands
 * @param {string} message
 */
function runCommand(commands, message) {
  const [first, rest] = splitWord(message)
  const name = first.replace(/^\//, '') // `/setpref` and `setpref` are the same
  const command = commands.get(name)
  if (command === undefined) return `I know no command ${JSON.stringify(name)}. /help lists those I know.`
  const values = splitValues(rest, command.parameters.length)
  if (values === undefined) return `Please write it so: ${describeUsage(name, command)}`
  return command.run(...values)
}

/**
 * What a call answers. An error of the storage is an answer too, in one line, and the bot goes on; any other error
 * is a mistake in the program and ends it.
 *
 * @param {() => Answer | Promise<Answer>} call
 * @returns {Promise<string[]>}
 */
async function answerOf(call) {
  try {
    const answer = await call()
    return answer === undefined ? [] : [answer].flat()
  } catch (error) {
    if (error instanceof StorageError) return [describeError(error)]
    throw error
  }
}

/** @param {StorageError} error */
function describeError({ message, code }) {
  return `${message} (${code})`
}

/**
 * As many values as asked for, the last one with all that is left; undefined if there are fewer or more.
 *
 * @param {string} text
 * @param {number} count
 */
function splitValues(text, count) {
  const values = []
  let rest = text
  while (values.length < count - 1) {
    const [word, behind] = splitWord(rest)
    values.push(word)
    rest = behind
  }
  if (count > 0) values.push(rest)
  else if (rest !== '') return undefined
  return values.includes('') ? undefined : values
}

/**
 * The first word, and what stands behind it.
 *
 * @param {string} text
 * @returns {[word: string, rest: string]}
 */
function splitWord(text) {
  const space = text.search(/\s/)
  return space === -1 ? [text, ''] : [text.slice(0, space), text.slice(space).trimStart()]
}

/** @param {ReadonlyMap<string, Command>} commands */
function describeCommands(commands) {
  return Array.from(
    commands,
    ([name, command]) => `${describeUsage(name, command).padEnd(24)} ${command.about}`,
  )
}

/**
 * @param {string} name
 * @param {Command} command
 */
function describeUsage(name, command) {
  return [`/${name}`, ...command.parameters].join(' ')
}
