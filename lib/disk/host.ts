/** The machine and the process: clock, random, who we are, and whether another process lives. */

import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { basename } from 'node:path'
import { threadId } from 'node:worker_threads'

/** A process, so that another one can tell whether it still lives. Empty strings: not known on this system. */
export interface ProcessIdentity {
  /** The machine, as a hash. */
  readonly machine: string
  /** This start of the machine, a UUID. */
  readonly boot: string
  /** Where the pid counts. */
  readonly pidNamespace: string
  readonly pid: number
  /** When the process started, in clock ticks since the boot. */
  readonly startTime: string
  /** The worker thread; 0 is the main one. */
  readonly thread: number
  /** The system's own number of the thread, and its start time: a worker can end while its process goes on. */
  readonly task?: string | undefined
}

/** What the engine asks of the machine. A simulation puts its own here. */
export interface Host {
  readonly identity: ProcessIdentity
  /** Milliseconds since 1970, with a fraction in which two processes are unlikely to agree. */
  now(): number
  /** Milliseconds that only rise. */
  monotonicMs(): number
  /** A name nobody else makes up: 24 hexadecimal digits. */
  randomName(): string
  /** Whether a process lives: undefined if it cannot be told from here. */
  isAlive(other: ProcessIdentity): boolean | undefined
}

/** Whether two identities are of one process. */
export function isSameProcess(left: ProcessIdentity, right: ProcessIdentity): boolean {
  return (
    left.pid === right.pid &&
    left.thread === right.thread &&
    left.startTime === right.startTime &&
    left.boot === right.boot &&
    left.pidNamespace === right.pidNamespace
  )
}

/** This machine and this process. */
export const host: Host = {
  identity: identify(),
  now: () => Date.now() + (performance.now() % 1),
  monotonicMs: () => performance.now(),
  randomName: () => randomBytes(12).toString('hex'),
  isAlive: (other) => isAlive(other, host.identity),
}

function identify(): ProcessIdentity {
  const machine = readText('/etc/machine-id') + hostname()
  return {
    machine: createHash('sha256').update(machine).digest('hex').slice(0, 16),
    boot: readText('/proc/sys/kernel/random/boot_id'),
    pidNamespace: readLink('/proc/self/ns/pid'),
    pid: process.pid,
    startTime: readStartTime(`${process.pid}`) ?? '',
    thread: threadId,
    task: describeTask(process.pid, basename(readLink('/proc/thread-self'))),
  }
}

/** A thread of a process, by the system's number; empty if there is none, or the system tells nothing. */
function describeTask(pid: number, number: string): string {
  const startTime = number === '' ? undefined : readStartTime(`${pid}/task/${number}`)
  return startTime === undefined ? '' : `${number} ${startTime}`
}

/** An owner on this machine under another boot is gone; one under this boot and pid namespace can be looked up. */
function isAlive(other: ProcessIdentity, self: ProcessIdentity): boolean | undefined {
  if (other.boot === '' || self.boot === '') return undefined
  if (other.boot !== self.boot) return other.machine === self.machine ? false : undefined
  if (other.pidNamespace !== self.pidNamespace || other.pidNamespace === '') return undefined
  if (readStartTime(`${other.pid}`) !== other.startTime) return false
  const [number = ''] = other.task?.split(' ') ?? []
  return number === '' || describeTask(other.pid, number) === other.task
}

/** The start time of a live process or thread, by its path in /proc; undefined if it is gone or waits to be reaped. */
function readStartTime(path: string): string | undefined {
  const stat = readText(`/proc/${path}/stat`)
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const isGone = stat === '' || fields[0] === 'Z' || fields[0] === 'X'
  return isGone ? undefined : fields[19]
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1').trim()
  } catch {
    return ''
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
