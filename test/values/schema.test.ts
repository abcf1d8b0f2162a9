/** Schemas of the libraries that people use. */

import { type } from 'arktype'
import * as v from 'valibot'
import { beforeEach, describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { type Scope, ValidationError } from '../../lib/index.js'
import { openMemoryScope } from '../setup/memory-scope.js'

let scope: Scope

beforeEach(async () => {
  scope = await openMemoryScope()
})

const schemas = {
  Zod: z.object({ port: z.number().int(), name: z.string().default('x') }),
  'Zod, answering late': z.object({
    port: z.number().refine(async (port) => port > 0),
    name: z.string().default('x'),
  }),
  Valibot: v.object({ port: v.pipe(v.number(), v.integer()), name: v.optional(v.string(), 'x') }),
  ArkType: type({ port: 'number.integer > 0', name: "string = 'x'" }),
}

describe.each(Object.entries(schemas))('%s', (_, schema) => {
  test('makes what is written and checks what is read', async () => {
    const typed = scope.as({ schema })
    await typed.set('key', { port: 80 })
    expect(await scope.get('key', 'json')).toEqual({ port: 80, name: 'x' })
    expect(await typed.get('key')).toEqual({ port: 80, name: 'x' })
    await expect(typed.set('key', { port: 'eighty' as unknown as number })).rejects.toThrow(ValidationError)
    await scope.set('key', '{"port":true}')
    const error = await typed.get('key').catch((failure: unknown) => failure)
    expect(error).toMatchObject({ code: 'VALIDATION_FAILED', path: `${scope.path}/key` })
    expect((error as ValidationError).issues[0]?.path).toBeDefined()
    expect(await scope.get('key', 'text')).toBe('{"port":true}')
  })

  test('completes a document', async () => {
    const document = scope.document('settings', { schema, defaults: { port: 1 } })
    expect(await document.get()).toEqual({ port: 1, name: 'x' })
    expect(await document.update({ name: 'y' })).toEqual({ port: 1, name: 'y' })
    await expect(document.update({ port: null as unknown as number })).rejects.toThrow(ValidationError)
    expect(await scope.get('settings', 'json')).toEqual({ name: 'y' })
  })
})

test('types are those of the schema', () => {
  const typed = scope.as({ schema: schemas.Zod })
  expectTypeOf(typed.get).returns.resolves.toEqualTypeOf<{ port: number; name: string }>()
  expectTypeOf(typed.set).parameter(1).toEqualTypeOf<{ port: number; name?: string | undefined }>()
  const valibot = scope.document('settings', { schema: schemas.Valibot })
  expectTypeOf(valibot.get).returns.resolves.toEqualTypeOf<{ port: number; name: string }>()
  const arktype = scope.document('settings', { schema: schemas.ArkType })
  expectTypeOf(arktype.get).returns.resolves.toEqualTypeOf<{ port: number; name: string }>()
})
