/** plainkeep backup and restore, as child processes. */

import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openStorage, verifyBackup } from '../../lib/index.js'
import { Place } from './run.js'

test('a store is backed up, verified, and restored elsewhere and over itself', async () => {
  const place = new Place()
  const steps: [line: string, code: number, told: string][] = [
    ['plainkeep init', 0, ''],
    ['plainkeep set shared motd hello; plainkeep set a/b key one; plainkeep set -w test shared k v', 0, ''],
    ['plainkeep backup --verify b.tar', 0, 'b.tar: 3 keys, 22 KiB, revision 3'],
    ['plainkeep restore --verify b.tar', 0, 'b.tar: 3 keys, 9 B, revision 3, made'],
    ['plainkeep restore b.tar --into copy/of/it', 0, 'copy/of/it: 3 keys, 9 B restored'],
    ['plainkeep get -s copy/of/it a/b key', 0, 'one'],
    ['plainkeep set a/b key two', 0, ''],
    ['plainkeep restore b.tar', 4, 'holds another value than the backup for "key"'],
    ['plainkeep get a/b key', 0, 'two'],
    ['plainkeep restore b.tar --scope shared', 0, '0 keys, 0 B restored; 1 key held the same value already'],
    ['plainkeep restore b.tar --overwrite', 0, '1 key, 3 B restored; 2 keys held the same value already'],
    ['plainkeep get a/b key', 0, 'one'],
    [
      'plainkeep backup part.tar --scope a/b && tar tf part.tar | grep -c default/plugins/a%2Fb/key',
      0,
      '\n1\n',
    ],
    ['plainkeep backup test.tar -w test && tar tf test.tar | grep -c default', 1, '\n0\n'],
    ['printf x >> b.tar; plainkeep restore b.tar --into other; ls', 0, 'something follows its end'],
  ]
  for (const [line, code, told] of steps) {
    const ended = place.sh(line)
    expect({ line, code: ended.code }).toEqual({ line, code })
    expect(ended.out + ended.err, line).toContain(told)
  }
  expect(existsSync(join(place.folder, 'other'))).toBe(false)
})

test('a backup that is asked to end leaves the older archive, and nothing else; its code says so', async () => {
  const place = new Place()
  const storage = await openStorage(place.store)
  await storage.workspace().shared.set('large', Buffer.alloc(60_000_000, 'x'))
  await storage.close()
  const archive = join(place.folder, 'backup.tar')
  await place.call(['backup', archive])
  const old = readFileSync(archive)
  const child = place.start(['backup', archive])
  const isBegun = (): boolean => readdirSync(place.folder).some((name) => name.startsWith('backup.tar.'))
  while (!isBegun() && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 1))
  child.kill('SIGINT')
  await once(child, 'close')
  expect(child.exitCode).toBe(130)
  expect(readFileSync(archive).equals(old)).toBe(true)
  expect(readdirSync(place.folder).sort()).toEqual(['.bin', 'backup.tar', 'data'])
  expect(await verifyBackup(archive)).toMatchObject({ keys: 1 })
})

test('an archive that is refused makes no store, and says why in a line', async () => {
  const place = new Place()
  const archive = join(place.folder, 'b.tar')
  writeFileSync(archive, 'no archive')
  const into = join(place.folder, 'copy')
  const { code, err } = await place.call(['restore', archive, '--into', into])
  expect(code).toBe(7)
  expect(err).toMatch(/^plainkeep: The backup .*b\.tar is refused: .*; restore from another one\.\n$/)
  expect(existsSync(into)).toBe(false)
})
