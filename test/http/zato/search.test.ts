import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type SearchCriteria, type SearchInput, SsoError } from '../../../src/index.ts'
import { fastHasher } from '../../support/fast-hasher.ts'
import { ARRANGEMENTS, databases, idOf, PASSWORD, startHost, type TestHost } from '../../support/host.ts'

const CODE = { actor: { via: 'code', name: 'test' } } as const

/** Names of the accounts by username; each account is listed where its display name puts it. */
const PEOPLE = {
  adam: { display_name: 'Ada m', first_name: 'Adam', last_name: 'Smith', email: 'adam@example.com' },
  ann: { display_name: 'Ann 100% sure', first_name: 'Ann', middle_name: 'de_la', last_name: 'Ward' },
  ben: {
    display_name: 'ann 1000 sure',
    first_name: 'BEN',
    middle_name: 'deXla',
    last_name: 'ward',
    email: 'ben@x.org',
  },
  eva: { display_name: 'Eva!Maria', first_name: 'Eva', last_name: 'Maria' },
  zoe: { display_name: null, first_name: 'Zoe', last_name: 'Straße' },
  kim: { display_name: null, last_name: 'ÇELİK' },
} as const

describe.each(databases.flatMap((name) => ARRANGEMENTS.map((arrangement) => ({ name, arrangement }))))(
  'GET /user/search: $name, $arrangement',
  ({ name, arrangement }) => {
    let host: TestHost
    let admin: string

    beforeAll(async () => {
      host = await startHost(name, { arrangement, users: [], options: { password: { hasher: fastHasher() } } })
      for (const [username, data] of Object.entries(PEOPLE)) {
        await host.sso.user.createUser({ ...CODE, data: { username, password: PASSWORD, ...data }, autoApprove: true })
        // What is put together on creation is searched for, too; here it is not wanted.
        if (data.display_name === null)
          await host.sso.user.updateUserById({
            ...CODE,
            userId: await idOf(host, username),
            data: { display_name: null },
          })
      }
      admin = await host.login('admin')
    })
    afterAll(() => host.close())

    const search = (fields: object, ust = admin) =>
      host.http.get('/zato/sso/user/search').send({ current_app: 'CRM', ust, ...fields })
    const found = async (criteria: SearchCriteria, input: SearchInput = {}) =>
      (await host.sso.user.search({ ...CODE, criteria, ...input })).users.map(({ username }) => username)
    const part = (criteria: SearchCriteria, input: SearchInput = {}) =>
      found(criteria, { isNameExact: false, ...input })
    // The display name of admin is empty.
    const ALL = ['kim', 'zoe', 'admin', 'adam', 'ann', 'ben', 'eva']

    test('without criteria, everybody is found, in the order of display names, with all that Zato has', async () => {
      const { status, body } = await search({})
      expect({ status, body }).toMatchObject({
        status: 200,
        body: {
          status: 'ok',
          sub_status: [],
          total: 7,
          num_pages: 1,
          page_size: 50,
          cur_page: 1,
          has_prev_page: false,
          has_next_page: false,
          prev_page: 0,
          next_page: null,
        },
      })
      expect(body.result.map(({ username }: { username: string }) => username)).toEqual(ALL)
      const ben = body.result.find(({ username }: { username: string }) => username === 'ben')
      expect(Object.keys(ben).sort()).toEqual(
        [
          ...['user_id', 'username', 'email', 'display_name', 'first_name', 'middle_name', 'last_name'],
          ...['is_active', 'is_internal', 'is_super_user', 'is_locked', 'locked_time', 'locked_by', 'creation_ctx'],
          ...['is_approval_needed', 'approval_status', 'approval_status_mod_time', 'approval_status_mod_by'],
          ...['password_expiry', 'password_is_set', 'password_must_change', 'password_last_set'],
          ...['sign_up_status', 'sign_up_time', 'is_totp_enabled', 'totp_label'],
          ...['is_rate_limit_active', 'rate_limit_def'],
        ].sort(),
      )
      expect(ben).toMatchObject({
        user_id: await idOf(host, 'ben'),
        email: 'ben@x.org',
        is_locked: false,
        totp_label: '',
      })
    })

    test('nothing found is no error', async () => {
      const { body } = await search({ display_name: 'Nobody' })
      expect(body).toMatchObject({ status: 'ok', total: 0, num_pages: 0, has_next_page: false, result: [] })
    })

    test('user_id comes first, then username; either makes the rest moot', async () => {
      const id = await idOf(host, 'ann')
      expect(await found({ user_id: id, username: 'ben', display_name: 'Nobody' })).toEqual(['ann'])
      expect(await found({ username: 'ben', display_name: 'Nobody', approval_status: 'rejected' })).toEqual(['ben'])
      expect(await found({ user_id: 'no such id', username: 'ben' })).toEqual([])
      expect(await found({ username: 'nobody' })).toEqual([])
      const { body } = await search({ user_id: id, cur_page: 2 })
      expect(body).toMatchObject({ total: 1, num_pages: 1, cur_page: 2, prev_page: 1, next_page: null, result: [] })
      if (arrangement === 'own table') expect(await found({ username: 'ＡNN' })).toEqual(['ann'])
      else expect(await found({ user_id: Number(id) })).toEqual(['ann'])
    })

    test('names match as a whole, whatever their case and the space around them, unless a part is asked for', async () => {
      expect(await found({ last_name: ' wARd ' })).toHaveLength(2)
      expect(await found({ last_name: 'war' })).toEqual([])
      expect(await part({ last_name: 'AR' })).toHaveLength(3)
      expect(await found({ display_name: 'ada M' })).toEqual(['adam'])
      expect((await search({ last_name: 'war' })).body.total).toBe(0)
      expect((await search({ last_name: 'war', is_name_exact: false })).body.total).toBe(2)
      expect((await search({ last_name: 'war', is_name_exact: 'no' })).body.total).toBe(2)
    })

    test('wildcards and the escape character are letters like others', async () => {
      expect(await part({ display_name: '100%' })).toEqual(['ann'])
      expect(await part({ middle_name: 'e_l' })).toEqual(['ann'])
      expect(await part({ display_name: 'a!m' })).toEqual(['eva'])
      expect(await part({ display_name: '%' })).toEqual(['ann'])
      expect(await part({ display_name: '\\' })).toEqual([])
      expect(await part({ display_name: "'" })).toEqual([])
      expect(await found({ display_name: '%' })).toEqual([])
    })

    test('several names: all of them, or one', async () => {
      const names = { first_name: 'Ann', last_name: 'Smith' }
      expect(await found(names)).toEqual([])
      expect(await found({ first_name: 'Ann', last_name: 'Ward' })).toEqual(['ann'])
      expect((await found(names, { nameOp: 'or' })).sort()).toEqual(['adam', 'ann'])
      expect((await part({ first_name: 'ev', middle_name: 'DE' }, { nameOp: 'or' })).sort()).toEqual([
        'ann',
        'ben',
        'eva',
      ])
      expect(await found({ ...names, email: 'adam@example.com' }, { nameOp: 'or' })).toEqual(['adam'])
      expect((await search({ ...names, name_op: 'or' })).body.total).toBe(2)
    })

    test('addresses match exactly, and by null those who have none', async () => {
      expect(await found({ email: 'ben@x.org' })).toEqual(['ben'])
      expect(await found({ email: 'ben@x' })).toEqual([])
      expect(await found({ email: null, display_name: null })).toEqual(['kim', 'zoe'])
      expect((await search({ display_name: null })).body.total).toBe(2)
      expect(await found({ display_name: '' })).toEqual(['admin'])
      expect((await part({ middle_name: '' })).sort()).toEqual(['ann', 'ben'])
    })

    test('statuses are compared beside the names', async () => {
      const eva = { ...CODE, userId: await idOf(host, 'eva') }
      await host.sso.user.rejectUser(eva)
      expect(await found({ approval_status: 'rejected' })).toEqual(['eva'])
      expect(await found({ approval_status: 'rejected', last_name: 'Ward' })).toEqual([])
      expect(await found({ approval_status: 'approved', last_name: 'Ward' })).toHaveLength(2)
      await host.sso.user.approveUser(eva)
      expect((await search({ sign_up_status: 'final', approval_status: 'approved' })).body.total).toBe(7)
      expect((await search({ sign_up_status: 'before_confirmation' })).body.total).toBe(0)
    })

    test('letters beyond ASCII', async () => {
      expect(await found({ last_name: 'Straße' })).toEqual(['zoe'])
      expect(await found({ last_name: 'ÇELİK' })).toEqual(['kim'])
      // Decomposed, as macOS types it.
      expect(await found({ last_name: 'C\u0327ELI\u0307K' })).toEqual(['kim'])
      expect(await part({ last_name: 'ßE' })).toEqual(['zoe'])
      if (arrangement === 'own table') {
        expect(await found({ last_name: 'STRASSE' })).toEqual(['zoe'])
        expect(await found({ last_name: 'çelİk' })).toEqual(['kim'])
      }
    })

    test('pages follow each other without a gap, whatever their size', async () => {
      for (const pageSize of [1, 2, 3, 4, 7, 8]) {
        const users: string[] = []
        let result = await host.sso.user.search({ ...CODE, pageSize })
        expect(result).toMatchObject({
          total: 7,
          numPages: Math.ceil(7 / pageSize),
          prevPage: null,
          hasPrevPage: false,
        })
        users.push(...result.users.map(({ username }) => username))
        while (result.nextPage !== null) {
          result = await host.sso.user.search({ ...CODE, pageSize, curPage: result.nextPage })
          users.push(...result.users.map(({ username }) => username))
        }
        expect(users).toEqual(await found({}))
        expect(result).toMatchObject({ hasNextPage: false, curPage: Math.ceil(7 / pageSize) })
      }
    })

    test('page numbers: below 1 is 1, behind the last is empty, and sizes have a limit', async () => {
      expect((await search({ cur_page: -5, page_size: 3 })).body).toMatchObject({
        cur_page: 1,
        prev_page: 0,
        next_page: 2,
      })
      const far = await search({ cur_page: Number.MAX_SAFE_INTEGER, page_size: '3' })
      expect(far.body).toMatchObject({
        status: 'ok',
        total: 7,
        num_pages: 3,
        has_prev_page: true,
        next_page: null,
        result: [],
      })
      expect((await search({ page_size: 1000 })).body.page_size).toBe(100)
      const unpaged = await search({ paginate: false, cur_page: 3, page_size: 2 })
      expect(unpaged.body).toMatchObject({ cur_page: 1, page_size: 100, total: 7, has_next_page: false })
      expect(unpaged.body.result).toHaveLength(7)
    })

    test('fields may be in the query string', async () => {
      const query = '?last_name=ward&is_name_exact=true&page_size=1&cur_page=2'
      const { body } = await host.http.get(`/zato/sso/user/search${query}`).send({ current_app: 'CRM', ust: admin })
      expect(body).toMatchObject({ total: 2, cur_page: 2, page_size: 1, prev_page: 1, next_page: null })
    })

    test.each([
      [{ user_id: '' }],
      [{ user_id: null }],
      [{ username: '' }],
      [{ username: null }],
      [{ display_name: 5 }],
      [{ display_name: 'a\u0000' }],
      [{ display_name: 'x'.repeat(192) }],
      [{ email: ['a'] }],
      [{ name_op: 'xor' }],
      [{ name_op: null }],
      [{ is_name_exact: null }],
      [{ paginate: null }],
      [{ paginate: 'perhaps' }],
      [{ cur_page: 'x' }],
      [{ page_size: 0 }],
      [{ sign_up_status: null }],
      [{ approval_status: 'unheard of' }],
    ])('%j is refused as input', async (fields) => {
      const { status, body } = await search(fields)
      expect({ status, body }).toMatchObject({ status: 403, body: { status: 'error', sub_status: ['E008002'] } })
    })

    test('only super-users search, and refusals are on record', async () => {
      const ann = await host.login('ann')
      for (const ust of ['no such session', ann, '']) {
        const { status, body } = await search({}, ust)
        expect({ status, body }).toMatchObject({ status: 403, body: { status: 'error', sub_status: ['E005001'] } })
        expect(body).not.toHaveProperty('result')
      }
      const records = await host.audit({ operation: 'search_users', outcome: 'denied' })
      expect(records.map(({ error }) => error)).toEqual(['session_unknown', 'super_user_required', 'session_unknown'])
      await expect(host.sso.user.search({ currentUst: ann, currentApp: 'CRM' })).rejects.toMatchObject({
        code: 'super_user_required',
      })
      expect(await host.audit({ operation: 'search_users', outcome: 'ok' })).toEqual([])
      expect((await host.http.get('/zato/sso/user/search').send({ current_app: 'CRM' })).status).toBe(400)
      expect((await search({ current_app: 'Nowhere' })).body.sub_status).toEqual(['E004001'])
    })

    test('a locked super-user is told so', async () => {
      await host.sso.user.createSuperUser({ data: { username: 'boss', password: PASSWORD } })
      const boss = await host.login('boss')
      const onBoss = { ...CODE, userId: await idOf(host, 'boss') }
      // As a host does it in its own table: the session is still there.
      const { db } = host.database
      await (arrangement === 'own table'
        ? db('sso_user').where({ username: 'boss' }).update({ is_locked: true })
        : db('members').where({ login: 'boss' }).update({ blocked: true }))
      expect((await search({}, boss)).body.sub_status).toEqual(['E005002'])
      await host.sso.user.deleteUserById(onBoss)
    })

    test('a criterion that is none is an error in code, and so is one that nobody may read', async () => {
      for (const [criteria, code] of [
        [{ nickname: 'x' }, 'attribute_unknown'],
        [{ password: 'x' }, 'input_invalid'],
        [{ totp_key: null }, 'input_invalid'],
        [{ is_locked: true }, 'input_invalid'],
        [{ username: undefined }, 'input_invalid'],
        [[], 'input_invalid'],
        ['ann', 'input_invalid'],
      ] as const) {
        const error = await host.sso.user.search({ ...CODE, criteria: criteria as never }).catch((thrown) => thrown)
        expect(error).toBeInstanceOf(SsoError)
        expect([criteria, error.code]).toEqual([criteria, code])
      }
    })

    test('what is searched for is what is stored now', async () => {
      const user = await host.sso.user.createUser({
        ...CODE,
        data: { username: 'tim', password: PASSWORD, first_name: 'Tim', last_name: 'Trout' },
        autoApprove: true,
      })
      // Put together from the others (contract section 8.4).
      expect(await found({ display_name: 'tim trout' })).toEqual(['tim'])
      const update = (data: object) => host.sso.user.updateUserById({ ...CODE, userId: user.user_id, data })
      await update({ last_name: 'Salmon', display_name: 'TS' })
      expect(await found({ last_name: 'trout' })).toEqual([])
      expect(await found({ last_name: 'salmon', display_name: 'ts' })).toEqual(['tim'])
      await update({ last_name: null, display_name: null })
      expect(await part({ last_name: 'salmon' })).toEqual([])
      expect(await found({ display_name: 'ts' })).toEqual([])
      expect(await found({ last_name: null, first_name: 'TIM' })).toEqual(['tim'])
      await host.sso.user.deleteUserById({ ...CODE, userId: user.user_id })
      expect(await found({ first_name: 'Tim' })).toEqual([])
    })
  },
)
