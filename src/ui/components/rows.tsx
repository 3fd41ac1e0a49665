import { Box, Text, useAnimation } from 'ink';
import type { ReactNode } from 'react';
import type { Row, Span } from '../rows.js';
import { textWidth } from '../../report/text.js';
import { LOOKS, SPINNER, SPINNER_MS } from '../theme.js';

/**
 * Draws rows, each on one line; what does not fit ends in an ellipsis, unless it must stay whole: then the box is wider than
 * the terminal, and the terminal wraps it in a way that it copies as one line.
 */
export function Rows({ rows }: { rows: readonly Row[] }): ReactNode {
  return (
    <Box flexDirection="column" flexShrink={0}>
      {rows.map((row, index) => (
        <Box key={index} flexShrink={0} {...wholeWidth(row)}>
          <Text wrap="truncate-end">
            {row.map((item, place) => (
              <SpanText key={place} item={item} />
            ))}
          </Text>
        </Box>
      ))}
    </Box>
  );
}

function wholeWidth(row: Row): { width?: number } {
  if (!row.some(({ whole }) => whole === true)) return {};
  return { width: row.reduce((sum, { text }) => sum + textWidth(text), 0) };
}

function SpanText({ item }: { item: Span }): ReactNode {
  const { color, bold = false, dim = false } = LOOKS[item.look ?? 'plain'];
  return (
    <Text {...(color === undefined ? {} : { color })} bold={bold} dimColor={dim}>
      {item.spins === true ? <Spinner /> : item.text}
    </Text>
  );
}

function Spinner(): ReactNode {
  const { frame } = useAnimation({ interval: SPINNER_MS });
  return SPINNER[frame % SPINNER.length];
}
