/**
 * The log that a workload writes and the checker reads: one line, one write(2), before and after each operation.
 *
 *   B <id> <scope> <key> set <size> | del    the operation begins; <id> is <process>.<number>
 *   A <id>                                   its promise resolved
 *   F <id> <code> <outcome>                  it was rejected; outcome none, committed or unknown
 *   G <id> <id> ...                          these operations are one commit
 *   R                                        a repair may put a file of a foreign name in its place
 *   W <name>                                 the other lines are those of transfers.js, swaps.js or migrations.js
 *   K <process>                              this process is dead
 *   X <class> <words>                        the workload itself saw something that must not be
 */

import fs from 'node:fs'

let descriptor

/** Writes one line to the log named by CRASH_ACK, with one call. */
export function say(line) {
  descriptor ??= fs.openSync(process.env.CRASH_ACK, 'a')
  fs.writeSync(descriptor, `${line}\n`)
}

/** Whether an error says that what was written is not what is there: no crash may do that. */
export const isDamage = ({ code }) => code === 'CORRUPT_JOURNAL' || code === 'DECODE_FAILED'

/** A value that tells all over which operation wrote it: torn, zeroed or mixed bytes never equal one. Size 0, or 64 up. */
export function makeValue({ id, scope, key, size }) {
  return Buffer.alloc(size, `${id} ${scope}/${key} `)
}

/** Which operation a value claims to be of. */
export function readId(bytes) {
  return /^(\S+) /.exec(bytes.toString('latin1', 0, 64))?.[1]
}

/** The lines of a log. `later` are those that were written while the crash was being made: what begins there is only begun. */
export function splitLog(text, later = '') {
  const begun = later.split('\n').filter((line) => line.startsWith('B '))
  return [...text.split('\n').filter(Boolean), ...begun]
}

/** What a log says of the keys. */
export function parseLog(lines) {
  const log = { operations: new Map(), groups: [], deaths: new Map(), complaints: [] }
  for (const [index, line] of lines.entries()) parseLine(log, line, index + 1)
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
  else if (type !== 'R') throw new Error(`no such line: ${line}`)
}
