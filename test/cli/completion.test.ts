/** Completion: what may come next, asked by three shells; those that are installed are tried. */

import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { openStorage } from '../../lib/index.js'
import { Place } from './run.js'

async function prepare(place: Place): Promise<void> {
  const storage = await openStorage(place.store)
  await storage.workspace().plugin('acme/weather').setPluginStorage('lastCity', 'Bern')
  await storage.workspace().plugin('acme/weather').setPluginStorage('last\u001bone', 'hidden')
  await storage.workspace().shared.set('two words', 'value')
  await storage.workspace('test').shared.set('motd', 'value')
  await storage.close()
}

test('the next word is a command, an option, a scope, a key, a workspace or a file', async () => {
  const place = new Place()
  await prepare(place)
  const next = async (...words: string[]): Promise<string[]> =>
    (await place.call(['__complete', '--', ...words])).out.trimEnd().split('\n')
  expect(await next('')).toEqual(expect.arrayContaining(['init', 'ls', 'get', 'completion', 'help']))
  expect(await next('')).not.toContain('__complete')
  expect(await next('ge')).toEqual(['get'])
  expect(await next('get', '')).toEqual(['shared', 'acme/weather'])
  expect(await next('-w', 'test', 'get', '')).toEqual(['shared'])
  expect(await next('get', 'acme/weather', 'la')).toEqual(['lastCity'])
  expect(await next('get', "'acme/wea")).toEqual(['acme/weather'])
  expect(await next('get', 'acme/weather', 'lastCity', '')).toEqual([''])
  expect(await next('rm', 'acme/weather', 'lastCity', 'la')).toEqual(['lastCity'])
  expect(await next('cp', 'shared', 'two words', 'shared', '')).toEqual(['two words'])
  expect(await next('cp', '--to-workspace', 'test', 'shared', 'x', 'shared', '')).toEqual(['motd'])
  expect(await next('get', '--st')).toEqual(['--store'])
  expect(await next('ls', '--l')).toEqual(['--long'])
  expect(await next('-w', '')).toEqual(['default', 'test'])
  expect(await next('--store', '')).toEqual([':files'])
  expect(await next('restore', '')).toEqual([':files'])
  expect(await next('backup', 'x.tar', '--scope', 'a')).toEqual(['acme/weather'])
  expect(await next('completion', '')).toEqual(['bash', 'zsh', 'fish'])
  expect(await next('nothing', '')).toEqual([''])
  expect(await next('--store', '/missing', 'get', '')).toEqual([''])
})

const has = (shell: string): boolean => spawnSync(shell, ['-c', 'true']).status === 0

test.skipIf(!has('bash'))('bash completes, and quotes what it must', async () => {
  const place = new Place()
  await prepare(place)
  place.write(
    'try',
    `source <(plainkeep completion bash)
try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _plainkeep; echo "\${COMPREPLY[*]}"; }
try plainkeep ge
try plainkeep get acme/weather ''
try plainkeep get shared ''
complete -p plainkeep
`,
  )
  expect(place.sh('bash try')).toEqual({
    ...{ code: 0, err: '' },
    out: 'get\nlastCity\ntwo\\ words\ncomplete -o nosort -F _plainkeep plainkeep\n',
  })
})

test.skipIf(!has('zsh'))('zsh takes the script', async () => {
  const place = new Place()
  place.write(
    'try',
    'autoload -Uz compinit; compinit -u -D; source <(plainkeep completion zsh)\necho $_comps[plainkeep]\n',
  )
  expect(place.sh('zsh -f try')).toEqual({ code: 0, out: '_plainkeep\n', err: '' })
})

test.skipIf(!has('fish'))('fish completes', async () => {
  const place = new Place()
  await prepare(place)
  place.write(
    'try',
    `plainkeep completion fish | source
for line in 'plainkeep ge' 'plainkeep get acme/weather ' 'plainkeep get '
  complete -C $line
end
`,
  )
  expect(place.sh('fish --no-config try')).toMatchObject({
    code: 0,
    out: 'get\nlastCity\nacme/weather\nshared\n',
  })
})
