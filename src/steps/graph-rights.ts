import { ExitCode, Failure } from '../failure.js';
import type { GraphStore } from '../stores/graph/graph-store.js';
import type { RunStepsContext, Step } from './step.js';

/** A command of the graph server, as a step sends it. */
type Command = readonly [name: string, ...args: string[]];

type Keys = Pick<RunStepsContext, 'graphName' | 'stagingKey' | 'replacedKey'>;

const writeLive = ({ graphName }: Keys): Command[] => [['GRAPH.QUERY', graphName, 'RETURN 1']];
const copyLive = ({ graphName, replacedKey }: Keys): Command[] => [
  ['DEL', replacedKey],
  ['GRAPH.COPY', graphName, replacedKey],
];

/**
 * What a step cannot do without, with the very keys: rights may be given for some keys only. What it can do without, such
 * as BGREWRITEAOF and CLIENT LIST, is missed by the step itself, which says so and goes on.
 */
const NEEDED: Readonly<Record<string, (keys: Keys) => Command[]>> = {
  'stage-nodes': ({ stagingKey }) => [
    ['DEL', stagingKey],
    ['GRAPH.BULK', stagingKey, '0', '0', '0', '0'],
  ],
  'promote-graph': ({ graphName, stagingKey, replacedKey }) => [
    ['WATCH', graphName],
    ['UNWATCH'],
    ['EXEC'],
    ['RENAME', graphName, replacedKey],
    ['RENAME', stagingKey, graphName],
    ['GRAPH.QUERY', stagingKey, 'RETURN 1'],
  ],
  'catch-up': writeLive,
  'copy-graph': copyLive,
  'safeguard-stores': copyLive,
  'repair-graph': writeLive,
  'restore-relationships': writeLive,
  'create-stores': writeLive,
};

/** Commands that mean something to a transaction: they are sent before one is begun, where they do nothing. */
const OUTSIDE: ReadonlySet<string> = new Set(['WATCH', 'UNWATCH', 'EXEC']);

/**
 * Proves, before the first change, that the user of the settings may send every command that these steps cannot do without.
 *
 * Nothing is done for it: the commands are queued in a transaction that is never executed, since a server looks at the
 * rights to a command before it queues it. Checked on Valkey 9.1.2.
 *
 * @throws Failure `forbidden` (exit 1) that names what is missing, and the steps that need it
 */
export async function proveGraphRights(
  steps: readonly Pick<Step, 'id' | 'title'>[],
  context: Keys & Pick<RunStepsContext, 'openGraph'>,
): Promise<void> {
  const needed = steps.flatMap(({ id, title }) =>
    (NEEDED[id]?.(context) ?? []).map((command) => ({ command, title })),
  );
  if (needed.length === 0) return;
  const store = await context.openGraph();
  try {
    const isOutside = ({ command: [name] }: Needed): boolean => OUTSIDE.has(name);
    const refused = await refusedOf(store, needed.filter(isOutside));
    const begun = await refusal(store, ['MULTI']);
    if (begun === null)
      refused.push(
        ...(await refusedOf(
          store,
          needed.filter((each) => !isOutside(each)),
        )),
      );
    else refused.push({ command: ['MULTI'], title: needed[0]?.title ?? '', said: begun });
    if (refused.length > 0) throw missingRights(store, context, refused);
  } finally {
    // The server forgets what was queued with the connection.
    store.close();
  }
}

interface Needed {
  command: Command;
  title: string;
}

type Refused = Needed & { said: string };

async function refusedOf(store: GraphStore, needed: readonly Needed[]): Promise<Refused[]> {
  const refused: Refused[] = [];
  for (const { command, title } of needed) {
    const said = await refusal(store, command);
    if (said !== null) refused.push({ command, title, said });
  }
  return refused;
}

/** @returns what the server says where it does not allow the command; null where it does, whatever it says else */
async function refusal(store: GraphStore, [name, ...args]: Command): Promise<string | null> {
  try {
    await store.command('find out what the user may do', name, ...args);
    return null;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (error.exitCode === ExitCode.unreachable) throw error;
    return error.code === 'forbidden' ? error.reason : null;
  }
}

function missingRights({ address }: GraphStore, { graphName }: Keys, refused: readonly Refused[]): Failure {
  const user = address.username ?? 'default';
  const names = [...new Set(refused.map(({ command: [name] }) => name))];
  const steps = [...new Set(refused.map(({ title }) => title))];
  const said = [...new Set(refused.map((each) => each.said))];
  // Redis tells the two apart: commands that the user may not run, and keys that it may not run them on.
  const keys = said.some((text) => /access a key/.test(text)) ? ` '~${graphName}' '~{${graphName}}:*'` : '';
  const commands = names.map((name) => ` +${name.toLowerCase()}`).join('');
  return new Failure({
    operation: 'begin the plan',
    subject: `${address.host}:${address.port}`,
    reason: `the user "${user}" may not use ${names.join(', ')}, needed to: ${steps.join('; ')} (${said.join('; ')})`,
    hint: `Nothing was changed. Allow it at the server with ACL SETUSER ${user}${keys}${commands}, or name another user with FALKORDB_USERNAME, then run the command again.`,
    exitCode: ExitCode.failed,
    code: 'forbidden',
  });
}
