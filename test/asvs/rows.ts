/** One requirement of OWASP ASVS 5.0 that this package meets, or helps its host to meet. */
export interface Row {
  readonly id: string
  /** Of ASVS: 1 to 3. */
  readonly level: 1 | 2 | 3
  /** What holds here. */
  readonly here: string
  /** The option that governs it, in backticks, or what the host must do; empty if neither: it is always so. */
  readonly by: string
}

/**
 * Every requirement that binds the package. The README's table is made of it, and `npm run check` asks for a test of
 * each whose name begins with `ASVS` and the id.
 */
export const ROWS: readonly Row[] = [
  row('2.2.1', 1, 'what is sent is checked against schemas that say what is allowed', '`attributes`'),
  row('2.2.2', 1, 'that is done in the core, whatever the dialect', ''),
  row(
    '2.2.3',
    2,
    'an id both added and removed, and one-time codes without a proved key, are refused',
    '`totp.requireProof`',
  ),
  row('2.3.3', 2, 'a change is all or nothing: one transaction', '`hooks.withinUpdate`'),
  row(
    '2.3.4',
    2,
    'a one-time code and a reset token pass once, and one super-user stays, also of two requests at once',
    '',
  ),
  row(
    '2.4.1',
    2,
    'guesses at passwords, one-time codes and reset tokens, and requests for these, wait longer and longer',
    '`throttle.enabled`',
  ),
  row('4.1.1', 1, 'every body has its `Content-Type`, text and JSON with `charset=utf-8`', ''),
  row(
    '4.1.3',
    2,
    'a client’s word for its address is not believed',
    'you: Express’ `trust proxy`; `loginMetadataApps`',
  ),
  row('4.1.4', 3, 'other methods of a path: 405 with `Allow`', '`updateuser.methods`'),
  row(
    '6.1.1',
    1,
    'the limits are written down above, and why they keep no owner out',
    '`throttle.perAccount`, `throttle.perAddress`',
  ),
  row('6.1.2', 2, 'you list the words of your organisation', '`password.contextWords`'),
  row('6.2.1', 1, 'passwords have 8 characters or more', '`password.minLength`'),
  row('6.2.2', 1, 'users change their own passwords', ''),
  row('6.2.3', 1, 'with the present one', ''),
  row(
    '6.2.4',
    1,
    'none of the 3,000 most common ones that are long enough',
    '`password.rejectMostCommon`, `password.rejectList`',
  ),
  row('6.2.5', 1, 'no kind of character is asked for', '`password.minComplexity`'),
  row(
    '6.2.8',
    1,
    'verified as they were sent: not trimmed, cut, or changed in case; bcrypt hashes match nothing beyond 72 bytes',
    '`password.hasher`',
  ),
  row('6.2.9', 2, 'up to 256 characters are accepted', '`password.maxLength`'),
  row('6.2.10', 2, 'passwords do not expire', '`password.expiryDays`'),
  row('6.2.11', 2, 'no names of yours, nor of the owner, in a password', '`password.contextWords`'),
  row('6.2.12', 2, 'your own check of new passwords, in clear, with an example for stolen ones', '`password.validate`'),
  row('6.3.1', 1, 'guesses are slowed down alike in every dialect, function and strategy', '`throttle.enabled`'),
  row('6.3.2', 1, 'the package makes no accounts; the demo refuses to be reached from elsewhere with its own', ''),
  row('6.3.4', 2, 'one gate: tokens, passwords, Basic and your own authentication meet the same conditions', ''),
  row(
    '6.3.7',
    3,
    'a hook hears of changes of username, email, password and one-time codes',
    '`hooks.afterUpdate`: you tell the owner',
  ),
  row(
    '6.3.8',
    3,
    'unknown and known usernames cannot be told apart: same answer for the same work',
    '`inform.locked` and the like tell the owner more',
  ),
  row(
    '6.4.1',
    1,
    'a password that the package makes is random and told to nobody; reset tokens are 256 random bits, expire after 30 minutes and work once',
    '`passwordReset.validMinutes`, `hooks.onPasswordReset`',
  ),
  row(
    '6.4.3',
    2,
    'a reset asks for a one-time code where they are on, and leaves them on',
    '`passwordReset.requireTotp`',
  ),
  row(
    '6.4.6',
    3,
    'a super-user has a token sent to the owner, who chooses the password himself; that he chooses it can be prevented',
    '`password.superUsersMayChoose`',
  ),
  row('6.5.1', 2, 'a one-time code works once, and so does a reset token', '`totp.allowReplay`'),
  row('6.5.3', 2, 'keys of one-time codes are 160 bits of the system’s random numbers', ''),
  row('6.5.4', 2, 'one-time codes have six digits and are throttled', '`throttle.perAccount`'),
  row('6.5.5', 2, 'a code is good for its 30 seconds and the steps beside them', '`totp.window`'),
  row('6.5.8', 3, 'by the clock of the server', '`now`'),
  row('6.6.3', 2, 'one-time codes are not guessed for long', '`throttle.perAccount`'),
  row('7.2.1', 1, 'session tokens are checked in the database, on every request', ''),
  row('7.2.2', 1, 'they are references: nothing of a session is in them', ''),
  row('7.2.3', 1, 'they are 256 random bits, stored as a hash', ''),
  row(
    '7.2.4',
    1,
    'every login makes a new token and takes none that is offered; in `sso.rest` it takes the place of the one sent along',
    'you, in the other dialects: log out first',
  ),
  row('7.3.1', 2, 'sessions that are not used end, if you say so', '`session.inactivityMinutes`'),
  row('7.3.2', 2, 'sessions have an end, renewed ones too', '`session.lifetimeMinutes`, `session.absoluteMinutes`'),
  row('7.4.1', 1, 'a logout and an expiry hold everywhere, from the next request on', ''),
  row('7.4.2', 1, 'a lock, a rejection and a deletion end the account’s sessions', '`session.revokeOnChange`'),
  row('7.4.3', 2, 'a new password or key of one-time codes ends the other sessions', '`session.revokeOnChange`'),
  row('7.4.5', 2, 'super-users end the sessions of any account, or of all of them', ''),
  row(
    '7.5.1',
    2,
    'attributes that need a fresh proof are marked `reauth`; `sso.rest` asks for it',
    '`attributes`, `rest.reauthMaxAge`',
  ),
  row('7.5.2', 2, 'users list and end their own sessions', ''),
  row('8.1.1', 1, 'who may do what is written down above', ''),
  row(
    '8.1.2',
    2,
    'who may read and change which attribute is the access matrix above, made from the schema',
    '`attributes`',
  ),
  row('8.2.1', 1, 'what is for super-users is refused to all others', ''),
  row(
    '8.2.2',
    1,
    'nobody else reaches an account that is not his',
    '`updateuser.permissions.attributes` and the like lend rights',
  ),
  row('8.2.3', 2, 'nor an attribute that the schema does not give him', '`attributes`, `hooks.authorizeUpdate`'),
  row('8.3.1', 1, 'that is decided in the core, for every dialect alike', ''),
  row('8.3.2', 1, 'locks and lost rights hold from the next request on', ''),
  row(
    '8.3.3',
    3,
    'a call has the rights of whom it is made for, never those of the program between',
    "you: `actor: { via: 'host', userId }`",
  ),
  row('11.4.2', 2, 'argon2id with OWASP’s parameters', '`password.hasher`'),
  row(
    '11.5.1',
    2,
    'what must not be guessed is of the system’s random numbers, 128 bits or more',
    '`users.newId` makes no secrets',
  ),
  row('14.2.1', 1, 'secrets in a query string: only in GET `/updateuser`, and taken out there', '`updateuser.methods`'),
  row('14.3.2', 1, '`Cache-Control: no-store` on every reply', ''),
  row('16.2.1', 2, 'each record: who, what, when, where, in which request', '`correlationId`'),
  row('16.2.5', 2, 'no secrets in logs, errors or the audit trail', ''),
  row('16.3.1', 2, 'logins are recorded, those that fail, too', '`audit.sinks`'),
  row('16.3.2', 2, 'so are refusals', '`audit.sinks`, `hooks.onDenied`'),
  row('16.3.3', 2, 'and what does not pass validation', '`audit.sinks`'),
  row('16.4.1', 2, 'records are encoded, so that none can forge another', '`audit.sinks`'),
  row(
    '16.4.2',
    2,
    'records are sealed in a chain, so that it shows if one is changed, removed, inserted or moved',
    '`audit.relay`; you: no right to change or delete rows of `sso_audit`',
  ),
  row('16.5.1', 2, 'nothing of an unforeseen error but its correlation id', '`hooks.onError`'),
  row('16.5.2', 2, 'a sink that fails holds up nothing', '`audit.sinks`'),
  row(
    '16.5.3',
    2,
    'attempts that cannot be counted and changes that cannot be recorded are refused',
    '`throttle.store`',
  ),
]

function row(id: string, level: Row['level'], here: string, by: string): Row {
  return { id, level, here, by }
}
