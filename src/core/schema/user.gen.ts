// Generated from schemas/user.json by `npm run generate`. Do not edit.

/** Every attribute of an account, secrets included. Never leaves the core. */
export interface StoredUser {
  /** The account's id. Integer and UUID ids of a host's table appear as strings. */
  readonly user_id: string
  /** Name to log in with. Unique; compared without regard to case or Unicode form. */
  readonly username: string
  /** Hash of the password. Changed by its own operations only. */
  readonly password: string | null
  /** Email address. */
  readonly email: string | null
  /** Name to show. */
  readonly display_name: string | null
  /** First name. */
  readonly first_name: string | null
  /** Middle name. */
  readonly middle_name: string | null
  /** Last name. */
  readonly last_name: string | null
  /** False keeps the owner out. Set by the host's own program only: nothing here changes it. */
  readonly is_active: boolean
  /** Always false; kept for clients of Zato. */
  readonly is_internal: boolean
  /** May manage other accounts. Given in code only. */
  readonly is_super_user: boolean
  /** A locked account can neither log in nor use its sessions. */
  readonly is_locked: boolean
  /** When is_locked was last changed. */
  readonly locked_time: Date | null
  /** Id of who changed is_locked last. */
  readonly locked_by: string | null
  /** How the account came to be, as JSON text. */
  readonly creation_ctx: string
  /** Whether the account has been let in. */
  readonly approval_status: 'before_decision' | 'approved' | 'rejected'
  /** When approval_status was last changed. */
  readonly approval_status_mod_time: Date | null
  /** Id of who changed approval_status last, or auto. */
  readonly approval_status_mod_by: string | null
  /** True while approval_status is not approved. */
  readonly is_approval_needed: boolean
  /** Whether there is a password to log in with. */
  readonly password_is_set: boolean
  /** The next login must send a new password. */
  readonly password_must_change: boolean
  /** When the password was last set. */
  readonly password_last_set: Date | null
  /** When the password stops being accepted; null means never. */
  readonly password_expiry: Date | null
  /** Whether a sign-up has been confirmed. */
  readonly sign_up_status: 'before_confirmation' | 'final'
  /** When the account was created. */
  readonly sign_up_time: Date | null
  /** Logins must send a time-based one-time code. */
  readonly is_totp_enabled: boolean
  /** Key of the one-time codes, base32. */
  readonly totp_key: string | null
  /** Label of the one-time codes in an authenticator app. */
  readonly totp_label: string | null
  /** The last time step whose code was accepted; a code works once (ASVS 6.5.1). */
  readonly totp_last_step: number | null
  /** A code of the present totp_key has been accepted. */
  readonly totp_is_proved: boolean
  /** Kept for clients of Zato; without effect here. */
  readonly is_rate_limit_active: boolean
  /** Kept for clients of Zato; without effect here. */
  readonly rate_limit_def: string | null
}

/** Our own attributes of an account as it is shown: secrets never, those of super-users only to them. */
export interface OwnUser {
  /** The account's id. Integer and UUID ids of a host's table appear as strings. */
  readonly user_id: string
  /** Name to log in with. Unique; compared without regard to case or Unicode form. */
  readonly username: string
  /** Email address. */
  readonly email: string | null
  /** Name to show. */
  readonly display_name: string | null
  /** First name. */
  readonly first_name: string | null
  /** Middle name. */
  readonly middle_name: string | null
  /** Last name. */
  readonly last_name: string | null
  /** False keeps the owner out. Set by the host's own program only: nothing here changes it. */
  readonly is_active?: boolean
  /** Always false; kept for clients of Zato. */
  readonly is_internal?: boolean
  /** May manage other accounts. Given in code only. */
  readonly is_super_user?: boolean
  /** A locked account can neither log in nor use its sessions. */
  readonly is_locked?: boolean
  /** When is_locked was last changed. */
  readonly locked_time?: Date | null
  /** Id of who changed is_locked last. */
  readonly locked_by?: string | null
  /** How the account came to be, as JSON text. */
  readonly creation_ctx?: string
  /** Whether the account has been let in. */
  readonly approval_status?: 'before_decision' | 'approved' | 'rejected'
  /** When approval_status was last changed. */
  readonly approval_status_mod_time?: Date | null
  /** Id of who changed approval_status last, or auto. */
  readonly approval_status_mod_by?: string | null
  /** True while approval_status is not approved. */
  readonly is_approval_needed?: boolean
  /** Whether there is a password to log in with. */
  readonly password_is_set?: boolean
  /** The next login must send a new password. */
  readonly password_must_change?: boolean
  /** When the password was last set. */
  readonly password_last_set?: Date | null
  /** When the password stops being accepted; null means never. */
  readonly password_expiry?: Date | null
  /** Whether a sign-up has been confirmed. */
  readonly sign_up_status?: 'before_confirmation' | 'final'
  /** When the account was created. */
  readonly sign_up_time?: Date | null
  /** Logins must send a time-based one-time code. */
  readonly is_totp_enabled: boolean
  /** Label of the one-time codes in an authenticator app. */
  readonly totp_label: string | null
  /** A code of the present totp_key has been accepted. */
  readonly totp_is_proved?: boolean
  /** Kept for clients of Zato; without effect here. */
  readonly is_rate_limit_active?: boolean
  /** Kept for clients of Zato; without effect here. */
  readonly rate_limit_def?: string | null
}

/** Our own attributes that an update may name. An absent key is not touched; null is stored as NULL. */
export interface OwnUserPatch {
  /** Name to log in with. Unique; compared without regard to case or Unicode form. */
  readonly username?: string
  /** Email address. */
  readonly email?: string | null
  /** Name to show. */
  readonly display_name?: string | null
  /** First name. */
  readonly first_name?: string | null
  /** Middle name. */
  readonly middle_name?: string | null
  /** Last name. */
  readonly last_name?: string | null
  /** A locked account can neither log in nor use its sessions. */
  readonly is_locked?: boolean
  /** Whether the account has been let in. */
  readonly approval_status?: 'before_decision' | 'approved' | 'rejected'
  /** The next login must send a new password. */
  readonly password_must_change?: boolean
  /** When the password stops being accepted; null means never. */
  readonly password_expiry?: Date | string | null
  /** Whether a sign-up has been confirmed. */
  readonly sign_up_status?: 'before_confirmation' | 'final'
  /** Logins must send a time-based one-time code. */
  readonly is_totp_enabled?: boolean
  /** Key of the one-time codes, base32. */
  readonly totp_key?: string | null
  /** Label of the one-time codes in an authenticator app. */
  readonly totp_label?: string | null
}
