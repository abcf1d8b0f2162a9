/**
 * A process that stops itself in the middle of a commit: node pauser.js FOLDER CALL
 *
 * CALL is a call of the file system, `openSync`, `writeSync`, `fdatasync`, `renameSync`, or `renameSync2` for the
 * second one. Right before that call of its second commit it sends itself SIGSTOP, or SIGKILL if a third argument
 * says `kill`. Says a JSON line for what became of the commit, sets one more key, closes.
 */

import fs from 'node:fs'
import { openStorage } from '../../dist/index.js'

const [folder, call, signal = 'SIGSTOP'] = process.argv.slice(2)
const say = (line) => fs.writeSync(1, `${JSON.stringify(line)}\n`)
let isArmed = false
let left = call.endsWith('2') ? 2 : 1

function stopping(original, isMeant) {
  return (...args) => {
    if (isArmed && isMeant(args)) {
      left -= 1
      if (left === 0) {
        isArmed = false
        fs.writeSync(1, `${JSON.stringify({ stopped: call })}\n`)
        process.kill(process.pid, signal)
      }
    }
    return original(...args)
  }
}

const always = () => true
const intoScope = ([, to]) => !String(to).includes('/.plainkeep/')
const stagedFile = ([path]) => /\/s\d+$/.test(String(path))
const meant = { openSync: stagedFile, renameSync: intoScope }
const name = call.replace(/\d$/, '')
const wrapped = { ...fs, [name]: stopping(fs[name], meant[name] ?? always) }
if (name === 'fdatasync') wrapped.fdatasyncSync = stopping(fs.fdatasyncSync, always)

const storage = await openStorage(folder, { fs: wrapped, lockTimeout: 30_000 })
const scope = storage.workspace().shared
await scope.set('before', 'paused')
isArmed = true
const outcomes = await Promise.allSettled([scope.set('a', 'paused'), scope.set('b', 'paused')])
for (const { status, reason } of outcomes) say({ status, code: reason?.code, outcome: reason?.outcome })
await scope.set('after', 'paused')
await storage.close()
say({ closed: true })
