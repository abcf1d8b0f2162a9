/** plainkeep completion: prints a script for the shell, which asks `plainkeep __complete` what may come next. */

import { Argument, Command } from 'commander'
import { examples } from './help.js'
import type { Terminal } from './terminal.js'

const BASH = `_plainkeep() {
  local word
  COMPREPLY=()
  while IFS= read -r word; do
    if [[ $word == :files ]]; then compopt -o default; COMPREPLY=(); return; fi
    COMPREPLY+=("$(printf '%q' "$word")")
  done < <(plainkeep __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o nosort -F _plainkeep plainkeep
`

const ZSH = `#compdef plainkeep
_plainkeep() {
  local -a found
  found=("\${(@f)$(plainkeep __complete -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ $found[1] == :files ]]; then _files; elif [[ -n $found[1] ]]; then compadd -V plainkeep -a found; fi
}
if [[ $funcstack[1] == _plainkeep ]]; then _plainkeep "$@"; else compdef _plainkeep plainkeep; fi
`

const FISH = `function __plainkeep_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l found (plainkeep __complete -- $words[2..-1] 2>/dev/null)
  if test "$found[1]" = ':files'
    __fish_complete_path (commandline -ct)
  else
    printf '%s\\n' $found
  end
end
complete -c plainkeep -f -a '(__plainkeep_complete)'
`

const SCRIPTS: Readonly<Record<string, string>> = { bash: BASH, zsh: ZSH, fish: FISH }

/** Makes the command. */
export function makeCompletion(terminal: Terminal): Command {
  return new Command('completion')
    .description('Prints a script that makes a shell complete commands, options, scopes and keys.')
    .addArgument(new Argument('<shell>').choices(Object.keys(SCRIPTS)))
    .addHelpText(
      'after',
      examples(
        'source <(plainkeep completion bash)       # in ~/.bashrc',
        'source <(plainkeep completion zsh)        # in ~/.zshrc, after compinit',
        'plainkeep completion fish > ~/.config/fish/completions/plainkeep.fish',
      ),
    )
    .action(async (shell: string) => terminal.out.write(SCRIPTS[shell] as string))
}
