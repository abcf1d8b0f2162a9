/** Files that show, until they have their time, that they have not got it. */

import nodeFs, { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { UNTIMED_MODE } from '../../lib/disk/disk.js'
import { NodeDisk } from '../../lib/disk/node-disk.js'

const MODE = 0o640
const TIME = 1_700_000_000_123_456_000n

let folder: string
/** The modes of what was made and changed, and where the time was set. */
let steps: unknown[]

const fs = {
  ...nodeFs,
  openSync: ((path: string, flags: number, mode: number) => {
    if (flags & nodeFs.constants.O_CREAT) steps.push(mode)
    return nodeFs.openSync(path, flags, mode)
  }) as typeof nodeFs.openSync,
  futimesSync: ((...call) => {
    steps.push('time')
    nodeFs.futimesSync(...call)
  }) as typeof nodeFs.futimesSync,
  fchmodSync: ((descriptor, mode) => {
    steps.push(mode)
    nodeFs.fchmodSync(descriptor, mode)
  }) as typeof nodeFs.fchmodSync,
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'plainkeep-marked-'))
  steps = []
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

test.each([
  ['an exact mode', true, [0o1640, 0o1640, 'time', 0o640]],
  ['a mode before the umask', false, [0o1640, 'time', 0o640]],
])('a marked file has the mark until it has its time: %s', async (_, exactMode, expected) => {
  const disk = new NodeDisk(fs, 65_536)
  const path = join(folder, 's1')
  const options = { mode: MODE | UNTIMED_MODE, exactMode, time: TIME }
  const stat = await disk.createFile(path, Buffer.from('value'), options)
  expect(steps).toEqual(expected)
  expect(stat.mode).toBe(MODE)
  expect(stat.time / 1000n).toBe(TIME / 1000n) // from Node 24 on there are some nanoseconds too
  expect(nodeFs.statSync(path).mode & 0o7777).toBe(MODE)
  expect(readFileSync(path, 'utf8')).toBe('value')
})
