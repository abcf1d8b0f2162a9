/** Builds dist once before all tests, since tests start child processes that import it. */

import { execFileSync } from 'node:child_process'

/** JavaScript alone, unchecked: `npm run types` finds wrong types, and one of them should not hide every test. */
const EMIT_ONLY = ['--noCheck', '--declaration', 'false', '--isolatedDeclarations', 'false']

export default function build(): void {
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json', ...EMIT_ONLY], {
    stdio: 'inherit',
  })
}
