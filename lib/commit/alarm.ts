/** Sleeping until a time comes or something happens, whichever is first. */

/** One sleeper at a time; a ring while nobody sleeps is kept for the next sleep. */
export class Alarm {
  #isRung = false
  #wake: (() => void) | undefined

  /** Ends the present sleep, or the next one at once. */
  ring(): void {
    this.#isRung = true
    this.#wake?.()
  }

  /** Resolves after so many milliseconds or when it rings. A sleep that is not `keepAlive` lets the process exit. */
  async sleep(ms: number, keepAlive: boolean): Promise<void> {
    if (!this.#isRung) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms)
        if (!keepAlive) timer.unref()
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    this.#wake = undefined
    this.#isRung = false
  }
}
