/** Checks which files the published package holds: the built library, its documents and its papers, nothing else. */

import { execFileSync } from 'node:child_process'

const ALLOWED = /^(dist\/.+\.(js|d\.ts)|docs\/.+\.md|package\.json|README\.md|LICENSE|CHANGELOG\.md)$/
const REQUIRED = [
  ...['dist/index.js', 'dist/index.d.ts', 'docs/guide.md', 'package.json'],
  ...['README.md', 'LICENSE', 'CHANGELOG.md'],
]

const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { encoding: 'utf8' })
const [{ files, size }] = JSON.parse(output)
/** @type {string[]} */
const paths = files.map((/** @type {{ path: string }} */ file) => file.path)

const complaints = [
  ...paths.filter((path) => !ALLOWED.test(path)).map((path) => `${path} does not belong into the package`),
  ...REQUIRED.filter((path) => !paths.includes(path)).map((path) => `${path} is missing from the package`),
]
for (const complaint of complaints) console.error(complaint)
if (complaints.length > 0) process.exit(1)
console.log(
  `The package holds ${paths.length} files, ${Math.ceil(size / 1024)} KiB packed, and nothing else.`,
)
