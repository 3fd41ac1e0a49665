const UUID =
  /^(?:urn:uuid:)?\{?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})\}?$/i;
const CANONICAL_UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * The form under which ids of both stores are joined: UUIDs hyphenated and lower-case, as Qdrant returns them;
 * integers as decimal text; anything else as it is.
 */
export function joinKey(id: string | number | bigint): string {
  if (typeof id !== 'string') return id.toString();
  if (CANONICAL_UUID.test(id)) return id;
  const parts = UUID.exec(id);
  return parts === null ? id : parts.slice(1).join('-').toLowerCase();
}

/** A joined id as Qdrant takes it: integers are decimal text in the joined form, and numbers to Qdrant. */
export function pointId(key: string): string | bigint {
  return /^\d+$/.test(key) ? BigInt(key) : key;
}

/** Why a joined id is not what AutoMem writes, or null where it is: AutoMem's API takes only UUIDs. */
export function idPeculiarity(id: string | number | bigint): string | null {
  if (typeof id !== 'string') return 'an integer, where AutoMem writes UUIDs';
  return UUID.test(id) ? null : 'not a UUID';
}
