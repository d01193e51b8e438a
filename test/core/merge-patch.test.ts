import { expect, test } from 'vitest'
import { mergePatch } from '../../src/core/schema/merge-patch.ts'

// RFC 7396, appendix A: original, patch, result.
const CASES: readonly (readonly [string, string, string])[] = [
  ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
  ['{"a":"b"}', '{"a":null}', '{}'],
  ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
  ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
  ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
  ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
  ['["a","b"]', '["c","d"]', '["c","d"]'],
  ['{"a":"b"}', '["c"]', '["c"]'],
  ['{"a":"foo"}', 'null', 'null'],
  ['{"a":"foo"}', '"bar"', '"bar"'],
  ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
  ['[1,2]', '{"a":"b","c":null}', '{"a":"b"}'],
  ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
]

test.each(CASES)('%s patched with %s is %s', (original, patch, result) => {
  const [before, edits] = [JSON.parse(original), JSON.parse(patch)]
  expect(mergePatch(before, edits)).toEqual(JSON.parse(result))
  expect([before, edits]).toEqual([JSON.parse(original), JSON.parse(patch)])
})

test('a name that means something to JavaScript is a name like any other', () => {
  const patched = mergePatch({}, JSON.parse('{"__proto__":{"polluted":true}}'))
  expect(Object.hasOwn(patched as object, '__proto__')).toBe(true)
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
})
