/** The metric of Kademlia: two ids are as far apart as the number that their XOR makes (BEP 5). */

/** Bits that two ids share from the start, 0 to 160. */
export function sharedBits(a: Uint8Array, b: Uint8Array): number {
  for (let at = 0; at < a.length; at++) {
    const difference = a[at]! ^ b[at]!;
    if (difference !== 0) return at * 8 + Math.clz32(difference) - 24;
  }
  return a.length * 8;
}

/** Less than 0 when `a` is nearer to `target` than `b`, 0 when they are the same; fit for sorting. */
export function compareDistance(target: Uint8Array, a: Uint8Array, b: Uint8Array): number {
  for (let at = 0; at < target.length; at++) {
    if (a[at] !== b[at]) return (a[at]! ^ target[at]!) - (b[at]! ^ target[at]!);
  }
  return 0;
}

export function isSameId(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
