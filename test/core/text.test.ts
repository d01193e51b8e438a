import { describe, expect, test } from 'vitest'
import {
  characters,
  identityFault,
  identityKey,
  isPrototypeName,
  lineFault,
  textFault,
} from '../../src/core/schema/text.ts'
import { daysAfter, inRange, parseTime } from '../../src/core/schema/times.ts'

describe('the key of an identity', () => {
  test.each([
    ['case', 'ADA', 'ada'],
    ['the Kelvin sign', '\u212Aelvin', 'kelvin'],
    ['the Ångström sign', '\u212Bsa', 'åsa'],
    ['the German sharp s', 'Straße', 'STRASSE'],
    ['the capital sharp s', 'STRA\u1E9EE', 'strasse'],
    ['composed and decomposed', '\u00E9', 'e\u0301'],
    ['composed and decomposed, in other case', '\u00C9', 'e\u0301'],
    ['the dotted capital I and what it decomposes to', '\u0130', 'I\u0307'],
    ['ligatures', '\uFB01nch', 'Finch'],
    ['full width', '\uFF21\uFF44\uFF41', 'ada'],
    ['final sigma', 'ΟΔΥΣΣΕΥΣ', 'οδυσσευς'],
    ['superscripts', 'x²', 'X2'],
    ['Cherokee, whose small letters came later', '\u13A0', '\uAB70'],
  ])('is one for two spellings: %s', (_, one, other) => {
    expect(identityKey(one)).toBe(identityKey(other))
  })

  test.each([
    ['I with and without a dot', '\u0130', 'i'],
    ['accents', 'é', 'e'],
    ['scripts that look alike', 'а', 'a'],
    ['punctuation', 'a.b', 'ab'],
  ])('is two for two names: %s', (_, one, other) => {
    expect(identityKey(one)).not.toBe(identityKey(other))
  })

  test('is one for the dotless i and i, as its capital is: stricter than need be', () => {
    expect(identityKey('\u0131da')).toBe(identityKey('Ida'))
  })

  test('of a key is the key', () => {
    for (const text of ['Straße', '\u0130', '\u212A', 'ΟΔΥΣΣΕΥΣ', '\uFB01', 'ǅ', '\u1E9E', '\u13A0']) {
      expect(identityKey(identityKey(text))).toBe(identityKey(text))
    }
  })

  test('of every character is the same in upper, lower and normal form', () => {
    const unstable: string[] = []
    for (let code = 0x20; code < 0x30000; code++) {
      if (code >= 0xd800 && code <= 0xdfff) continue
      const text = String.fromCodePoint(code)
      const key = identityKey(text)
      const forms = [text.toUpperCase(), text.normalize('NFD'), text.normalize('NFKC'), key]
      if (forms.some((form) => identityKey(form) !== key)) unstable.push(code.toString(16))
    }
    expect(unstable).toEqual([])
  })
})

describe('text', () => {
  test.each([
    ['plain', null],
    ['', null],
    ['😀\u00ad\n\t\u202e', null],
    ['a\u0000b', 'NUL characters are not accepted.'],
    ['a\ud800', 'The text is not well-formed Unicode (a surrogate without its other half).'],
    ['\udc00a', 'The text is not well-formed Unicode (a surrogate without its other half).'],
    ['\udc00\ud800', 'The text is not well-formed Unicode (a surrogate without its other half).'],
  ])('%j can be stored: %j', (text, fault) => {
    expect(textFault(text)).toBe(fault)
  })

  test.each(['\u0001', '\n', '\r', '\t', '\u001b', '\u007f', '\u0085', '\u009f'])(
    'on one line has no %j',
    (character) => {
      expect(textFault(`a${character}b`)).toBeNull()
      expect(lineFault(`a${character}b`)).toBe('Control characters are not accepted.')
      expect(identityFault(`a${character}b`)).toBe('Control characters are not accepted.')
    },
  )

  test.each([
    '\u00ad',
    '\u061c',
    '\u180e',
    '\u200b',
    '\u200d',
    '\u200f',
    '\u2028',
    '\u202e',
    '\u2060',
    '\u2066',
    '\ufeff',
  ])('that names somebody has no %j', (character) => {
    expect(lineFault(`a${character}b`)).toBeNull()
    expect(identityFault(`a${character}b`)).toBe('Invisible characters are not accepted.')
  })

  test('has as many characters as databases count', () => {
    expect(['', 'a', 'é', 'e\u0301', '😀', '👩‍👧'].map(characters)).toEqual([0, 1, 1, 2, 1, 3])
  })

  test('names that reach a prototype are known', () => {
    const names = ['__proto__', 'constructor', 'prototype', 'proto', '__PROTO__', 'toString']
    expect(names.map(isPrototypeName)).toEqual([true, true, true, false, false, false])
  })
})

