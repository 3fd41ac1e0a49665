import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { tagPrefixes } from '../../src/memory/tags.js';
import { python } from './python.js';

/** The rule as AutoMem's `utils/tags.py` has it. */
const RULE = `
import re
def prefixes(tags):
    found = []
    for tag in tags:
        parts = []
        for part in re.split('[:/]', tag.strip().lower()):
            if part:
                parts.append(part)
                if ':'.join(parts) not in found: found.append(':'.join(parts))
    return found
answer = [prefixes(tags) for tags in data]`;

describe('tagPrefixes', () => {
  it.each([
    [[], []],
    [['Python'], ['python']],
    [['Entity:People:Sarah'], ['entity', 'entity:people', 'entity:people:sarah']],
    [['a/b:c'], ['a', 'a:b', 'a:b:c']],
    [
      ['a:b', 'A/C', 'a'],
      ['a', 'a:b', 'a:c'],
    ],
    [['::a//b::'], ['a', 'a:b']],
    [['', '  ', ':/'], []],
    [['  padded tag  '], ['padded tag']],
    [['a : b'], ['a ', 'a : b']],
    [
      ['ÀÉ', 'İ', 'ΑΣ'],
      ['àé', 'i̇', 'ας'],
    ],
  ])('of %j are %j', (tags, prefixes) => {
    expect(tagPrefixes(tags)).toEqual(prefixes);
  });

  it('are those that AutoMem computes, for any tags', () => {
    const unit = fc.constantFrom(
      ...Array.from('aB:/ .é\t\n\u001c\u001f\u0085\u00a0\u200b\u2028\u3000\ufeffß漢🧠'),
    );
    const lists = fc.sample(fc.array(fc.string({ unit, maxLength: 8 }), { maxLength: 4 }), 3000);
    const wanted = python(RULE, lists) as string[][];
    for (const [i, tags] of lists.entries()) {
      expect({ tags, prefixes: tagPrefixes(tags) }).toEqual({ tags, prefixes: wanted[i] });
    }
  });
});
