import type { SourcedValue } from './env-files.js';
import { withoutCredentials } from './redact.js';
import { VARIABLES, type ValueOf, type Variable, type VariableName } from './variables.js';

/** Where the effective value of a setting comes from. */
interface Resolved {
  /** The name that was found: the variable itself or one of its alternatives; null for the default. */
  foundAs: string | null;
  /** The text to read; null where nothing is set and there is no default. */
  text: string | null;
  /** "the environment", "./.env line 3", "default", "not set". */
  origin: string;
}

/** One variable whose value is not what it should be. */
interface Problem {
  name: string;
  origin: string;
  message: string;
}

/** Reads typed values out of the merged environment and collects what is wrong with them. */
export interface Resolver {
  /** Which source decides, before the value is checked. */
  find(name: VariableName): Resolved;
  /**
   * The typed value. A wrong one is noted in `problems` and the default comes back, so that all problems are found
   * in one go; the caller throws before settings are handed out.
   */
  read<K extends VariableName>(name: K): ValueOf<K>;
  readonly problems: readonly Problem[];
}

/** A resolver over the merged environment. */
export function resolver(values: ReadonlyMap<string, SourcedValue>): Resolver {
  const problems: Problem[] = [];
  const find = (name: VariableName): Resolved => {
    const variable: Variable = VARIABLES[name];
    let emptyAt: string | null = null;
    for (const candidate of [name, ...variable.alternatives]) {
      const found = values.get(candidate);
      if (found === undefined) continue;
      if (found.value.trim() !== '' || variable.emptyIsValue) {
        return { foundAs: candidate, text: found.value, origin: found.origin };
      }
      emptyAt ??= found.origin;
    }
    const unset = variable.default === null ? 'not set' : 'default';
    const origin = emptyAt === null ? unset : `${unset} (empty in ${emptyAt})`;
    return { foundAs: null, text: variable.default, origin };
  };
  const read = <K extends VariableName>(name: K): ValueOf<K> => {
    const variable: Variable = VARIABLES[name];
    const { foundAs, text, origin } = find(name);
    if (text === null) return null as ValueOf<K>;
    const result = variable.schema.safeParse(text);
    if (result.success) return result.data as ValueOf<K>;
    const shown = variable.secret ? '(secret)' : JSON.stringify(withoutCredentials(text));
    problems.push({
      name: foundAs ?? name,
      origin,
      message: `${foundAs ?? name} is ${shown} in ${origin}; it should be ${variable.expected}`,
    });
    return (variable.default === null ? null : variable.schema.parse(variable.default)) as ValueOf<K>;
  };
  return { find, read, problems };
}
