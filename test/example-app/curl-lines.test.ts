import { spawnSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from '../support/host.ts'
import { type AppProcess, createExample, type Example, MYUSER_ID, THENAME_ID } from './example.ts'

const SEPARATOR = '\u001e'
const ANY_CID = expect.stringMatching(/^[0-9a-f]{24}$/)
const UST = /^[\w-]{43}$/
const OK = { status: 'ok', cid: ANY_CID, sub_status: [] }
const updated = (changed: readonly string[]) => ({ status: 'ok', cid: ANY_CID, uid: 'thename', changed })
const refused = (code: string, title: string) => ({
  type: 'about:blank',
  title,
  status: 403,
  code,
  cid: ANY_CID,
  errors: [],
})

/** Lines of the printed text that a shell runs. */
function shellLines(output: string): readonly string[] {
  return output.split('\n').filter((line) => /^(curl |[A-Z]+=)/.test(line))
}

/** Runs the lines in one shell, as they are, and returns what each of them printed. */
function runLines(lines: readonly string[]): readonly string[] {
  const script = lines.map((line) => `${line}\nprintf '${SEPARATOR}'\n`).join('')
  const { stdout, status } = spawnSync('sh', ['-u'], { input: script, encoding: 'utf8' })
  expect(status).toBe(0)
  return stdout.split(SEPARATOR).slice(0, -1)
}

describe.each(databases)('the lines that the example app prints, on %s', (name) => {
  let example: Example
  let app: AppProcess

  beforeAll(async () => {
    example = await createExample(name)
    app = await example.start()
  })
  afterAll(() => example.drop())

  test('every one of them runs as printed and answers what its comment says', async () => {
    const myuser = {
      username: 'myuser',
      email: 'myuser@example.com',
      display_name: 'New Display Name',
      first_name: 'My',
      middle_name: 'Middle',
      last_name: 'User',
      is_totp_enabled: false,
      totp_label: '',
    }
    const members = [
      expect.objectContaining({ login: 'admin' }),
      expect.objectContaining({
        id: MYUSER_ID,
        login: 'myuser',
        mail: 'myuser@example.com',
        full_name: 'My Display Name',
        first_name: 'My',
        middle_name: null,
        department: 'Support',
        password_expires: expect.any(String),
      }),
      expect.objectContaining({ id: THENAME_ID, login: 'thename' }),
    ]
    const details = {
      user: expect.objectContaining({ user_id: THENAME_ID, username: 'thename', email: 'toto@digdash.com' }),
      grants: {
        roles: [
          { role: 'roleid1', rights: 'RWX' },
          { role: 'roleid2', rights: 'R' },
        ],
        acls: ['acl1'],
        groups: ['group1'],
      },
      attributes: { langChoice: '1' },
      etag: expect.stringMatching(/^"/),
    }
    const renamed = expect.objectContaining({ username: 'myuser', last_name: 'Newname' })
    const expected: readonly (readonly [beginning: string, reply: unknown])[] = [
      ['UST=', null],
      ['curl -X PATCH', OK],
      ['curl "', { ...OK, ...myuser }],
      ['curl -X PATCH', OK],
      ['ADMIN=', null],
      ['curl -X PATCH', OK],
      [`curl ${app.base}/members`, members],
      ['curl -X PATCH', { status: 'error', cid: ANY_CID, sub_status: ['E008002'] }],
      [`curl ${app.base}/members`, refused('super_user_required', 'Only a super-user may do this.')],
      [
        `curl '${app.base}/ddenterpriseapi/updateuser?user=admin&pass=admin&uid=thename&password=mdp&'`,
        updated(['password']),
      ],
      ['THENAME=', null],
      [`curl ${app.base}/reports`, refused('not_allowed', 'The operation is not allowed.')],
      ['curl -g', updated(['roles'])],
      [`curl ${app.base}/reports`, { reader: 'thename', reports: ['turnover', 'forecast'] }],
      ['curl -g', updated(['roles'])],
      ['curl -g', updated(['acls', 'groups'])],
      ['curl -g', updated(['acls', 'groups'])],
      [`curl ${app.base}/ddenterpriseapi/updateuser`, updated(['email', 'attributes.langChoice'])],
      [`curl ${app.base}/ddenterpriseapi/updateuser`, updated(['attributes.digdashMailPassword'])],
      ['curl -X PATCH', { user: renamed, changed: ['last_name'], dryRun: true }],
      ['curl -X PATCH', { user: renamed, changed: ['last_name'] }],
      [`curl "${app.base}/account/users`, expect.objectContaining({ total: 1, users: [renamed] })],
      [`curl ${app.base}/members/${THENAME_ID}`, details],
    ]
    const lines = shellLines(app.output)
    expect(lines.map((line, index) => line.slice(0, expected[index]?.[0].length))).toEqual(
      expected.map(([beginning]) => beginning),
    )

    const replies = runLines(lines)

    expect(replies.map((reply) => (reply === '' ? null : JSON.parse(reply)))).toEqual(
      expected.map(([, reply]) => reply),
    )
    const expiry = (await example.member('myuser')).password_expires as string
    expect(lines[5]).toContain(`"password_expiry":"${expiry}"`)
  })

  test('the variables hold the session tokens that the next lines need', () => {
    const [first] = shellLines(app.output)
    const [token] = runLines([`${first}; printf '%s' "$UST"`])
    expect(token).toMatch(UST)
  })
})
