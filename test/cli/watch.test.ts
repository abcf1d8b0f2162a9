/** plainkeep watch: beside other processes, and beside edits by hand. */

import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openStorage } from '../../lib/index.js'
import { Place } from './run.js'

/** Resolves when a text contains another one. */
async function until(read: () => string, wanted: string): Promise<void> {
  const deadlineMs = Date.now() + 20_000
  while (!read().includes(wanted)) {
    if (Date.now() > deadlineMs) throw new Error(`There should be ${wanted} in ${read()}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

test('commits of others and edits by hand are told, one a line, until it is asked to end', async () => {
  const place = new Place()
  const storage = await openStorage(place.store)
  const context = storage.workspace().plugin('acme/weather')
  await context.setWorkspaceStorage('mail', 'value')
  const [people, programs] = [
    place.start(['watch']),
    place.start(['watch', '--json', 'shared', '-i', '-p', 'm']),
  ]
  let [out, json, err] = ['', '', '']
  people.stdout.on('data', (chunk: Buffer) => (out += chunk))
  people.stderr.on('data', (chunk: Buffer) => (err += chunk))
  programs.stdout.on('data', (chunk: Buffer) => (json += chunk))
  await until(() => err, 'Watching')
  await until(() => json, '"mail"')
  await context.setWorkspaceStorage('motd', 'hello')
  await until(() => json, '"motd"')
  await context.setPluginStorage('a\nb', 'value')
  await until(() => out, 'acme/weather a\\nb')
  writeFileSync(join(place.store, 'default/shared/motd'), 'by hand')
  await until(() => out, 'by hand')
  await until(() => json, '"external"')
  await context.deleteWorkspaceStorage('motd')
  await until(() => out, 'delete')
  await until(() => json, '"delete"')
  for (const [child, signal] of [
    [people, 'SIGINT'],
    [programs, 'SIGTERM'],
  ] as const) {
    child.kill(signal)
    await once(child, 'close')
    expect(child.exitCode).toBe(0)
  }
  expect(out.split('\n').map((line) => line.replace(/^\d\d:\d\d:\d\d /, ''))).toEqual([
    ...[
      'set    default shared motd #2 by acme/weather',
      'set    default acme/weather a\\nb #3 by acme/weather',
    ],
    ...['set    default shared motd by hand', 'delete default shared motd #4 by acme/weather', ''],
  ])
  const place1 = { workspace: 'default', scope: 'shared', key: 'motd' }
  const lines = json
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as object)
  expect(lines).toMatchObject([
    { type: 'set', key: 'mail', source: 'initial' },
    {
      type: 'set',
      ...place1,
      revision: 2,
      by: 'acme/weather',
      source: 'process',
      version: expect.any(String),
    },
    { type: 'set', ...place1, source: 'external' },
    { type: 'delete', ...place1, revision: 4 },
  ])
  await storage.close()
})
