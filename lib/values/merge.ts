/** Merging: plain objects are merged deeply, anything else is taken as a whole. */

/** A new object that has the properties of `under`, and over them those of `over` that are not undefined. */
export function mergeOver(under: unknown, over: unknown): unknown {
  if (over === undefined) return under
  if (!isPlain(under) || !isPlain(over)) return over
  const merged = { ...under }
  for (const [name, value] of Object.entries(over)) {
    if (value !== undefined) define(merged, name, mergeOver(own(merged, name), value))
  }
  return merged
}

/** The same, but a property that is undefined in the patch is taken out. */
export function applyPatch(target: unknown, patch: unknown): unknown {
  if (!isPlain(patch)) return patch
  const patched = isPlain(target) ? { ...target } : {}
  for (const [name, value] of Object.entries(patch)) {
    if (value === undefined) delete patched[name]
    else define(patched, name, applyPatch(own(patched, name), value))
  }
  return patched
}

/** Whether it is an object as a literal makes it, in this realm or another. */
export function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function own(object: Record<string, unknown>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

/** A file may hold any name, `__proto__` too; it must not reach a prototype. */
function define(object: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
}
