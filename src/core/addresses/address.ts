import ipaddr from 'ipaddr.js'

/** An IPv4 or IPv6 address. */
export type Address = ipaddr.IPv4 | ipaddr.IPv6

// One customer has a /64 at least (RFC 6177): every address of it is as good as another.
const CUSTOMER_BITS = 64

/** An address, IPv4 within IPv6 as IPv4; null for what is no address. */
export function addressOf(remoteAddr: string | null): Address | null {
  return remoteAddr !== null && ipaddr.isValid(remoteAddr) ? ipaddr.process(remoteAddr) : null
}

/** What attempts from an address are counted under. What is no address is no way around it: all of those are one. */
export function customerOf(remoteAddr: string | null): string {
  const address = addressOf(remoteAddr)
  if (address === null) return 'unknown'
  if (address.kind() === 'ipv4') return address.toString()
  const network = address.toByteArray().map((byte, index) => (index < CUSTOMER_BITS / 8 ? byte : 0))
  return `${ipaddr.fromByteArray(network)}/${CUSTOMER_BITS}`
}
