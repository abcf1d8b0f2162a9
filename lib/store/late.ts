/**
 * Late values: a schema may take its time over a value, and the write keeps its place all the same. Later writes of the
 * same key wait until it has begun, so that the last that was called wins.
 */

import type { Awaitable } from '../base/awaitable.js'
import type { ScopeId } from '../base/scope-id.js'

/** By key, for an engine or a transaction: settles when the writes that were called so far have begun. */
const gatesOf = new WeakMap<object, Map<string, Promise<unknown>>>()

/**
 * Begins a write of a key once its value is there, and earlier writes of the key by the same owner have begun: at once if
 * nothing is late. Gives what the write gives; rejects as the value or the write does.
 */
export function keepOrder<V, T>(
  owner: object,
  { scope, key }: { readonly scope: ScopeId; readonly key: string },
  value: Awaitable<V>,
  write: (value: V) => Promise<T>,
): Promise<T> {
  const gates = gatesOf.get(owner)
  if (!(value instanceof Promise) && (gates === undefined || gates.size === 0)) return write(value)
  const name = [scope.workspace, scope.plugin, String(key)].join('\0') // no key yet: it may be anything
  const before = gates?.get(name)
  if (before === undefined && !(value instanceof Promise)) return write(value)
  const begun = Promise.all([value, before]).then(([ready]) => ({ result: write(ready) }))
  closeGate(owner, name, Promise.allSettled([before, begun]))
  return begun.then(({ result }) => result)
}

/** Makes later writes of a key wait; once the gate settles, and is the last, nobody needs to any more. */
function closeGate(owner: object, name: string, gate: Promise<unknown>): void {
  const gates = gatesOf.get(owner) ?? new Map<string, Promise<unknown>>()
  gatesOf.set(owner, gates.set(name, gate))
  void gate.then(() => {
    if (gates.get(name) === gate) gates.delete(name)
  })
}
