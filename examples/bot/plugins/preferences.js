// @ts-check
/** Preferences, in the plugin's own storage: `setpref theme dark` makes the file `pref_theme`, which holds `dark`. */

import { KeyNotFoundError } from 'plainkeep'

const PREFIX = 'pref_'

/**
 * @param {import('plainkeep').PluginContext} context
 * @returns {import('../bot.js').Plugin}
 */
export function preferences(context) {
  return {
    id: context.pluginId,
    commands: {
      setpref: {
        parameters: ['NAME', 'VALUE'],
        about: 'remembers a preference',
        async run(name, value) {
          await context.setPluginStorage(PREFIX + name, value)
          return `${name} = ${value}`
        },
      },
      getpref: {
        parameters: ['NAME'],
        about: 'shows a preference',
        run: (name) =>
          unlessMissing(
            name,
            async () => `${name} = ${await context.getPluginStorage(PREFIX + name, 'text')}`,
          ),
      },
      listprefs: {
        parameters: [],
        about: 'shows all preferences',
        async run() {
          const lines = []
          for await (const { key, value } of context.storage.entries({ prefix: PREFIX, codec: 'text' })) {
            lines.push(`${key.slice(PREFIX.length)} = ${value}`)
          }
          return lines.length === 0 ? 'There are no preferences yet.' : lines
        },
      },
      delpref: {
        parameters: ['NAME'],
        about: 'forgets a preference',
        run: (name) =>
          unlessMissing(name, async () => {
            await context.deletePluginStorage(PREFIX + name)
            return `${name} is forgotten.`
          }),
      },
    },
  }
}

/**
 * What the call answers, or a kind word if the preference is missing. Get and delete both reject for a missing key.
 *
 * @param {string} name
 * @param {() => Promise<string>} call
 */
async function unlessMissing(name, call) {
  try {
    return await call()
  } catch (error) {
    if (error instanceof KeyNotFoundError) return `There is no preference ${JSON.stringify(name)}.`
    throw error
  }
}
