/** What the conformance suite asks of those who run it, what it gives to each of its cases, and how it runs one. */

import type { PluginContext, Scope, Storage, StorageLimits } from '../index.js'

/** How a case wants its store to be opened. */
export interface ConformanceOptions {
  /** The limits that it is about; all others stay as they are by default. */
  readonly limits?: StorageLimits | undefined
}

/** What the suite runs on: any test runner, and any way to open a store. */
export interface ConformanceHarness {
  /** Declares one test, as `test` of node:test and vitest and `it` of Mocha do. */
  test(name: string, body: () => Promise<void>): void
  /** Opens a fresh, empty store. */
  open(options?: ConformanceOptions): Promise<Storage>
  /** Opens the store of a handle once more, as another process would. The handle may be open or closed. */
  openAgain(storage: Storage): Promise<Storage>
  /** Looks a store over once all its handles are closed, if it can; rejects if there is anything wrong. */
  check?(storage: Storage): Promise<void>
}

/** What a case works on: a store of its own. Whatever it leaves open is closed when it ends. */
export interface Subject {
  /** The store. */
  readonly storage: Storage
  /** A plugin of the workspace `default`. */
  readonly context: PluginContext
  /** The plugin's own storage. */
  readonly scope: Scope
  /** Another handle of the same store. */
  openAgain(): Promise<Storage>
}

/** Cases by their names, each a sentence about behaviour. */
export type Cases = Readonly<Record<string, (subject: Subject) => Promise<void>>>

/** Cases about one thing. */
export interface CaseGroup {
  readonly about: string
  readonly options?: ConformanceOptions | undefined
  readonly cases: Cases
}

/** The plugin whose context a case is given. */
export const PLUGIN_ID = 'acme/weather'

/** Runs a case on a fresh store, closes every handle of it, also if the case failed, and has it looked over. */
export async function runCase(
  harness: ConformanceHarness,
  options: ConformanceOptions | undefined,
  body: Cases[string],
): Promise<void> {
  const storage = await harness.open(options)
  const handles = [storage]
  const openAgain = async (): Promise<Storage> => {
    const handle = await harness.openAgain(storage)
    handles.push(handle)
    return handle
  }
  const context = storage.workspace().plugin(PLUGIN_ID)
  try {
    await body({ storage, context, scope: context.storage, openAgain })
  } catch (failure) {
    // The first failure is the one to tell; those of closing are likely to follow from it.
    await Promise.allSettled(handles.map((handle) => handle.close()))
    throw failure
  }
  await Promise.all(handles.map((handle) => handle.close()))
  await harness.check?.(storage)
}
