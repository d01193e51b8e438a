import ipaddr from 'ipaddr.js'
import { SsoError } from '../../errors.ts'
import type { Context } from '../context.ts'
import { identityKey } from '../schema/text.ts'
import type { StoredUser } from '../schema/user.gen.ts'
import { type Address, addressOf } from './address.ts'

/** Addresses that begin with the same bits. */
export type Network = readonly [Address, number]

/** Which addresses accounts may be used from (contract section 9). */
export interface AddressLists {
  /** Networks by the identity key of a username; `*` for every address. */
  readonly networks: ReadonlyMap<string, readonly Network[] | '*'>
  /** Whether accounts that are not listed may not be used at all. */
  readonly rejectsUnlisted: boolean
}

const MAPPED_BITS = 96

/** A network in CIDR notation, or a single address; null for what is neither. IPv4 within IPv6 is IPv4. */
export function networkOf(text: string): Network | null {
  const cidr = text.includes('/') ? text : `${text}/${text.includes(':') ? 128 : 32}`
  // The library also reads "10.1/16", which everybody means another network by.
  if (!ipaddr.IPv4.isValidCIDRFourPartDecimal(cidr) && !ipaddr.IPv6.isValidCIDR(cidr)) return null
  const [address, bits] = ipaddr.parseCIDR(cidr)
  const isMapped = address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() && bits >= MAPPED_BITS
  return isMapped ? [address.toIPv4Address(), bits - MAPPED_BITS] : [address, bits]
}

/** @throws SsoError `not_allowed` unless the account may be used from where the request comes from */
export function checkAddress(
  { networks, rejectsUnlisted }: AddressLists,
  { username }: StoredUser,
  { remoteAddr }: Context,
): void {
  const listed = networks.get(identityKey(username))
  const isAllowed = listed === undefined ? !rejectsUnlisted : listed === '*' || isWithin(listed, addressOf(remoteAddr))
  if (!isAllowed) throw new SsoError('not_allowed')
}

function isWithin(networks: readonly Network[], address: Address | null): boolean {
  return networks.some(([network, bits]) => address?.kind() === network.kind() && address.match(network, bits))
}
