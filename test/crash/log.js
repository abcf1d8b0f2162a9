/**
 * The log that a workload writes and the checker reads: one line, one write(2), before and after each operation.
 *
 *   B <id> <scope> <key> set <size> | del    the operation begins; <id> is <process>.<number>
 *   A <id>                                   its promise resolved
 *   F <id> <code> <outcome>                  it was rejected; outcome none, committed or unknown
 *   G <id> <id> ...                          these operations are one commit
 *   K <process>                              this process is dead
 *   X <class> <words>                        the workload itself saw something that must not be
 */

import fs from 'node:fs'

/** Opens the log named by CRASH_ACK, and gives a function that writes one line. */
export function openLog() {
  const descriptor = fs.openSync(process.env.CRASH_ACK, 'a')
  return (line) => {
    fs.writeSync(descriptor, `${line}\n`)
  }
}

/** A value that tells all over which operation wrote it: torn, zeroed or mixed bytes never equal one. Size 0, or 64 up. */
export function makeValue({ id, scope, key, size }) {
  return Buffer.alloc(size, `${id} ${scope}/${key} `)
}

/** Which operation a value claims to be of. */
export function readId(bytes) {
  return /^(\S+) /.exec(bytes.toString('latin1', 0, 64))?.[1]
}

/** Reads a log. `later` are lines that were written while the crash was being made: what begins there is only begun. */
export function parseLog(text, later = '') {
  const log = { operations: new Map(), groups: [], deaths: new Map(), complaints: [] }
  let number = 0
  const begun = later.split('\n').filter((line) => line.startsWith('B '))
  for (const line of [...text.split('\n').filter(Boolean), ...begun]) {
    number += 1
    parseLine(log, line, number)
  }
  return log
}

function parseLine(log, line, number) {
  const [type, first, ...rest] = line.split(' ')
  const operation = log.operations.get(first)
  if (type === 'B') {
    const [scope, key, kind, size] = rest
    const process = first.split('.')[0]
    log.operations.set(first, {
      id: first,
      process,
      scope,
      key,
      kind,
      size: Number(size ?? 0),
      begun: number,
      state: 'begun',
    })
  } else if (type === 'A') Object.assign(operation, { state: 'done', ended: number })
  else if (type === 'F') Object.assign(operation, { state: rest[1], code: rest[0], ended: number })
  else if (type === 'G') log.groups.push([first, ...rest])
  else if (type === 'K') log.deaths.set(first, number)
  else if (type === 'X') log.complaints.push(line.slice(2))
  else throw new Error(`no such line: ${line}`)
}
