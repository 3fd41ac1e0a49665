import type { LogEntry } from '../report/log-entries.js';
import type { ReportLine, ReportSection } from '../report/report-sections.js';
import { oneLine, textWidth } from '../report/text.js';
import { adviceRows, BLANK, cell, hanging, mark, span, wholeRow, type Row } from './rows.js';
import { ARROW } from './theme.js';

/** A finished thing as it stays in the scrollback. */
export function logRows(entry: LogEntry, width: number): Row[] {
  const rows = hanging([mark(entry.tone), span(' ')], oneLine(entry.text), width, quietly(entry));
  return entry.then === undefined
    ? rows
    : [...rows, ...adviceRows([span(`  ${ARROW} `, 'accent')], entry.then, width)];
}

/** The report as it stays in the scrollback. */
export function reportRows(title: string, sections: readonly ReportSection[], width: number): Row[] {
  return [
    BLANK,
    ...hanging([span('REPORT ', 'title')], title, width),
    ...sections.flatMap((section) => [
      ...(section.title === '' ? [] : [BLANK, [span(section.title.toUpperCase(), 'title')]]),
      ...sectionRows(section, width),
    ]),
  ];
}

function sectionRows(section: ReportSection, width: number): Row[] {
  const marked = section.lines.some((line) => line.tone !== 'info');
  const labels = Math.max(0, ...section.lines.map((line) => textWidth(line.label)));
  // Where the labels would take half of the line, or cut a path that can be copied, each stands on a line of its own.
  const longest = Math.max(0, ...section.lines.map((line) => textWidth(line.text)));
  const paths = section.title === 'Files';
  const stacked = labels > width * 0.45 || (paths && labels + longest + 5 > width);
  return section.lines.flatMap((line) => {
    const symbol = line.tone === 'info' ? span(' ') : mark(line.tone);
    const lead: Row = marked ? [span(' '), symbol, span(' ')] : [span(' ')];
    if (stacked && paths) return [...hanging(lead, line.label, width), wholeRow(line.text, width, 'quiet')];
    return stacked ? stackedRows(lead, line, width) : besideRows(lead, line, labels, width);
  });
}

function besideRows(lead: Row, line: ReportLine, labels: number, width: number): Row[] {
  const label = line.label === '' ? [] : [span(`${cell(line.label, labels)}  `, 'quiet')];
  return adviceRows([...lead, ...label], line.text, width, line.label === '' ? line.tone : 'plain');
}

function stackedRows(lead: Row, line: ReportLine, width: number): Row[] {
  if (line.label === '') return hanging(lead, oneLine(line.text), width, line.tone);
  const indent = ' '.repeat(lead.reduce((sum, item) => sum + item.text.length, 0) + 2);
  return [...hanging(lead, line.label, width), ...adviceRows([span(indent)], line.text, width, 'quiet')];
}

function quietly(entry: LogEntry): 'plain' | 'quiet' | 'bad' {
  if (entry.tone === 'skip') return 'quiet';
  return entry.tone === 'bad' ? 'bad' : 'plain';
}
