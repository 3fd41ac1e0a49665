const STRUCTURE = /["{}[\]]/g;
const SCALAR_END = /[,}\]\s]/g;

/**
 * Where the JSON value that starts at `start` ends: the offset of the character after it. Nothing is parsed, so that
 * values can be passed on as the text they are; the text has to be JSON, and hold the whole value.
 *
 * @throws RangeError where the text ends inside the value
 */
export function valueEnd(text: string, start: number): number {
  const first = text[start];
  if (first === '"') return stringEnd(text, start);
  if (first !== '{' && first !== '[') {
    SCALAR_END.lastIndex = start;
    return SCALAR_END.exec(text)?.index ?? text.length;
  }
  let depth = 0;
  STRUCTURE.lastIndex = start;
  for (let found = STRUCTURE.exec(text); found !== null; found = STRUCTURE.exec(text)) {
    const char = found[0];
    if (char === '"') STRUCTURE.lastIndex = stringEnd(text, found.index);
    else if (char === '{' || char === '[') depth++;
    else if (--depth === 0) return found.index + 1;
  }
  throw new RangeError('the text ends inside a value');
}

function stringEnd(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === '\\') backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
  }
  throw new RangeError('the text ends inside a value');
}

/**
 * The objects of the array that starts at `start`, each as the texts of its fields by name. Names hold no escapes.
 *
 * @throws RangeError where the text ends before the array does, or where it holds something else
 */
export function rawObjects(text: string, start: number): Map<string, string>[] {
  const objects: Map<string, string>[] = [];
  let at = afterSpace(text, afterSpace(text, start) + 1);
  while (text[at] === '{') {
    const fields = new Map<string, string>();
    at = readFields(text, at, fields);
    objects.push(fields);
    at = afterComma(text, at);
  }
  if (text[at] !== ']') throw new RangeError('the text ends inside a list of objects');
  return objects;
}

function readFields(text: string, start: number, fields: Map<string, string>): number {
  let at = afterSpace(text, start + 1);
  while (text[at] === '"') {
    const nameEnd = stringEnd(text, at);
    const valueStart = afterSpace(text, afterSpace(text, nameEnd) + 1);
    const end = valueEnd(text, valueStart);
    fields.set(text.slice(at + 1, nameEnd - 1), text.slice(valueStart, end));
    at = afterComma(text, end);
  }
  if (text[at] !== '}') throw new RangeError('the text ends inside an object');
  return at + 1;
}

function afterComma(text: string, at: number): number {
  const next = afterSpace(text, at);
  return text[next] === ',' ? afterSpace(text, next + 1) : next;
}

/** Qdrant writes no white space between values; what stands in between may write it otherwise. */
function afterSpace(text: string, at: number): number {
  let next = at;
  while (text.charCodeAt(next) <= 32) next++;
  return next;
}
