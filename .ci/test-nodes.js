/**
 * Runs the tests on every Node that is supported, one after the other: node .ci/test-nodes.js [MAJOR…] [-- VITEST ARGUMENTS…]
 *
 * The binaries come from the npm registry, where the package `node` has them too, one package a platform. They are kept
 * below node_modules/.cache; nothing of them is installed anywhere else.
 */

import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const MAJORS = ['20', '22', '24', '26']
const top = fileURLToPath(new URL('..', import.meta.url))

/** The Node binary of a major version; installed if it is not there. */
function installNode(/** @type {string} */ major) {
  const folder = join(top, 'node_modules/.cache/nodes', major)
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
  const binary = join(folder, 'node_modules', name, 'bin', 'node')
  if (existsSync(binary)) return binary
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{"private":true}\n')
  const options = ['--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error']
  execFileSync('npm', ['install', ...options, `${name}@${major}`], { cwd: folder, stdio: 'inherit' })
  return binary
}

/** Whether all tests pass on a Node binary. */
function runTests(/** @type {string} */ binary, /** @type {string[]} */ options) {
  const PATH = `${dirname(binary)}${delimiter}${process.env.PATH}`
  const { status } = spawnSync(binary, [join(top, 'node_modules/vitest/vitest.mjs'), 'run', ...options], {
    cwd: top,
    stdio: 'inherit',
    env: { ...process.env, PATH },
  })
  return status === 0
}

const given = process.argv.slice(2)
const end = given.includes('--') ? given.indexOf('--') : given.length
const majors = end === 0 ? MAJORS : given.slice(0, end)
const results = majors.map((major) => {
  const binary = installNode(major)
  const version = execFileSync(binary, ['--version'], { encoding: 'utf8' }).trim()
  console.log(`\n== Node ${version}`)
  return { version, isGood: runTests(binary, given.slice(end + 1)) }
})
for (const { version, isGood } of results) console.log(`${version}: ${isGood ? 'all tests pass' : 'FAILED'}`)
process.exitCode = results.every(({ isGood }) => isGood) ? 0 : 1
