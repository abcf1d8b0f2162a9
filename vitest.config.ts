import { defineConfig } from 'vitest/config'
import { LongestFirst } from './test/setup/longest-first.js'

/** Where to write a JSON report beside the printed one; none unless named. */
const report = process.env.PLAINKEEP_REPORT

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    typecheck: { enabled: true, include: ['test/types/**/*.test-d.ts'], tsconfig: 'test/tsconfig.json' },
    globalSetup: ['test/setup/build.ts'],
    pool: 'forks',
    // Many tests wait for processes and timers, so two cores have time for three.
    maxWorkers: 3,
    // The simulation makes millions of objects that soon are of no use.
    execArgv: ['--max-semi-space-size=64'],
    sequence: { sequencer: LongestFirst },
    testTimeout: 30_000,
    hookTimeout: 30_000,
    reporters: report ? ['default', ['json', { outputFile: report }]] : ['default'],
    coverage: { include: ['lib/**/*.ts'] },
  },
})
