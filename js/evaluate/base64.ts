// Base64 by hand: worklets of audio have no atob(), nor has every test environment, and Node 20 no Uint8Array.fromBase64.

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

// Every engine accepts this many arguments of a function. A multiple of 3, so that parts can be joined.
const PART = 3 * 8192;

export function toBase64(bytes: Uint8Array): string {
  const codes = Uint8Array.from(DIGITS, (digit) => digit.charCodeAt(0));
  const text = new Uint8Array((PART / 3) * 4);
  const parts: string[] = [];
  for (let from = 0; from < bytes.length; from += PART) {
    const part = bytes.subarray(from, from + PART);
    let at = 0;
    // Beyond the end, where there is no byte, an operator sees 0.
    for (let i = 0; i < part.length; i += 3, at += 4) {
      const bits = ((part[i] as number) << 16) | ((part[i + 1] as number) << 8) | (part[i + 2] as number);
      text[at] = codes[bits >> 18] as number;
      text[at + 1] = codes[(bits >> 12) & 63] as number;
      text[at + 2] = codes[(bits >> 6) & 63] as number;
      text[at + 3] = codes[bits & 63] as number;
    }
    text.fill('='.charCodeAt(0), at - ((3 - (part.length % 3)) % 3), at);
    parts.push(String.fromCharCode.apply(null, text.subarray(0, at) as unknown as number[]));
  }
  return parts.join('');
}

/** @throws RangeError for what is not base64 with its padding */
export function fromBase64(text: string): Uint8Array {
  const digits = text.replace(/={1,2}$/, '');
  if (text.length % 4 !== 0) throw new RangeError(`base64 has a multiple of 4 characters, got ${text.length}`);
  // One more than a character of one byte, for all others.
  const values = new Uint8Array(257).fill(255);
  for (let value = 0; value < DIGITS.length; value++) values[DIGITS.charCodeAt(value)] = value;
  const bytes = new Uint8Array((digits.length * 3) >> 2);
  let bits = 0;
  let at = 0;
  for (let i = 0; i < digits.length; i++) {
    const value = values[Math.min(digits.charCodeAt(i), 256)] as number;
    if (value === 255) throw new RangeError(`no digit of base64: ${JSON.stringify(digits[i])}`);
    bits = (bits << 6) | value;
    if (i % 4 !== 0) bytes[at++] = (bits >> (6 - 2 * (i % 4))) & 255;
  }
  return bytes;
}
