/**
 * Breaks a copy of the library in one place after the other, and prints which test noticed.
 *
 * `npm run test:mutations` tries all; words behind `--` pick those whose name has them. Ends with 1 if one was not noticed.
 */

import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FLUSHES, RULES, TESTS } from './mutations.js'

/** A mutation that keeps a test from ending is noticed as well. */
const LIMIT_MS = 600_000

/** Without a build, since these tests start no processes; the first failure is enough. */
const CONFIG = {
  include: ['test/**/*.test.ts'],
  bail: 1,
  maxWorkers: 1,
  testTimeout: 120_000,
  reporters: ['json'],
  outputFile: 'report.json',
}

/** @typedef {import('./mutations.js').Mutation} Mutation */

const words = process.argv.slice(2)
const picked = [...FLUSHES, ...RULES].filter(({ name }) => words.every((word) => name.includes(word)))
const copy = mkdtempSync(join(tmpdir(), 'plainkeep-mutations-'))
let survivors = 0
try {
  for (const name of ['lib', 'test', 'package.json', 'tsconfig.json'])
    cpSync(name, join(copy, name), { recursive: true })
  writeFileSync(join(copy, 'vitest.config.js'), `export default ${JSON.stringify({ test: CONFIG })}\n`)
  symlinkSync(join(process.cwd(), 'node_modules'), join(copy, 'node_modules'))
  for (const mutation of picked) {
    const start = Date.now()
    const noticed = mutate(mutation, () => findFailure(mutation))
    const seconds = Math.round((Date.now() - start) / 1000)
    if (noticed === undefined) survivors += 1
    console.log(`${noticed === undefined ? 'NOT NOTICED' : 'noticed'} (${seconds} s): ${mutation.name}`)
    if (noticed !== undefined) console.log(`    by ${noticed}`)
  }
} finally {
  rmSync(copy, { recursive: true, force: true })
}
console.log(`${picked.length - survivors} of ${picked.length} mutations were noticed`)
process.exitCode = survivors === 0 && picked.length > 0 ? 0 : 1

/**
 * Runs something while the copy is mutated.
 *
 * @template T
 * @param {Mutation} mutation
 * @param {() => T} body
 * @returns {T}
 */
function mutate({ name, and = [], ...first }, body) {
  const texts = new Map()
  for (const { file, from, to } of [first, ...and]) {
    const path = join(copy, 'lib', file)
    const text = readFileSync(path, 'utf8')
    const count = text.split(from).length - 1
    if (count !== 1) throw new Error(`The text of "${name}" stands ${count} times in lib/${file}.`)
    if (!texts.has(path)) texts.set(path, text)
    writeFileSync(
      path,
      text.replace(from, () => to),
    )
  }
  try {
    return body()
  } finally {
    for (const [path, text] of texts) writeFileSync(path, text)
  }
}

/**
 * The first test that fails, with its file; undefined if none does. Most need no more than a look at a part of the states.
 *
 * @param {Mutation} mutation
 * @returns {string | undefined}
 */
function findFailure({ test }) {
  const file = TESTS[test]
  return runTest(file, { STATES: '20000', SCHEDULES: '40' }) ?? runTest(file, {})
}

/**
 * @param {string} file
 * @param {NodeJS.ProcessEnv} extent
 * @returns {string | undefined}
 */
function runTest(file, extent) {
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', file]
  const env = { ...process.env, SEED: undefined, FIRST: '1', ...extent }
  try {
    execFileSync(process.execPath, vitest, { cwd: copy, env, stdio: 'ignore', timeout: LIMIT_MS })
    return undefined
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ETIMEDOUT')
      return `${file}, which does not end`
    return `${file}: ${readFailedTest()}`
  }
}

function readFailedTest() {
  /** @type {{ testResults: { assertionResults: { status: string, fullName: string }[] }[] }} */
  const report = JSON.parse(readFileSync(join(copy, 'report.json'), 'utf8'))
  const failed = report.testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .find(({ status }) => status === 'failed')
  return failed?.fullName ?? 'cannot be run'
}
