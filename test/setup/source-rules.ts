/** The rules of the library's sources: each function lists what breaks one of them. */

import { type ESTree, Visitor } from 'vite'
import { hasDocstring, layerOf, resolveImport, type Source } from './source.js'

/** What each layer may import beside its own folder; the layers stand from top to bottom. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  '': ['values', 'store', 'commit', 'disk', 'base'],
  cli: ['index.ts'],
  adapters: ['index.ts'],
  testing: ['index.ts'],
  values: ['store', 'base'],
  store: ['commit', 'disk', 'base'],
  commit: ['disk', 'base'],
  disk: ['base'],
  base: [],
}

/** What only disk/ may import. */
const DISK_MODULES = /^((node:)?fs(\/promises)?|proper-lockfile|write-file-atomic)$/

/** Names that say nothing of what a file is about. */
const VAGUE_WORDS = /^(utils?|common|helpers?|types?|manager|info|data)$/

const MAX_FILE_LINES = 400
const MAX_MEDIAN_LINES = 200
const MAX_FUNCTION_LINES = 40
const MAX_SHARE_OF_LONG_FUNCTIONS = 0.1

/** Imports of a layer that is not below. */
export function findUpwardImports(sources: readonly Source[]): string[] {
  return sources.flatMap((source) => {
    const allowed = MAY_IMPORT[source.layer]
    if (allowed === undefined) return [`${source.path} is in no layer`]
    return source.imports
      .filter((specifier) => {
        const target = resolveImport(source, specifier)
        if (target === undefined) return false
        const layer = layerOf(target)
        return layer !== source.layer && !allowed.includes(layer) && !allowed.includes(target)
      })
      .map((specifier) => `${source.path} imports ${specifier}`)
  })
}

/** Files that, by way of others, import themselves; imports of types count. */
export function findCycles(sources: readonly Source[]): string[] {
  const edges = new Map(sources.map((source) => [source.path, listTargets(source)]))
  const isCyclic = (path: string): boolean => {
    const reached = new Set(edges.get(path))
    for (const next of reached) for (const target of edges.get(next) ?? []) reached.add(target)
    return reached.has(path)
  }
  return [...edges.keys()].filter(isCyclic).map((path) => `${path} is part of a cycle`)
}

/** Where the command line reads and writes files that are not the store's: those that a person names or edits. */
const FILES_OF_PEOPLE = 'cli/files.ts'

/** Imports of the file system or of the lock outside disk/. */
export function findDiskImports(sources: readonly Source[]): string[] {
  return sources
    .filter(({ layer, path }) => layer !== 'disk' && path !== FILES_OF_PEOPLE)
    .flatMap(({ path, imports }) =>
      imports.filter((specifier) => DISK_MODULES.test(specifier)).map((name) => `${path} imports ${name}`),
    )
}

/** Exports that no docstring explains; of overloads the first needs one. */
export function findBareExports(sources: readonly Source[]): string[] {
  return sources.flatMap((source) => {
    const exports = source.program.body.filter((node) => node.type === 'ExportNamedDeclaration')
    const apart = exports.filter(({ declaration, source: from }) => declaration === null && from === null)
    const declared = exports.flatMap((node) => namesOf(node).map((name) => ({ name, node })))
    return [
      ...apart.map(() => `${source.path} exports a name apart from its declaration`),
      ...firstOfEachName(declared)
        .filter(({ node }) => !hasDocstring(source, node))
        .map(({ name }) => `${source.path}: ${name}`),
    ]
  })
}

/** Public members of exported classes that neither a docstring nor an interface of the library explains. */
export function findBareMembers(sources: readonly Source[]): string[] {
  const explained = listInterfaceMembers(sources)
  return sources.flatMap((source) =>
    source.program.body.flatMap((node) => {
      if (node.type !== 'ExportNamedDeclaration' || node.declaration?.type !== 'ClassDeclaration') return []
      const { id, body, implements: contracts = [] } = node.declaration
      const isExplained = (name: string): boolean =>
        contracts.some(({ expression }) =>
          explained.has(`${source.text.slice(expression.start, expression.end)}.${name}`),
        )
      return firstOfEachName(body.body.flatMap(publicMember))
        .filter((member) => !hasDocstring(source, member.node) && !isExplained(member.name))
        .map((member) => `${source.path}: ${id?.name}.${member.name}`)
    }),
  )
}

