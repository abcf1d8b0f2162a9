/** Children of a workload, which write to the same log. */

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { say } from './log.js'
import { nameProcess, nap, random } from './session.js'

const workload = fileURLToPath(new URL('workload.js', import.meta.url))

/** Starts a workload of this mode. */
export function startChild(...argv) {
  const child = spawn(process.execPath, [workload, ...argv], {
    stdio: 'inherit',
    env: { ...process.env, CRASH_SEED: String(random(1_000_000)) },
  })
  return { child, ended: new Promise((resolve) => child.on('exit', resolve)) }
}

/** So many children of a mode at a time, for ever; now and then one is killed, and another comes in its place. */
export async function keepRunning(mode, count) {
  const start = () => {
    const name = nameProcess(mode.slice(0, 1))
    return { name, ...startChild(mode, name) }
  }
  const running = Array.from({ length: count }, start)
  for (;;) {
    await nap(200 + random(600))
    const index = random(count)
    const { child, ended, name } = running[index]
    child.kill('SIGKILL')
    await ended
    say(`K ${name}`)
    running[index] = start()
  }
}
