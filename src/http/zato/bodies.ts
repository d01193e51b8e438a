import changePassword from '#schemas/change-password.json' with { type: 'json' }
import createUser from '#schemas/create-user.json' with { type: 'json' }
import deleteUser from '#schemas/delete-user.json' with { type: 'json' }
import exchangeResetToken from '#schemas/exchange-reset-token.json' with { type: 'json' }
import getUser from '#schemas/get-user.json' with { type: 'json' }
import listSessionAttributes from '#schemas/list-session-attributes.json' with { type: 'json' }
import listSessions from '#schemas/list-sessions.json' with { type: 'json' }
import listUserAttributes from '#schemas/list-user-attributes.json' with { type: 'json' }
import login from '#schemas/login.json' with { type: 'json' }
import logout from '#schemas/logout.json' with { type: 'json' }
import nameSessionAttributes from '#schemas/name-session-attributes.json' with { type: 'json' }
import nameUserAttributes from '#schemas/name-user-attributes.json' with { type: 'json' }
import readSessionAttributes from '#schemas/read-session-attributes.json' with { type: 'json' }
import readUserAttributes from '#schemas/read-user-attributes.json' with { type: 'json' }
import renewSession from '#schemas/renew-session.json' with { type: 'json' }
import requestPasswordReset from '#schemas/request-password-reset.json' with { type: 'json' }
import resetPassword from '#schemas/reset-password.json' with { type: 'json' }
import searchUsers from '#schemas/search-users.json' with { type: 'json' }
import sessionByToken from '#schemas/session-by-token.json' with { type: 'json' }
import setTotpKey from '#schemas/set-totp-key.json' with { type: 'json' }
import updateUser from '#schemas/update-user.json' with { type: 'json' }
import userById from '#schemas/user-by-id.json' with { type: 'json' }
import writeSessionAttributes from '#schemas/write-session-attributes.json' with { type: 'json' }
import writeUserAttributes from '#schemas/write-user-attributes.json' with { type: 'json' }

/** Schemas of the request bodies by the names of their files. */
export const BODIES = {
  login: login,
  logout: logout,
  'get-user': getUser,
  'create-user': createUser,
  'update-user': updateUser,
  'delete-user': deleteUser,
  'search-users': searchUsers,
  'change-password': changePassword,
  'set-totp-key': setTotpKey,
  'request-password-reset': requestPasswordReset,
  'exchange-reset-token': exchangeResetToken,
  'reset-password': resetPassword,
  'user-by-id': userById,
  'session-by-token': sessionByToken,
  'renew-session': renewSession,
  'list-sessions': listSessions,
  'read-user-attributes': readUserAttributes,
  'write-user-attributes': writeUserAttributes,
  'name-user-attributes': nameUserAttributes,
  'list-user-attributes': listUserAttributes,
  'read-session-attributes': readSessionAttributes,
  'write-session-attributes': writeSessionAttributes,
  'name-session-attributes': nameSessionAttributes,
  'list-session-attributes': listSessionAttributes,
} as const
