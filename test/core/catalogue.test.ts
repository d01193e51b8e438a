import { describe, expect, test } from 'vitest'
import userSchema from '#schemas/user.json' with { type: 'json' }
import { accessMatrix, authorizeAttributes, includes, visible } from '../../src/core/schema/access.ts'
import { type AttributeSchema, attributeOf, buildCatalogue } from '../../src/core/schema/catalogue.ts'
import type { StoredUser } from '../../src/core/schema/user.gen.ts'
import { buildValidator } from '../../src/core/schema/validate.ts'
import { SsoError } from '../../src/errors.ts'

const catalogueWith = (properties: Readonly<Record<string, AttributeSchema>>) => buildCatalogue({ properties })

/** The code and message that the option is refused with. */
function refusal(build: () => unknown): { code: string; message: string } {
  try {
    build()
  } catch (error) {
    expect(error).toBeInstanceOf(SsoError)
    const { code, message } = error as SsoError
    return { code, message }
  }
  throw new Error('the option was accepted')
}

describe('our own attributes', () => {
  test('are those of schemas/user.json, in its order', () => {
    expect([...buildCatalogue(undefined).keys()]).toEqual(Object.keys(userSchema.properties))
  })

  test.each([
    ['display_name', { 'x-sso': { editableBy: 'super_user' } }, { editableBy: 'super_user', readableBy: 'self' }],
    [
      'display_name',
      { 'x-sso': { editableBy: 'nobody', readableBy: 'super_user' } },
      { editableBy: 'nobody', readableBy: 'super_user' },
    ],
    ['is_locked', { 'x-sso': { readableBy: 'nobody' } }, { editableBy: 'super_user', readableBy: 'nobody' }],
    ['display_name', { maxLength: 20 }, { maxLength: 20, search: true, normalize: 'nfc' }],
    ['display_name', { type: 'string' }, { nullable: false, kind: 'text', maxLength: 191 }],
    ['approval_status', { enum: ['approved', 'rejected'] }, { kind: 'text', fallback: 'approved' }],
    ['email', { pattern: '@example\\.org$' }, { maxLength: 254, nullable: true }],
    ['email', { 'x-sso': { reauth: true, revokes: 'others' } }, { reauth: true, revokes: 'others' }],
  ] as const)('may be narrowed: %s by %j', (name, schema, expected) => {
    expect(catalogueWith({ [name]: schema }).get(name)).toMatchObject({ name, custom: false, ...expected })
  })

  test('null among enumerated values takes no room in a column', () => {
    const size = { type: ['string', 'null'], enum: ['S', 'XL', null] }
    expect(catalogueWith({ size }).get('size')).toMatchObject({ columnLength: 2 })
  })

  test.each([
    ['is_locked', { 'x-sso': { editableBy: 'self' } }, 'x-sso.editableBy may narrow super_user, not widen it.'],
    ['is_super_user', { 'x-sso': { editableBy: 'super_user' } }, 'x-sso.editableBy may narrow nobody, not widen it.'],
    ['is_locked', { 'x-sso': { readableBy: 'self' } }, 'x-sso.readableBy may narrow super_user, not widen it.'],
    ['password', { 'x-sso': { readableBy: 'self' } }, 'x-sso.readableBy may narrow nobody, not widen it.'],
    ['totp_key', { 'x-sso': { secret: false } }, 'x-sso.secret cannot be taken back.'],
    ['display_name', { 'x-sso': { editableBy: 'everyone' } }, 'x-sso.editableBy must be self, super_user or nobody.'],
    [
      'display_name',
      { 'x-sso': { editable: 'self' } },
      'x-sso has no rule "editable"; it has editableBy, readableBy, secret, reauth, revokes, normalize, search, columnLength.',
    ],
    ['display_name', { maxLength: 192 }, 'maxLength may narrow 191, not widen it.'],
    ['username', { minLength: 0 }, 'minLength may narrow 1, not widen it.'],
    ['username', { type: ['string', 'null'] }, 'type may narrow string, not widen it.'],
    ['display_name', { type: ['string', 'number', 'null'] }, 'type may narrow string or null, not widen it.'],
    ['is_locked', { type: 'string' }, 'type may narrow boolean, not widen it.'],
    [
      'approval_status',
      { enum: ['approved', 'waiting'] },
      'enum may narrow before_decision, approved, rejected, not widen it.',
    ],
    ['password_expiry', { format: 'date' }, 'format cannot be changed.'],
    ['totp_key', { pattern: '.*' }, 'pattern cannot be changed.'],
    ['totp_last_step', { minimum: -1 }, 'minimum may narrow 0, not widen it.'],
    ['display_name', { 'x-sso': { search: false } }, 'x-sso.search cannot be changed.'],
    ['username', { 'x-sso': { normalize: 'nfc' } }, 'x-sso.normalize cannot be changed.'],
    ['password', { 'x-sso': { columnLength: 10 } }, 'x-sso.columnLength cannot be changed.'],
    ['username', { 'x-sso': { secret: true } }, 'x-sso.secret: accounts are found by it.'],
  ] as const)('may not be widened: %s by %j', (name, schema, fault) => {
    expect(refusal(() => catalogueWith({ [name]: schema as AttributeSchema }))).toEqual({
      code: 'option_invalid',
      message: `attributes.properties.${name}: ${fault}`,
    })
  })

  test('a narrower schema is what values are checked by, beside our own', () => {
    const catalogue = catalogueWith({
      email: { pattern: '@example\\.org$' },
      display_name: { type: 'string', maxLength: 3 },
      approval_status: { enum: ['approved'] },
    })
    const { values } = buildValidator(catalogue, { checkEmail: true })
    const codes = (data: object) => {
      try {
        return { ...values(data, Object.keys(data)) }
      } catch (error) {
        return (error as SsoError).issues.map(({ attribute, code }) => [attribute, code])
      }
    }
    expect(codes({ email: 'ada@example.org', display_name: 'Ada' })).toEqual({
      email: 'ada@example.org',
      display_name: 'Ada',
    })
    expect(codes({ email: 'ada@example.com' })).toEqual([['email', 'input_invalid']])
    expect(codes({ email: 'not an address@example.org' })).toEqual([['email', 'email_invalid']])
    expect(codes({ display_name: 'Lady Ada', approval_status: 'rejected' })).toEqual([
      ['display_name', 'input_invalid'],
      ['approval_status', 'input_invalid'],
    ])
    expect(codes({ display_name: null })).toEqual([['display_name', 'input_invalid']])
  })
})

