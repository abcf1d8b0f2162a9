/** A process of a benchmark: node bench/worker.js MODE FOLDER ARGUMENTS; says a number. */

import { openStorage } from '../dist/index.js'
import { peers } from './peers.js'

const [mode, folder, ...rest] = process.argv.slice(2)

const modes = {
  /** Some writers, as the plugins of a bot, each set one key after another for so many seconds; says how many they did. */
  async write(name, prefix, seconds, writers) {
    const store = await peers.find((peer) => peer.name === name).open(folder)
    const end = performance.now() + seconds * 1000
    let count = 0
    const write = async () => {
      while (performance.now() < end) {
        count += 1
        await store.set(`${prefix}-${count % 500}`, Buffer.alloc(200, `${count} `))
      }
    }
    await Promise.all(Array.from({ length: writers }, write))
    console.log(count)
    await store.close()
  },
  /** Writes so many values, and dies by kill -9 without closing. */
  async die(count) {
    const scope = (await openStorage(folder)).workspace().shared
    await Promise.all(
      Array.from({ length: Number(count) }, (_, index) => scope.set(`k${index}`, Buffer.alloc(900, 'x'))),
    )
    process.kill(process.pid, 'SIGKILL')
  },
  /** Opens the store and sets a key; says how many milliseconds it took. */
  async take() {
    const start = performance.now()
    const storage = await openStorage(folder)
    await storage.workspace().shared.set('next', 'x')
    console.log(performance.now() - start)
    await storage.close()
  },
}

await modes[mode](...rest)
