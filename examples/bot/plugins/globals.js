// @ts-check
/** Globals, in the storage that all plugins of the workspace share: every plugin and every bot sees them. */

/** What the keys of globals begin with. */
export const PREFIX = 'global_'

/**
 * @param {import('plainkeep').PluginContext} context
 * @returns {import('../bot.js').Plugin}
 */
export function globals(context) {
  return {
    id: context.pluginId,
    commands: {
      setglobal: {
        parameters: ['NAME', 'VALUE'],
        about: 'sets a global for all plugins',
        async run(name, value) {
          await context.setWorkspaceStorage(PREFIX + name, value)
          return `${name} = ${value}`
        },
      },
      getglobal: {
        parameters: ['NAME'],
        about: 'shows a global',
        async run(name) {
          // `find` gives undefined for a missing key, where `getWorkspaceStorage` rejects with KeyNotFoundError.
          const value = await context.workspace.find(PREFIX + name, 'text')
          return value === undefined ? `There is no global ${JSON.stringify(name)}.` : `${name} = ${value}`
        },
      },
      listglobals: {
        parameters: [],
        about: 'shows all globals',
        async run() {
          const lines = []
          for await (const { key, value } of context.workspace.entries({ prefix: PREFIX, codec: 'text' })) {
            lines.push(`${key.slice(PREFIX.length)} = ${value}`)
          }
          return lines.length === 0 ? 'There are no globals yet.' : lines
        },
      },
    },
  }
}
