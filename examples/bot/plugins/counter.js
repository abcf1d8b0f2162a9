// @ts-check
/** Counts the messages, in the plugin's own storage: a JSON number in the file `message_count`. */

import { KeyNotFoundError } from 'plainkeep'

const KEY = 'message_count'

/**
 * @param {import('plainkeep').PluginContext} context
 * @returns {import('../bot.js').Plugin}
 */
export function counter(context) {
  return {
    id: context.pluginId,
    commands: {
      count: {
        parameters: [],
        about: 'tells how many messages there were',
        run: async () => `Messages so far: ${await readCount(context)}`,
      },
    },
    async onMessage() {
      // Read, then write: of two bots that do so at the same moment, one count is lost.
      await context.setStorage(KEY, (await readCount(context)) + 1)
    },
  }
}

/** @param {import('plainkeep').PluginContext} context */
async function readCount(context) {
  try {
    const count = await context.getStorage(KEY)
    return typeof count === 'number' ? count : 0 // a hand may have written something else into the file
  } catch (error) {
    if (error instanceof KeyNotFoundError) return 0
    throw error
  }
}
