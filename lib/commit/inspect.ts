/** Checking a store: everything in it is looked at, and nothing is changed. */

import { StorageError } from '../base/errors.js'
import { Findings } from './finding.js'
import { inspectControl } from './inspect-control.js'
import { inspectScopes } from './inspect-scopes.js'
import type { CheckOptions, CheckReport } from './report.js'
import type { Site } from './site.js'

/**
 * Looks a store over. Others may write meanwhile: what they are in the middle of is no finding. Rejects with
 * `IO_ERROR` if there is no folder, with the error of a system call that says nothing about a single file, and with the
 * reason of an aborted signal.
 */
export async function inspectStore(site: Site, options: CheckOptions = {}): Promise<CheckReport> {
  options.signal?.throwIfAborted()
  const store = site.layout.root
  if ((await site.disk.stat(store))?.kind !== 'folder')
    throw new StorageError('IO_ERROR', `There is no folder ${store} to check; name the folder of a store.`, {
      store,
    })
  const { findings: inControl, owner, journals } = await inspectControl(site)
  const findings = new Findings()
  for (const finding of inControl) findings.add(finding)
  const progress = await inspectScopes(site, findings, options)
  const { isSound, kept, counts } = findings
  return { isSound, findings: kept, counts, owner, journals, ...progress }
}
