// Uses functions that browsers and Node both have. Node 20 has no Uint8Array.fromBase64.

// Every engine accepts this many arguments of a function. A multiple of 3, so that parts can be joined.
const PART = 3 * 8192;

export function toBase64(bytes: Uint8Array): string {
  const parts: string[] = [];
  for (let i = 0; i < bytes.length; i += PART) {
    parts.push(btoa(String.fromCharCode.apply(null, bytes.subarray(i, i + PART) as unknown as number[])));
  }
  return parts.join('');
}

/** @throws DOMException for what is not base64 */
export function fromBase64(text: string): Uint8Array {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}
