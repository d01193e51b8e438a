import { DEMO_MEMBERS } from './accounts.ts'

const NINETY_DAYS_MS = 90 * 86_400_000
const [admin, thename, myuser] = DEMO_MEMBERS

/** Lines for a shell, to be pasted one by one or all together. */
export function curlLines(base: string, now: Date): string {
  const user = `${base}/zato/sso/user`
  const updateuser = `${base}/ddenterpriseapi/updateuser`
  const login = ({ login, password }: { login: string; password: string }) =>
    `$(curl -s ${user}/login -d '{"username":"${login}","password":"${password}","current_app":"CRM"}' | ${UST_OF_REPLY})`
  const accounts = DEMO_MEMBERS.map((member) => `${member.login} / ${member.password}`).join(', ')
  const inThreeMonths = new Date(now.getTime() + NINETY_DAYS_MS).toISOString()

  return `
Accounts: ${accounts}. Sign in with a browser at ${base}/, or paste these lines into a shell.

# A regular user logs in, changes his own account and reads it back.
UST=${login(myuser)}
curl -X PATCH ${user} -d '{"ust":"'$UST'","current_app":"CRM","display_name":"New Display Name","email":"myuser@example.com"}'
curl "${user}?current_app=CRM" -H "Authorization: Bearer $UST"

# null is stored as NULL; what is not sent stays as it is.
curl -X PATCH ${user} -d '{"ust":"'$UST'","current_app":"CRM","middle_name":null}'

# A super-user changes another's account by its id, and looks at the members table. A regular user may not.
ADMIN=${login(admin)}
curl -X PATCH ${user} -d '{"ust":"'$ADMIN'","current_app":"CRM","user_id":"${myuser.id}","display_name":"My Display Name","is_locked":false,"password_expiry":"${inThreeMonths}"}'
curl ${base}/members -H "Authorization: Bearer $ADMIN"
curl -X PATCH ${user} -d '{"ust":"'$UST'","current_app":"CRM","user_id":"${thename.id}","is_locked":true}'
curl ${base}/members -H "Authorization: Bearer $UST"

# A new password by script; then its owner logs in with it.
curl '${updateuser}?user=admin&pass=admin&uid=thename&password=mdp&'
THENAME=${login({ ...thename, password: 'mdp' })}

# Roles and authorisations. -g keeps curl from reading [ ] and { } as patterns.
curl ${base}/reports -H "Authorization: Bearer $THENAME"
curl -g '${updateuser}?user=admin&pass=admin&uid=thename&roles=["roleid1|RWX","roleid2|R"]'
curl ${base}/reports -H "Authorization: Bearer $THENAME"
curl -g '${updateuser}?user=admin&pass=admin&uid=thename&rolesnoselected=["roleidtoremove"]'
curl -g '${updateuser}?user=admin&pass=admin&uid=thename&acls=["acl1","acl2"]&groupacls=["group1","group2"]'
curl -g '${updateuser}?user=admin&pass=admin&uid=thename&aclsnoselected=["acl2"]&groupaclsnoselected=["group2"]'

# Attributes; as a POST, which leaves no password in histories and logs.
curl ${updateuser} -d user=admin -d pass=admin -d uid=thename --data-urlencode 'attributes={"digdashMail":"toto@digdash.com","langChoice":"1"}'
curl ${updateuser} -u admin:admin -H 'Content-Type: application/json' -d '{"uid":"thename","attributes":{"digdashMailPassword":"s3cret"}}'

# For clients of your own: tried first, then done, and found again.
curl -X PATCH "${base}/account/me?dryRun=true" -H "Authorization: Bearer $UST" -H 'Content-Type: application/merge-patch+json' -d '{"last_name":"Newname"}'
curl -X PATCH ${base}/account/me -H "Authorization: Bearer $UST" -H 'Content-Type: application/merge-patch+json' -d '{"last_name":"Newname"}'
curl "${base}/account/users?last_name=NEWNAME" -H "Authorization: Bearer $ADMIN"

# What came of it all.
curl ${base}/members/${thename.id} -H "Authorization: Bearer $ADMIN"
`
}

const UST_OF_REPLY = `sed 's/.*"ust":"\\([^"]*\\)".*/\\1/'`
