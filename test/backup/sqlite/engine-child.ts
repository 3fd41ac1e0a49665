/** Loads SQLite as a command does, in a process of its own, and warns of something else: prints nothing but that warning. */
import { sqliteEngine } from '../../../src/stores/sqlite/engine.js';

const { DatabaseSync } = sqliteEngine();
new DatabaseSync(':memory:').close();
process.emitWarning('something else');