/** Files that are too long to be read in one go. */
export function findLongFiles(sources: readonly Source[]): string[] {
  return sources
    .map(({ path, text }) => ({ path, lines: countLines(text) }))
    .filter(({ lines }) => lines > MAX_FILE_LINES)
    .map(({ path, lines }) => `${path} has ${lines} lines`)
}

/** The median length of a file, where it is too high. */
export function findLongMedian(sources: readonly Source[]): string[] {
  const lengths = sources.map(({ text }) => countLines(text)).sort((a, b) => a - b)
  const median = lengths[Math.floor(lengths.length / 2)] ?? 0
  return median < MAX_MEDIAN_LINES ? [] : [`the median file has ${median} lines`]
}

/** The long functions, where they are too many; only functions with a block count. */
export function findLongFunctions(sources: readonly Source[]): string[] {
  const functions = sources.flatMap(listFunctions)
  const long = functions.filter(({ lines }) => lines > MAX_FUNCTION_LINES)
  if (long.length <= functions.length * MAX_SHARE_OF_LONG_FUNCTIONS) return []
  return long.map(({ where, lines }) => `${where} has ${lines} lines`)
}

/** Files and folders with a name that fits anything. */
export function findVagueNames(sources: readonly Source[]): string[] {
  return sources
    .map(({ path }) => path)
    .filter((path) => path.split(/[/.-]/).some((word) => VAGUE_WORDS.test(word)))
}

/** Default exports and enums. */
export function findRefusedSyntax(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, program }) => {
    const found: string[] = []
    new Visitor({
      ExportDefaultDeclaration: () => void found.push(`${path} has a default export`),
      TSEnumDeclaration: ({ id }) => void found.push(`${path} has an enum: ${id.name}`),
    }).visit(program)
    return found
  })
}

/** Uses of the console outside cli/. */
export function findConsole(sources: readonly Source[]): string[] {
  return sources
    .filter(({ layer }) => layer !== 'cli')
    .flatMap(({ path, program }) => {
      const found: string[] = []
      new Visitor({
        Identifier: ({ name }) => void (name === 'console' && found.push(`${path} uses the console`)),
      }).visit(program)
      return found
    })
}

interface Named {
  readonly name: string
  readonly node: ESTree.Span
}

function listTargets(source: Source): string[] {
  return source.imports.flatMap((specifier) => resolveImport(source, specifier) ?? [])
}

function namesOf({ declaration }: ESTree.ExportNamedDeclaration): string[] {
  if (declaration === null) return []
  const parts = declaration.type === 'VariableDeclaration' ? declaration.declarations : [declaration]
  return parts.flatMap(({ id }) => (id?.type === 'Identifier' ? id.name : []))
}

function firstOfEachName(all: readonly Named[]): Named[] {
  return all.filter(({ name }, index) => all.findIndex((other) => other.name === name) === index)
}

function publicMember(node: ESTree.ClassElement): Named[] {
  if (node.type === 'StaticBlock' || node.type === 'TSIndexSignature') return []
  const isPublic = node.accessibility === null || node.accessibility === 'public'
  const isConstructor = 'kind' in node && node.kind === 'constructor'
  if (!isPublic || isConstructor || node.override || node.computed || node.key.type !== 'Identifier')
    return []
  return [{ name: node.key.name, node }]
}

/** Every documented member of an interface, as `Interface.member`. */
function listInterfaceMembers(sources: readonly Source[]): Set<string> {
  const members = new Set<string>()
  for (const source of sources) {
    new Visitor({
      TSInterfaceDeclaration: ({ id, body }) => {
        for (const member of body.body.filter((node) => hasDocstring(source, node))) {
          if ('key' in member && member.key.type === 'Identifier')
            members.add(`${id.name}.${member.key.name}`)
        }
      },
    }).visit(source.program)
  }
  return members
}

function listFunctions({ path, text, program }: Source): { where: string; lines: number }[] {
  const found: { where: string; lines: number }[] = []
  const add = ({ start, end, body }: ESTree.Function | ESTree.ArrowFunctionExpression): void => {
    if (body?.type !== 'BlockStatement') return
    const firstLine = text.slice(0, start).split('\n').length
    found.push({ where: `the function at ${path}:${firstLine}`, lines: countLines(text.slice(start, end)) })
  }
  new Visitor({ FunctionDeclaration: add, FunctionExpression: add, ArrowFunctionExpression: add }).visit(
    program,
  )
  return found
}

function countLines(text: string): number {
  return text.replace(/\n$/, '').split('\n').length
}
