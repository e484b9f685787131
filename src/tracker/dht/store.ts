/** The table as it is kept from run to run. Who reads it trusts nothing in it. */
import { BencodeDictionary, BencodeError, decodeAll, encode } from '../../common/bencode.js';
import { compactContacts, ID_LENGTH, readContacts, type Contact, type Family } from './contact.js';

const VERSION = 1;
/** A table has 150 or so. */
export const MOST_SAVED = 300;
const MOST_BYTES = 65_536;

const KEYS = { ipv4: { id: 'id4', nodes: 'nodes4' }, ipv6: { id: 'id6', nodes: 'nodes6' } } as const;

export interface SavedNode {
  readonly id: Uint8Array;
  readonly contacts: readonly Contact[];
}

export type SavedState = Partial<Record<Family, SavedNode>>;

export function serializeState(state: SavedState): Uint8Array {
  const entries = Object.entries(state).flatMap(([family, { id, contacts }]) => {
    const keys = KEYS[family as Family];
    return [
      [keys.id, id],
      [keys.nodes, compactContacts(contacts.slice(0, MOST_SAVED))],
    ] as const;
  });
  return encode({ version: VERSION, ...Object.fromEntries(entries) });
}

/** Undefined for what we did not write; what is whole of it is used. */
export function parseState(bytes: Uint8Array): SavedState | undefined {
  if (bytes.length > MOST_BYTES) return undefined;
  try {
    const value = decodeAll(bytes);
    if (!(value instanceof BencodeDictionary) || value.getInteger('version') !== VERSION) return undefined;
    return { ...nodeOf(value, 'ipv4'), ...nodeOf(value, 'ipv6') };
  } catch (error) {
    if (error instanceof BencodeError) return undefined;
    throw error;
  }
}

function nodeOf(state: BencodeDictionary, family: Family): SavedState {
  const id = state.getBytes(KEYS[family].id)?.slice();
  if (id?.length !== ID_LENGTH) return {};
  const nodes = state.getBytes(KEYS[family].nodes) ?? new Uint8Array();
  return { [family]: { id, contacts: readContacts(nodes, family, MOST_SAVED) } };
}
