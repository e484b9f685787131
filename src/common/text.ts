/** Control characters, line separators and direction marks: what could forge a terminal's lines (THREATS N8). */
const UNSAFE = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;

/** A foreign text, fit for a terminal: what is not is shown as `\x1b` or `\u202e`. */
export function escapeControl(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const code = character.codePointAt(0)!;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

/** The start of a foreign text in quotes, fit for a message. */
export function quote(text: string, most = 200): string {
  return `"${escapeControl(text.slice(0, most))}${text.length > most ? '…' : ''}"`;
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text of UTF-8 bytes; undefined when they are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  if (!text.includes('\ufffd')) return text; // the usual case, at a third of the cost
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

/**
 * The text of bytes in UTF-8, else in `encoding` (a label such as `GBK` or `windows-1251`); undefined when they are in
 * neither, or nobody knows the encoding.
 */
export function decodeText(bytes: Uint8Array, encoding?: string): string | undefined {
  const text = decodeUtf8(bytes);
  if (text !== undefined || encoding === undefined) return text;
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
