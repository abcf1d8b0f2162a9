// @ts-check
/** Announces what becomes of globals without this bot: another bot on the same folder changes one, or a hand does. */

import { PREFIX } from './globals.js'

/**
 * @param {import('plainkeep').PluginContext} context
 * @returns {import('../bot.js').Plugin}
 */
export function announcer(context) {
  return {
    id: context.pluginId,
    commands: {},
    async listen(say) {
      // Ends with the store. What this bot changes is answered already, to the one who asked for it.
      for await (const change of context.workspace.watch({ prefix: PREFIX })) {
        if (change.source !== 'local') say(await describe(context, change))
      }
    },
  }
}

/**
 * The change in words. The value is the one that is there now: the change's own, or a later one.
 *
 * @param {import('plainkeep').PluginContext} context
 * @param {import('plainkeep').Change} change
 */
async function describe(context, { type, key, source }) {
  const name = key.slice(PREFIX.length)
  const who = source === 'process' ? 'by another bot' : 'by hand'
  const bytes = type === 'set' ? await context.workspace.find(key) : undefined
  if (bytes === undefined) return `* ${name} was deleted ${who}`
  return `* ${name} = ${new TextDecoder().decode(bytes).trimEnd()}, set ${who}` // whatever a hand wrote
}
