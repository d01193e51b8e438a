import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { SsoError } from '../errors.ts'

/** Encrypts what must be readable again. AES-256-GCM; the purpose is authenticated, so a value cannot be moved. */
export interface Secrets {
  /** @throws SsoError `encryption_key_missing` */
  readonly encrypt: (purpose: string, clear: string) => string
  /** @throws Error if no configured key opens it */
  readonly decrypt: (purpose: string, sealed: string) => string
  /** The clear text; null where no configured key opens it, so that what is lost can be replaced. */
  readonly opened: (purpose: string, sealed: string) => string | null
  /** Whether there is a key at all. */
  readonly canEncrypt: boolean
}

const FORM = 'v1'
const KEY_ID_LENGTH = 8
const IV_LENGTH = 12
const TAG_LENGTH = 16

/** Characters that a text of so many characters has at most once it is encrypted. */
export function sealedLength(characters: number): number {
  const bytes = IV_LENGTH + 4 * characters + TAG_LENGTH
  return `${FORM}.`.length + KEY_ID_LENGTH + '.'.length + Math.ceil((bytes * 4) / 3)
}

/**
 * @param keys base64 of 32 bytes each; the first encrypts, all decrypt
 * @throws SsoError `option_invalid`
 */
export function buildSecrets(keys: readonly string[]): Secrets {
  const ring = keys.map((text, index) => {
    const key = Buffer.from(text, 'base64')
    if (key.length !== 32) {
      throw new SsoError('option_invalid', {
        message: `encryptionKeys[${index}]: must be 32 bytes in base64, as \`openssl rand -base64 32\` prints them.`,
      })
    }
    return { id: createHash('sha256').update(key).digest('base64url').slice(0, KEY_ID_LENGTH), key }
  })
  const [first] = ring

  const secrets: Secrets = {
    canEncrypt: first !== undefined,

    encrypt(purpose, clear) {
      if (!first) throw new SsoError('encryption_key_missing')
      const iv = randomBytes(IV_LENGTH)
      const cipher = createCipheriv('aes-256-gcm', first.key, iv).setAAD(Buffer.from(purpose))
      const sealed = Buffer.concat([iv, cipher.update(clear, 'utf8'), cipher.final(), cipher.getAuthTag()])
      return [FORM, first.id, sealed.toString('base64url')].join('.')
    },

    decrypt(purpose, text) {
      const [form, id, body] = text.split('.')
      const entry = ring.find((candidate) => candidate.id === id)
      if (form !== FORM || !entry || body === undefined)
        throw new Error('a stored secret is not under any configured key')
      const sealed = Buffer.from(body, 'base64url')
      const decipher = createDecipheriv('aes-256-gcm', entry.key, sealed.subarray(0, IV_LENGTH))
      decipher.setAAD(Buffer.from(purpose)).setAuthTag(sealed.subarray(-TAG_LENGTH))
      const clear = decipher.update(sealed.subarray(IV_LENGTH, -TAG_LENGTH))
      return Buffer.concat([clear, decipher.final()]).toString('utf8')
    },

    opened(purpose, text) {
      try {
        return secrets.decrypt(purpose, text)
      } catch {
        return null
      }
    },
  }
  return secrets
}