describe('times', () => {
  test.each([
    ['2026-03-08', '2026-03-08T00:00:00.000Z'],
    ['2026-03-08T02:30', '2026-03-08T02:30:00.000Z'],
    ['2026-03-08T02:30:15', '2026-03-08T02:30:15.000Z'],
    ['2026-03-08 02:30:15', '2026-03-08T02:30:15.000Z'],
    ['2026-03-08T02:30:15.1', '2026-03-08T02:30:15.100Z'],
    ['2026-03-08T02:30:15,123', '2026-03-08T02:30:15.123Z'],
    ['2026-03-08T02:30:15.123999', '2026-03-08T02:30:15.123Z'],
    ['2026-03-08T02:30:15.123456789Z', '2026-03-08T02:30:15.123Z'],
    ['2026-03-08T02:30:15z', '2026-03-08T02:30:15.000Z'],
    ['2026-03-08T02:30:15+02:00', '2026-03-08T00:30:15.000Z'],
    ['2026-03-08T02:30:15-0330', '2026-03-08T06:00:15.000Z'],
    ['2026-03-08T02:30:15+05', '2026-03-07T21:30:15.000Z'],
    ['2026-03-08 02:30:15 +05:45', '2026-03-07T20:45:15.000Z'],
    ['  2026-03-08  ', '2026-03-08T00:00:00.000Z'],
    ['2024-02-29', '2024-02-29T00:00:00.000Z'],
    ['2000-02-29', '2000-02-29T00:00:00.000Z'],
    ['2345-12-27T11:22:33', '2345-12-27T11:22:33.000Z'],
    ['1000-01-01', '1000-01-01T00:00:00.000Z'],
    ['9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999Z'],
  ])('%s is read as %s', (text, expected) => {
    expect(parseTime(text)?.toISOString()).toBe(expected)
  })

  test.each([
    '',
    'now',
    '2026',
    '2026-03',
    '2026-3-8',
    '08/03/2026',
    '20260308',
    '2026-02-30',
    '2026-04-31',
    '2023-02-29',
    '1900-02-29',
    '2026-13-01',
    '2026-00-10',
    '2026-01-00',
    '2026-03-08T24:00:00',
    '2026-03-08T25:00',
    '2026-03-08T02:60',
    '2026-03-08T02:30:60',
    '2026-03-08T02',
    '2026-03-08T02:30:15.',
    '2026-03-08T02:30:15+25:00',
    '2026-03-08T02:30:15 UTC',
    '2026-03-08T02:30:15Z+01:00',
    '0999-12-31',
    '1000-01-01T00:00:00+00:01',
    '9999-12-31T23:59:59-00:01',
    '+012026-03-08',
    '-2026-03-08',
    '٢٠٢٦-03-08',
    '1700000000',
    'Sun, 08 Mar 2026 02:30:15 GMT',
  ])('%j is no time', (text) => {
    expect(parseTime(text)).toBeNull()
  })

  test('are within the years that every database holds', () => {
    const texts = [
      '0999-12-31T23:59:59.999Z',
      '1000-01-01T00:00:00.000Z',
      '9999-12-31T23:59:59.999Z',
      '+010000-01-01T00:00:00.000Z',
    ]
    expect(texts.map((text) => inRange(new Date(text)))).toEqual([false, true, true, false])
  })

  test('days are of 24 hours', () => {
    expect(daysAfter(new Date('2026-03-08T00:00:00Z'), 90).toISOString()).toBe('2026-06-06T00:00:00.000Z')
    expect(daysAfter(new Date('2026-03-08T00:00:00Z'), -30).toISOString()).toBe('2026-02-06T00:00:00.000Z')
  })
})
