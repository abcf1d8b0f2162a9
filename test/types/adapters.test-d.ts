/** The adapters are what Keyv and unstorage take, as their own types say it. */

import Keyv5 from 'keyv'
import Keyv6 from 'keyv6'
import * as unstorage1 from 'unstorage'
import * as unstorage2 from 'unstorage2'
import { expectTypeOf, test } from 'vitest'
import { KeyvScope } from '../../lib/adapters/keyv.js'
import { plainkeepDriver } from '../../lib/adapters/unstorage.js'
import type { Scope } from '../../lib/index.js'

declare const scope: Scope

test('Keyv', () => {
  expectTypeOf(new Keyv5<number>({ store: new KeyvScope(scope) }).get<number>('key')).resolves.toEqualTypeOf<
    number | undefined
  >()
  void new Keyv6<number>({ store: new KeyvScope(scope) })
})

test('unstorage', () => {
  const driver = plainkeepDriver({ scope })
  expectTypeOf(driver).toExtend<unstorage1.Driver>()
  expectTypeOf(driver).toExtend<unstorage2.Driver>()
  void unstorage1.createStorage({ driver })
  void unstorage2.createStorage({ driver })
})
