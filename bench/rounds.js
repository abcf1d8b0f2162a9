/** Paired comparison: all contenders in turn, round by round, so that a noisy machine is noisy for all of them. */

/** A part of a sorted list, 0 the least and 1 the greatest. */
export function quantile(list, part) {
  return list.toSorted((left, right) => left - right)[Math.floor((list.length - 1) * part)]
}

const median = (list) => quantile(list, 0.5)

/**
 * Times `run(contender, index)` for each contender, `count` times a round, after `warmup` runs that do not count.
 * Gives for each the median and the 10th and 90th percentile of a round's microseconds for one run, and the median of
 * the ratios of the first contender named plainkeep to it, round by round.
 */
export async function compare(contenders, { rounds, count, warmup = count }, run) {
  const times = new Map(contenders.map((contender) => [contender, []]))
  for (const contender of contenders) await timeRuns(contender, -warmup, warmup, run)
  for (let round = 0; round < rounds; round += 1) {
    for (const contender of contenders)
      times.get(contender).push(await timeRuns(contender, round * count, count, run))
  }
  const own = times.get(contenders.find(({ peer }) => peer.name === 'plainkeep'))
  return contenders.map((contender) => {
    const list = times.get(contender)
    return {
      name: contender.peer.name,
      isDurable: contender.peer.isDurable,
      isAtomic: contender.peer.isAtomic,
      processes: contender.peer.processes,
      microseconds: median(list),
      low: quantile(list, 0.1),
      high: quantile(list, 0.9),
      ratio: own === undefined ? undefined : median(own.map((time, round) => time / list[round])),
    }
  })
}

async function timeRuns(contender, first, count, run) {
  const start = performance.now()
  for (let index = first; index < first + count; index += 1) {
    const result = run(contender, index)
    if (result instanceof Promise) await result
  }
  return ((performance.now() - start) * 1000) / Math.max(1, count)
}
