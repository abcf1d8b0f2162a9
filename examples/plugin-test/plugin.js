/** A plugin that counts greetings. It knows its context and nothing of the disk. */
export async function greet(context, name) {
  const count = await context.storage.update('greetings', (now = 0) => now + 1, { codec: 'json' })
  return `Hello ${name}, you are number ${count}.`
}
