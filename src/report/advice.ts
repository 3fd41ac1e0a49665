/** How the reader gets at a run: plain lines and files, where nobody can be asked, or a terminal with a person. */
export type Medium = 'plain' | 'terminal';

/** A sentence of advice, and the command that it ends with; null where it names none. */
export interface Advice {
  says: string;
  command: string | null;
}

/**
 * Commands are written after a colon and end with the line, with a punctuation mark, or where the next sentence begins:
 * a command holds no word with a capital at its head alone.
 */
const COMMAND = /: (lifeboat .+?)(?:[.;]?$|[.;] +| +(?=\(|[A-Z][a-z]))/m;

/** Takes advice apart into sentences that each name one command at most: that is what can be copied and run. */
export function adviceOf(text: string): Advice[] {
  return text.split('\n').flatMap(adviceOfLine);
}

/** The same as lines, for a reader who copies from a line of any length. */
export function adviceLines(text: string): string[] {
  return adviceOf(text).map(({ says, command }) => (command === null ? says : `${says} ${command}`));
}

/** Whether a text names a command to run. */
export function namesCommand(text: string): boolean {
  return COMMAND.test(text);
}

function adviceOfLine(text: string): Advice[] {
  const found: Advice[] = [];
  let rest = text.trim();
  for (let match = COMMAND.exec(rest); match !== null; match = COMMAND.exec(rest)) {
    const says = rest.slice(0, match.index + 1);
    const sentence = says.lastIndexOf('. ') + 1;
    if (sentence > 0) found.push({ says: says.slice(0, sentence), command: null });
    found.push({ says: says.slice(sentence).trim(), command: match[1] as string });
    rest = rest.slice(match.index + match[0].length).trim();
  }
  return rest === '' ? found : [...found, { says: rest, command: null }];
}
