/** Prints `N passed, N failed` from a JSON report of vitest; a file that could not run counts as one failure. */

import { readFileSync } from 'node:fs'

const report = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8'))
/** @type {{ status: string, assertionResults: unknown[] }[]} */
const files = report.testResults
const broken = files.filter(
  ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
)
const failed = report.numFailedTests + broken.length
console.log(`${report.numPassedTests} passed, ${failed} failed`)
