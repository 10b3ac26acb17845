// SHA-256 (FIPS 180-4), synchronous: a page checks hundreds of thousands of short
// lines, and WebCrypto would cost a promise for each.
const sha256 = (() => {
  const K = new Int32Array(64);
  const START = new Int32Array(8);
  // The fractions of cube and square roots of the first primes.
  for (let candidate = 2, found = 0; found < 64; candidate++) {
    let prime = true;
    for (let by = 2; by * by <= candidate; by++) if (candidate % by === 0) { prime = false; break; }
    if (!prime) continue;
    if (found < 8) START[found] = (Math.sqrt(candidate) % 1) * 0x100000000 | 0;
    K[found++] = (Math.cbrt(candidate) % 1) * 0x100000000 | 0;
  }
  const w = new Int32Array(64);
  const h = new Int32Array(8);
  let padded = new Uint8Array(1024);

  function block(bytes, at) {
    for (let i = 0; i < 16; i++, at += 4) {
      w[i] = bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3];
    }
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15], y = w[i - 2];
      const s0 = (x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3;
      const s1 = (y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10;
      w[i] = w[i - 16] + s0 + w[i - 7] + s1 | 0;
    }
    let a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], k = h[7];
    for (let i = 0; i < 64; i++) {
      const s1 = (e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7);
      const t1 = k + s1 + (e & f ^ ~e & g) + K[i] + w[i] | 0;
      const s0 = (a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10);
      const t2 = s0 + (a & b ^ a & c ^ b & c) | 0;
      k = g; g = f; f = e; e = d + t1 | 0; d = c; c = b; b = a; a = t1 + t2 | 0;
    }
    h[0] += a; h[1] += b; h[2] += c; h[3] += d; h[4] += e; h[5] += f; h[6] += g; h[7] += k;
  }

  // The digest of the parts, one after the other.
  return (...parts) => {
    let length = 0;
    for (const part of parts) length += part.length;
    const total = (length + 9 + 63) & ~63;
    if (padded.length < total) padded = new Uint8Array(total * 2);
    let at = 0;
    for (const part of parts) { padded.set(part, at); at += part.length; }
    padded.fill(0, at, total);
    padded[at] = 0x80;
    const bits = length * 8;
    for (let i = 0; i < 6; i++) padded[total - 1 - i] = Math.floor(bits / 2 ** (8 * i)) & 255;
    h.set(START);
    for (let block_at = 0; block_at < total; block_at += 64) block(padded, block_at);
    const digest = new Uint8Array(32);
    for (let i = 0; i < 32; i++) digest[i] = h[i >> 2] >>> (24 - 8 * (i & 3));
    return digest;
  };
})();
