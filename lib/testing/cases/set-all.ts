/** Writing many keys at once. */

import type { Scope } from '../../index.js'

/** Sets each key to its own name. */
export async function setAll(scope: Scope, keys: readonly string[]): Promise<void> {
  await Promise.all(keys.map((key) => scope.set(key, key)))
}
