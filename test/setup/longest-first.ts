/** The order of test files: those that take longest first, so that no worker is left alone with one of them in the end. */

import type { TestSpecification } from 'vitest/node'
import { BaseSequencer } from 'vitest/node'

/** Where nothing is known of an earlier run, vitest goes by the size of the files, which says little of these. */
const LONGEST = ['simulation/every-step', 'processes/transactions', 'simulation/every-failure', 'docs-blocks']

/** Those named come first, the others as vitest has them. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const rank = ({ moduleId }: TestSpecification): number => {
      const index = LONGEST.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`))
      return index < 0 ? LONGEST.length : index
    }
    return sorted.sort((left, right) => rank(left) - rank(right))
  }
}