describe('attributes of the host’s own', () => {
  test('ASVS 8.2.3 are nobody’s to read or to change unless the schema says so', () => {
    expect(catalogueWith({ nickname: { type: 'string' } }).get('nickname')).toEqual({
      name: 'nickname',
      kind: 'text',
      nullable: false,
      editableBy: 'nobody',
      readableBy: 'nobody',
      secret: false,
      normalize: null,
      search: false,
      revokes: null,
      reauth: false,
      maxLength: null,
      columnLength: 1,
      fallback: null,
      custom: true,
      schema: { type: 'string' },
    })
  })

  test.each([
    [{ type: 'string' }, 'text', false],
    [{ type: ['string', 'null'], format: 'email' }, 'text', true],
    [{ type: ['string', 'null'], format: 'date-time' }, 'datetime', true],
    [{ type: 'boolean' }, 'boolean', false],
    [{ type: ['null', 'integer'] }, 'integer', true],
    [{ type: 'number' }, 'number', false],
    [{ type: 'object' }, 'json', false],
    [{ type: ['array', 'null'] }, 'json', true],
    [{ type: ['string', 'number'] }, 'json', false],
  ] as const)('%j is of kind %s', (schema, kind, nullable) => {
    expect(catalogueWith({ mine: schema }).get('mine')).toMatchObject({ kind, nullable })
  })

  test('default to what their schema says, a time as a time', () => {
    const catalogue = catalogueWith({
      level: { type: 'integer', default: 3 },
      since: { type: 'string', format: 'date-time', default: '2020-02-29T12:00:00Z' },
    })
    expect([catalogue.get('level')?.fallback, catalogue.get('since')?.fallback]).toEqual([
      3,
      new Date('2020-02-29T12:00:00Z'),
    ])
  })

  test.each([
    ['__proto__', { type: 'string' }, 'names are letters, digits and underscores, at most 63 of them.'],
    ['constructor', { type: 'string' }, 'names are letters, digits and underscores, at most 63 of them.'],
    ['1st', { type: 'string' }, 'names are letters, digits and underscores, at most 63 of them.'],
    ['a'.repeat(64), { type: 'string' }, 'names are letters, digits and underscores, at most 63 of them.'],
    ['a-b', { type: 'string' }, 'names are letters, digits and underscores, at most 63 of them.'],
    ['mine', {}, 'must have a "type".'],
    ['mine', null, 'must be a JSON Schema object.'],
    [
      'mine',
      { type: 'string', 'x-sso': { editableBy: 'admin' } },
      'x-sso.editableBy must be self, super_user or nobody.',
    ],
    ['mine', { type: 'string', 'x-sso': { readableBy: true } }, 'x-sso.readableBy must be self, super_user or nobody.'],
    ['mine', { type: 'string', 'x-sso': { secret: 'yes' } }, 'x-sso.secret must be true or false.'],
    ['mine', { type: 'string', 'x-sso': { revokes: 'some' } }, 'x-sso.revokes must be others or all.'],
    ['mine', { type: 'string', 'x-sso': { normalize: 'NFC' } }, 'x-sso.normalize must be nfc or identity.'],
    ['mine', { type: 'integer', 'x-sso': { secret: true } }, 'x-sso.secret: only text can be encrypted.'],
    [
      'mine',
      { type: 'string', 'x-sso': { search: true } },
      'x-sso.search: only our own attributes have a column for it.',
    ],
    ['mine', { type: 'integer', default: 'x' }, 'default: it is not a value of the attribute.'],
  ])('fail at construction where they are wrong: %s, %j', (name, schema, fault) => {
    // A literal would set the prototype.
    const properties = Object.fromEntries([[name, schema as AttributeSchema]])
    const build = () => buildValidator(buildCatalogue({ properties }), { checkEmail: true })
    expect(refusal(build)).toEqual({ code: 'option_invalid', message: `attributes.properties.${name}: ${fault}` })
  })

  test('fail at construction where their JSON Schema does not compile', () => {
    const catalogue = catalogueWith({ mine: { type: 'string', maxLenght: 5 } })
    const { code, message } = refusal(() => buildValidator(catalogue, { checkEmail: true }))
    expect(code).toBe('option_invalid')
    expect(message).toContain('attributes.properties.mine: ')
    expect(message).toContain('maxLenght')
  })

  test('may be named like what every object has', () => {
    expect(catalogueWith({ toString: { type: 'string' } }).get('toString')).toMatchObject({
      custom: true,
      kind: 'text',
    })
  })

  test('one catalogue knows nothing of another', () => {
    catalogueWith({ mine: { type: 'string' }, display_name: { maxLength: 5 } })
    expect(buildCatalogue(undefined).has('mine')).toBe(false)
    expect(buildCatalogue(undefined).get('display_name')?.maxLength).toBe(191)
    expect(() => attributeOf(buildCatalogue(undefined), 'mine')).toThrow('There is no attribute mine.')
  })
})

