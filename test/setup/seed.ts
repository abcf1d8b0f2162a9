/** The seed of a random test: another one in each run, or the one in SEED, to run the same again. */

const SEED = process.env.SEED

/** The test must print it, at least when it fails. */
export function readSeed(): number {
  return SEED === undefined ? Date.now() % 1_000_000_000 : Number(SEED)
}
