/**
 * Transfers: processes move amounts between accounts of several scopes, each transfer in one transaction, which also writes
 * the process's ledger, a blob in another plugin's scope, and a counter that all of them raise.
 *
 *   W transfers
 *   B <process>.<n> <from> <to> <amount> <blob size, or -1: it is deleted>
 *
 * The ledger says which transfers of its process were made. So every account, blob and counter can be computed from the
 * ledgers and the log: half of a transfer, or one that was made twice or lost by another, shows.
 */

import { keepRunning } from './children.js'
import { makeValue, say } from './log.js'
import { isOnce, nameProcess, openSurely, random, settle } from './session.js'

const ACCOUNTS = 10
const BALANCE = 1000
const FEW = 3

const findScopes = (storage) => {
  const bank = storage.workspace().plugin('bank')
  return { bank: bank.storage, shared: bank.workspace, vault: storage.workspace().plugin('vault').storage }
}

const accountOf = ({ bank, shared }, number) => [number % 2 === 0 ? bank : shared, `account-${number}`]

/** All accounts at once. */
async function openAccounts(storage) {
  say('B init.0')
  const scopes = findScopes(storage)
  const opening = storage.transaction(async (tx) => {
    if (await tx.scope(scopes.shared).has('transfers')) return
    for (let number = 0; number < ACCOUNTS; number += 1) {
      const [scope, key] = accountOf(scopes, number)
      await tx.scope(scope).set(key, BALANCE, { codec: 'json' })
    }
    await tx.scope(scopes.shared).set('transfers', 0, { codec: 'json' })
  })
  await settle(['init.0'], opening)
}

/** The mode `transfers`. */
export async function transfers(count) {
  say('W transfers')
  const storage = await openSurely()
  await openAccounts(storage)
  await storage.close()
  if (isOnce) await transferOn(nameProcess('t'))
  else await keepRunning('transferer', count)
}

/** One process that transfers until it is killed. */
export async function transferOn(process) {
  let storage = await openSurely()
  for (let number = 1; number <= (isOnce ? FEW : Number.POSITIVE_INFINITY); number += 1) {
    const plan = { process, number, from: random(ACCOUNTS), to: random(ACCOUNTS), amount: random(50) }
    const size = random(5) === 0 ? -1 : random(10) === 0 ? 65_536 + random(26_000) : 64 + random(3000)
    const id = `${process}.${number}`
    say(`B ${id} ${plan.from} ${plan.to} ${plan.amount} ${size}`)
    if (await settle([id], transfer(storage, { ...plan, id, size }))) continue
    await storage.close().catch(() => undefined)
    storage = await openSurely()
  }
  await storage.close()
}

const makeBlob = ({ id, process, size }) => makeValue({ id, scope: 'vault', key: `blob-${process}`, size })

function transfer(storage, plan) {
  const scopes = findScopes(storage)
  return storage.transaction(async (tx) => {
    const ledgerKey = `ledger-${plan.process}`
    const bank = tx.scope(scopes.bank)
    const { last, holes } = (await bank.find(ledgerKey, 'json')) ?? { last: 0, holes: [] }
    for (let missed = last + 1; missed < plan.number; missed += 1) holes.push(missed)
    for (const [number, amount] of [
      [plan.from, -plan.amount],
      [plan.to, plan.amount],
    ]) {
      const [scope, key] = accountOf(scopes, number)
      await tx.scope(scope).update(key, (balance) => balance + amount, { codec: 'json' })
    }
    await bank.set(ledgerKey, { last: plan.number, holes }, { codec: 'json' })
    if (plan.size < 0) await tx.scope(scopes.vault).delete(`blob-${plan.process}`)
    else await tx.scope(scopes.vault).set(`blob-${plan.process}`, makeBlob(plan))
    await tx.scope(scopes.shared).update('transfers', (count) => count + 1, { codec: 'json' })
  })
}

/** What is wrong with a store, by the lines of its log. */
export async function judgeTransfers(lines, storage) {
  const log = parse(lines)
  const scopes = findScopes(storage)
  const balances = []
  for (let number = 0; number < ACCOUNTS; number += 1) {
    const [scope, key] = accountOf(scopes, number)
    balances.push(await scope.find(key, 'json'))
  }
  const count = await scopes.shared.find('transfers', 'json')
  const present = [...balances, count].filter((value) => value !== undefined).length
  if (present === 0) return log.isOpened ? ['LOST all accounts'] : []
  if (present <= ACCOUNTS) return [`SPLIT only ${present} keys of the opening commit are there`]
  const violations = []
  const expected = new Array(ACCOUNTS).fill(BALANCE)
  let made = 0
  for (const [process, plans] of log.plans) {
    const ledger = (await scopes.bank.find(`ledger-${process}`, 'json')) ?? { last: 0, holes: [] }
    for (const plan of plans.values()) {
      const isMade = plan.number <= ledger.last && !ledger.holes.includes(plan.number)
      if (!isMade && plan.state === 'done') violations.push(`LOST transfer ${plan.id}`)
      if (isMade && plan.state === 'none')
        violations.push(`UNDEAD transfer ${plan.id} was rejected without effect`)
      if (!isMade) continue
      made += 1
      expected[plan.from] -= plan.amount
      expected[plan.to] += plan.amount
    }
    if (ledger.last > 0 && !plans.has(ledger.last))
      violations.push(`FOREIGN ledger of ${process}: ${ledger.last}`)
    violations.push(...(await judgeBlob(scopes.vault, process, plans.get(ledger.last))))
  }
  expected.forEach((balance, number) => {
    if (balances[number] !== balance)
      violations.push(`SPLIT account-${number} holds ${balances[number]} and should hold ${balance}`)
  })
  if (count !== made) violations.push(`SPLIT ${made} transfers were made and ${count} counted`)
  return violations
}

async function judgeBlob(vault, process, plan) {
  const found = await vault.find(`blob-${process}`)
  const wanted = plan === undefined || plan.size < 0 ? undefined : makeBlob(plan)
  if (wanted === undefined) return found === undefined ? [] : [`SPLIT blob-${process} is there`]
  return found !== undefined && wanted.equals(found)
    ? []
    : [`SPLIT blob-${process} is not that of ${plan.id}`]
}

function parse(lines) {
  const log = { isOpened: false, plans: new Map() }
  const byId = new Map()
  for (const line of lines) {
    const [type, id, ...rest] = line.split(' ')
    if (id === 'init.0') {
      log.isOpened ||= type === 'A'
    } else if (type === 'B') {
      const [process, number] = id.split('.')
      const [from, to, amount, size] = rest.map(Number)
      const plan = { id, process, number: Number(number), from, to, amount, size, state: 'begun' }
      if (!log.plans.has(process)) log.plans.set(process, new Map())
      log.plans.get(process).set(plan.number, plan)
      byId.set(id, plan)
    } else if (type === 'A') byId.get(id).state = 'done'
    else if (type === 'F') byId.get(id).state = rest[1] === 'committed' ? 'done' : rest[1]
  }
  return log
}