describe('the access matrix', () => {
  const nobody = { isSelf: false, isSuperUser: false }
  const self = { isSelf: true, isSuperUser: false }
  const superUser = { isSelf: false, isSuperUser: true }
  const own = { isSelf: true, isSuperUser: true }

  test.each([
    ['nobody', [false, false, false, false]],
    ['self', [false, true, true, true]],
    ['super_user', [false, false, true, true]],
  ] as const)('the audience %s', (audience, expected) => {
    expect([nobody, self, superUser, own].map((standing) => includes(audience, standing))).toEqual(expected)
  })

  test('ASVS 8.1.1, 8.1.2 says of every attribute what its schema says, and that secrets are not read', () => {
    const rows = accessMatrix(
      catalogueWith({
        pin: { type: ['string', 'null'], 'x-sso': { editableBy: 'self', readableBy: 'self', secret: true } },
      }),
    )
    const own = Object.entries(userSchema.properties).map(([attribute, schema]) => {
      const rules = schema['x-sso'] as { editableBy: string; readableBy: string; secret?: boolean }
      return {
        attribute,
        editableBy: rules.editableBy,
        readableBy: rules.readableBy,
        nullable: schema.type.includes('null'),
        secret: rules.secret ?? false,
        kind: schema.type.includes('boolean') ? 'boolean' : expect.stringMatching(/^(text|datetime|integer)$/),
      }
    })
    expect(rows).toEqual([
      ...own,
      { attribute: 'pin', editableBy: 'self', readableBy: 'nobody', nullable: true, secret: true, kind: 'text' },
    ])
  })

  test('what proves somebody, or gives him rights, is nobody’s to edit', () => {
    const editable = accessMatrix(buildCatalogue(undefined)).filter(({ editableBy }) => editableBy !== 'nobody')
    expect(Object.fromEntries(editable.map(({ attribute, editableBy }) => [attribute, editableBy]))).toEqual({
      username: 'self',
      email: 'self',
      display_name: 'self',
      first_name: 'self',
      middle_name: 'self',
      last_name: 'self',
      is_locked: 'super_user',
      approval_status: 'super_user',
      password_must_change: 'super_user',
      password_expiry: 'super_user',
      sign_up_status: 'super_user',
      is_totp_enabled: 'self',
      totp_key: 'self',
      totp_label: 'self',
    })
  })

  test('every attribute that may not be changed is named, refusals first', () => {
    const authorize = () =>
      authorizeAttributes(buildCatalogue(undefined), ['nope', 'is_locked', 'email', 'password'], self)
    expect(authorize).toThrow(SsoError)
    try {
      authorize()
    } catch (error) {
      expect((error as SsoError).issues.map(({ attribute, code }) => [attribute, code])).toEqual([
        ['is_locked', 'attribute_forbidden'],
        ['password', 'attribute_forbidden'],
        ['nope', 'attribute_unknown'],
      ])
    }
    expect(() => authorizeAttributes(buildCatalogue(undefined), ['is_locked', 'email'], superUser)).not.toThrow()
    expect(() => authorizeAttributes(buildCatalogue(undefined), ['email'], nobody)).toThrow(SsoError)
  })

  test('what may not be read is absent, not null', () => {
    const catalogue = catalogueWith({ pin: { type: 'string', 'x-sso': { readableBy: 'self', secret: true } } })
    const everything = Object.fromEntries([...catalogue.keys()].map((name) => [name, 'value'])) as unknown as StoredUser
    const shown = (standing: typeof self) => Object.keys(visible(catalogue, everything, standing))
    expect(shown(nobody)).toEqual([])
    expect(shown(self)).toEqual([
      'user_id',
      'username',
      'email',
      'display_name',
      'first_name',
      'middle_name',
      'last_name',
      'is_totp_enabled',
      'totp_label',
    ])
    const hidden = ['password', 'totp_key', 'totp_last_step', 'pin']
    expect(shown(superUser)).toEqual([...catalogue.keys()].filter((name) => !hidden.includes(name)))
  })
})
