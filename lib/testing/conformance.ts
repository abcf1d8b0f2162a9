/**
 * The contract of a store, as tests that any test runner can run: each case opens a fresh store, uses its public
 * interface alone, closes it, and has it looked over.
 *
 * ```ts
 * import { test } from 'node:test'
 * import { openStorage } from 'plainkeep'
 *
 * describeStorage({
 *   test,
 *   open: async (options) => openStorage(await mkdtemp('/tmp/store-'), options),
 *   openAgain: (storage) => openStorage(storage.path),
 * })
 * ```
 */

import { abortCases } from './cases/abort.js'
import { checkingCases } from './cases/checking.js'
import { closeCases } from './cases/close.js'
import { codecCases } from './cases/codecs.js'
import { conditionCases } from './cases/conditions.js'
import { contextCases } from './cases/context.js'
import { documentCases } from './cases/documents.js'
import { entriesCases } from './cases/entries.js'
import { errorCases } from './cases/errors.js'
import { handleCases } from './cases/handles.js'
import { isolationCases } from './cases/isolation.js'
import { keysCases } from './cases/keys.js'
import { limitCases } from './cases/limits.js'
import { nameCases } from './cases/names.js'
import { orderCases } from './cases/order.js'
import { quotaCases } from './cases/quotas.js'
import { transactionCases } from './cases/transactions.js'
import { updateCases } from './cases/update.js'
import { valueCases } from './cases/values.js'
import { versionCases } from './cases/versions.js'
import { watchingCases } from './cases/watching.js'
import { type CaseGroup, type ConformanceHarness, runCase } from './harness.js'

export type { ConformanceHarness } from './harness.js'

const GROUPS: readonly CaseGroup[] = [
  { about: 'context', cases: contextCases },
  { about: 'values', cases: valueCases },
  { about: 'versions', cases: versionCases },
  { about: 'keys', cases: keysCases },
  { about: 'entries', cases: entriesCases },
  { about: 'names', cases: nameCases },
  { about: 'isolation', cases: isolationCases },
  { about: 'order', cases: orderCases },
  { about: 'handles', cases: handleCases },
  { about: 'errors', cases: errorCases },
  { about: 'limits', cases: limitCases, options: { limits: { valueBytes: 10 } } },
  { about: 'quotas', cases: quotaCases, options: { limits: { keysPerScope: 3, bytesPerScope: 20 } } },
  { about: 'conditions', cases: conditionCases },
  { about: 'update', cases: updateCases },
  { about: 'transactions', cases: transactionCases },
  { about: 'codecs', cases: codecCases },
  { about: 'documents', cases: documentCases },
  { about: 'checking', cases: checkingCases },
  { about: 'watching', cases: watchingCases },
  { about: 'aborting', cases: abortCases },
  { about: 'closing', cases: closeCases },
]

/** Declares every test of the contract with a harness. */
export function describeStorage(harness: ConformanceHarness): void {
  for (const { about, cases, options } of GROUPS) {
    for (const [name, body] of Object.entries(cases)) {
      harness.test(`${about}: ${name}`, () => runCase(harness, options, body))
    }
  }
}
