import { expect, it } from 'vitest';

import { hangingLines, wrapHelp } from '../../src/report/hanging.js';

it('goes on under the place where the text began, or beneath the head where that is too narrow', () => {
  const text = 'one two three four five six seven';
  expect(hangingLines('head  ', text, 30)).toEqual(['head  one two three four five', '      six seven']);
  expect(hangingLines('head  ', text, 20)).toEqual([
    'head',
    '    one two three',
    '    four five six',
    '    seven',
  ]);
  expect(hangingLines('head  ', text, Infinity)).toEqual([`head  ${text}`]);
});

it('fills paragraphs of help anew that are too wide, and leaves the rest as it is', () => {
  const help =
    'Short.\nLines.\n\nA paragraph that is\ntoo wide for it.\n\nExit codes:\n  0    done, or there was nothing\n';
  expect(wrapHelp(help, Infinity)).toBe(help);
  expect(wrapHelp(help, 17)).toBe(
    'Short.\nLines.\n\nA paragraph that\nis too wide for\nit.\n\nExit codes:\n  0\n    done, or\n    there was\n    nothing\n',
  );
  expect(wrapHelp('  GET  /status  what came of it  KEY', 30)).toBe(
    '  GET  /status; what came of\n       it; KEY',
  );
  expect(wrapHelp(help, 30)).toContain('\n  0    done, or there was\n       nothing\n');
});
