/** Codecs beyond bytes, text and JSON: what they refuse, and what they leave alone. */

import assert from 'node:assert/strict'
import { objectCodec, type StandardSchema } from '../../index.js'
import { equalBytes, rejectsWith } from '../assertions.js'
import type { Cases } from '../harness.js'

class Point {
  x = 1
}

function circle(): object {
  const circular = new Set<unknown>()
  circular.add([circular])
  return circular
}

/** Refused by the codec for objects. */
const REFUSED: readonly unknown[] = [
  ...[undefined, () => 1, Symbol('a'), new Point(), [new (class extends Map {})()], circle()],
  ...[{ at: new Date(Number.NaN) }, Promise.resolve(), Float64Array.of(Number.NaN), new TypeError('a')],
  ...[JSON.parse('{"__proto__":1}'), { constructor: 1 }, new DataView(new ArrayBuffer(1))],
]

/** Takes any list of numbers, and its time. */
const late: StandardSchema<number[]> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: async (value) => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      return { value: value as number[] }
    },
  },
}

/** What codecs keep to. */
export const codecCases: Cases = {
  'what the codec for objects cannot give back is refused, and the earlier value stays': async ({
    scope,
  }) => {
    await scope.set('key', 1n, { codec: 'object' })
    for (const value of REFUSED) {
      const error = await rejectsWith('INVALID_VALUE', () => scope.set('key', value, { codec: 'object' }), {
        key: 'key',
        scope: scope.id,
      })
      assert.equal(error.outcome, 'none')
    }
    assert.equal(await scope.get('key', 'object'), 1n)
  },

  'no file makes the codec for objects change a prototype': async ({ scope }) => {
    const points = objectCodec({ classes: [Point] })
    for (const text of [
      '{"json":{"__proto__":{"polluted":true}}}',
      '{"json":{"\\u005f_proto__":{"polluted":true}},"meta":{"values":[["class","Point"]],"v":1}}',
      '{"json":{"a":1},"meta":{"values":{"__proto__.polluted":["Date"]},"v":1}}',
      '{"json":{"a":{}},"meta":{"referentialEqualities":{"a":["constructor.prototype.polluted"]},"v":1}}',
    ]) {
      await scope.set('key', text)
      const error = await rejectsWith('DECODE_FAILED', () => scope.get('key', points), { key: 'key' })
      assert.ok(error.message.includes(scope.path), 'The message should name the file.')
      assert.equal((Object.prototype as { polluted?: unknown }).polluted, undefined)
      equalBytes(await scope.get('key', 'bytes'), text)
    }
  },

  'a value that changes while a schema takes its time is stored as it was': async ({ scope }) => {
    const codec = { schema: late }
    const list = [1]
    const writes = [
      scope.set('a', list, { codec }),
      scope.transaction((own) => own.set('b', list, { codec })),
    ]
    list.push(2)
    await Promise.all(writes)
    assert.deepEqual(await scope.get('a', codec), [1])
    assert.deepEqual(await scope.get('b', codec), [1])
  },

  'writes of one key keep their order though a schema takes its time over some': async ({
    scope,
    context,
  }) => {
    const codec = { schema: late }
    await Promise.all([
      scope.set('last', [1], { codec }),
      scope.set('last', 'second'),
      scope.delete('last'),
      context.storage.set('last', [4], { codec }),
      context.setPluginStorage('last', 'fifth'),
      scope.set('gone', [1], { codec }),
      scope.delete('gone'),
    ])
    equalBytes(await scope.get('last'), 'fifth')
    assert.deepEqual(await scope.keys(), ['last'])
    await scope.transaction(async (own) => {
      for (const write of [own.set('last', [6], { codec }), own.set('gone', [7], { codec })])
        write.catch(() => undefined)
      await Promise.all([own.set('last', 'seventh'), own.delete('gone')])
      equalBytes(await own.get('last'), 'seventh')
    })
    equalBytes(await scope.get('last'), 'seventh')
    assert.deepEqual(await scope.keys(), ['last'])
  },

  'a value that a late schema refuses holds up no later write': async ({ scope }) => {
    const never: StandardSchema = {
      '~standard': { version: 1, vendor: 'test', validate: async () => ({ issues: [{ message: 'no' }] }) },
    }
    const refused = rejectsWith('VALIDATION_FAILED', () => scope.set('key', 1, { codec: { schema: never } }))
    const writes = [scope.set('key', [2], { codec: { schema: late } }), scope.set('key', 'third')]
    await Promise.all([refused, ...writes])
    equalBytes(await scope.get('key'), 'third')
  },

  'a patch does not write over a file that holds no object': async ({ scope }) => {
    const settings = scope.document('settings', { defaults: { port: 80 } })
    for (const text of ['[1]', 'null', '{"port":']) {
      await scope.set('settings', text)
      await rejectsWith('DECODE_FAILED', () => settings.update({ port: 81 }), { key: 'settings' })
      equalBytes(await scope.get('settings'), text)
    }
  },
}
