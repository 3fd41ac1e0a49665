import { spawnSync } from 'node:child_process';

/**
 * Runs Python once over a batch: `body` sees the decoded input as `data` and leaves its answer in `answer`. Half
 * surrogates survive both ways, because JSON escapes them.
 */
export function python(body: string, data: unknown): unknown {
  const program = `import json, sys\ndata = json.loads(sys.stdin.read())\n${body}\nprint(json.dumps(answer))`;
  const { status, stdout, stderr, error } = spawnSync('python3', ['-c', program], {
    input: JSON.stringify(data),
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}
