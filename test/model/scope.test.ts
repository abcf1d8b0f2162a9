/**
 * Random steps on a store against plain maps: a failure prints the shortest sequence that fails, its seed and its path.
 * `SEED=<seed> npx vitest run test/model` runs the same again.
 */

import nodeFs, { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { createFsFromVolume, Volume } from 'memfs'
import { expect, test } from 'vitest'
import type { FileSystem } from '../../lib/index.js'
import { readSeed } from '../setup/seed.js'
import { type EditableFs, runSteps, steps } from './world.js'

const RUNS = process.env.PLAINKEEP_LONG ? 40 : 1
const seed = readSeed()

async function assertModel(
  numRuns: number,
  run: (sequence: Parameters<typeof runSteps>[3]) => Promise<void>,
): Promise<void> {
  let count = 0
  const property = fc.asyncProperty(steps, async (sequence) => {
    await run(sequence)
    count += [...sequence].length
  })
  await fc.assert(property, { numRuns, seed })
  console.log(`seed ${seed}: ${count} steps in ${numRuns} sequences`)
  expect(count).toBeGreaterThan(numRuns)
}

const createMemory = (): EditableFs => createFsFromVolume(new Volume()) as unknown as EditableFs

test('three handles that share an engine do what maps do, in memory', async () => {
  await assertModel(80 * RUNS, async (sequence) => {
    const memory = createMemory()
    await runSteps(memory, '/store', [memory, memory, memory], sequence)
  })
}, 600_000)

test('handles of two engines, which take over from one another, do what maps do, in memory', async () => {
  await assertModel(8 * RUNS, async (sequence) => {
    const memory = createMemory()
    await runSteps(memory, '/store', [memory, { ...memory }, memory], sequence)
  })
}, 600_000)

test.each([1, 2])(
  'handles of %i engines do what maps do, on a real filesystem',
  async (count) => {
    await assertModel((count === 1 ? 12 : 6) * RUNS, async (sequence) => {
      const root = realpathSync(mkdtempSync(join(tmpdir(), 'plainkeep-model-')))
      const other = count === 1 ? nodeFs : { ...nodeFs }
      try {
        await runSteps(nodeFs, root, [nodeFs, other as FileSystem, nodeFs], sequence)
      } finally {
        rmSync(root, { recursive: true, force: true })
      }
    })
  },
  600_000,
)
