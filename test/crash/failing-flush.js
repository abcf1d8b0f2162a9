/**
 * A store on a disk that refuses some writes, so that flushes fail: node failing-flush.js FAIL HEAL DROP
 *
 * Each argument is a shell command: after FAIL the disk refuses every write that holds the word POISON, after HEAL it
 * takes all again, and DROP forgets what the system has cached, so that files are read from the disk. CRASH_DIR is the
 * folder to work in, on that disk. A line for each step; those that begin with `BAD` are violations, and then it exits
 * with 1.
 */

import { execSync } from 'node:child_process'
import fs from 'node:fs'
import { setTimeout as nap } from 'node:timers/promises'
import { openStorage } from '../../dist/index.js'

const [fail, heal, drop] = process.argv
  .slice(2)
  .map((command) => () => execSync(command, { stdio: 'inherit' }))
const open = () => openStorage(process.env.CRASH_DIR, { lockTimeout: 20_000 })

/** A checkpoint begins a second after the last write, and is tried again as long after it has failed. */
const CHECKPOINT_MS = 2500

const GOOD = 'good '.repeat(3000)
const BAD = 'POISON '.repeat(2000)
const LARGE = 'POISON '.repeat(15_000)
let isBad = false

function expectThat(sentence, holds) {
  console.log(`${holds ? 'ok ' : 'BAD'} ${sentence}`)
  isBad ||= !holds
}

/** What became of a write: `done`, or the code and the outcome. */
async function outcomeOf(call) {
  try {
    await call
    return 'done'
  } catch (error) {
    return `${error.code}/${error.outcome}`
  }
}

/** What a key holds when it is read from the disk, by the library and as a plain file. */
async function readFromDisk(scope, key) {
  drop()
  const value = await scope.find(key, 'text')
  const path = `${scope.path}/${key}`
  const file = fs.existsSync(path) ? fs.readFileSync(path, 'utf8') : undefined
  return value === file ? value : `two values: ${describe(value)} and ${describe(file)}`
}

const describe = (text) => (text === undefined ? 'nothing' : JSON.stringify(text.slice(0, 12)))

/** The journal cannot be flushed. */
async function failJournal() {
  let storage = await open()
  let scope = storage.workspace().shared
  await scope.set('journal', GOOD)
  await scope.set('other', GOOD)
  fail()
  const broken = await outcomeOf(scope.set('journal', BAD))
  expectThat(`a write whose record cannot be flushed is ${broken}`, broken === 'STORE_BROKEN/unknown')
  heal()
  const later = await outcomeOf(scope.set('other', BAD))
  expectThat(`a later write is refused: ${later}`, later === 'STORE_BROKEN/none')
  await storage.close().catch(() => undefined)
  storage = await open()
  scope = storage.workspace().shared
  const found = await readFromDisk(scope, 'journal')
  expectThat(`after opening again the key holds ${describe(found)}`, found === GOOD || found === BAD)
  expectThat('what was refused was not done', (await readFromDisk(scope, 'other')) === GOOD)
  await scope.set('journal', 'after')
  await storage.close()
  expectThat('the store works again', (await readAgain('journal')) === 'after')
}

/** A large value cannot be flushed when it is staged. */
async function failStaged() {
  const storage = await open()
  const scope = storage.workspace().shared
  fail()
  const refused = await outcomeOf(scope.set('large', LARGE))
  expectThat(`a large value that cannot be flushed is ${refused}`, refused === 'IO_ERROR/none')
  const other = await outcomeOf(scope.set('beside', GOOD))
  expectThat(`another write meanwhile is ${other}`, other === 'done')
  heal()
  expectThat('the large value is not there', (await readFromDisk(scope, 'large')) === undefined)
  const again = await outcomeOf(scope.set('large', LARGE))
  expectThat(`after healing it is ${again}`, again === 'done')
  await storage.close()
  expectThat(
    'it is on the disk',
    (await readAgain('large')) === LARGE && (await readAgain('beside')) === GOOD,
  )
}

/** A plain file cannot be flushed by the checkpoint: only the journal has its value then. */
async function failPlainFile(isClosing) {
  const key = isClosing ? 'plain-closing' : 'plain'
  const storage = await open()
  const scope = storage.workspace().shared
  await scope.set(key, BAD)
  fail()
  if (isClosing) {
    const closed = await outcomeOf(storage.close())
    expectThat(`closing says ${closed}`, closed !== 'done')
    heal()
    const next = await open()
    await next.workspace().shared.set('next', GOOD)
    await next.close()
  } else {
    await nap(CHECKPOINT_MS)
    heal()
    await nap(CHECKPOINT_MS)
    await storage.close()
  }
  const found = await readAgain(key)
  expectThat(`an acknowledged value whose file could not be flushed is ${describe(found)}`, found === BAD)
}

async function readAgain(key) {
  const storage = await open()
  const found = await readFromDisk(storage.workspace().shared, key)
  await storage.close()
  return found
}

await failJournal()
await failStaged()
await failPlainFile(false)
await failPlainFile(true)
process.exitCode = isBad ? 1 : 0
