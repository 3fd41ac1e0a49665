// The rooms of src/ and what each may import; CONTRIBUTING.md prints the same table.
//
// `values` may be imported in any way, `types` only by `import type`. Every room may import itself and src/failure.ts.
const ROOMS = {
  memory: {},
  settings: {},
  stores: { values: ['memory'] },
  embedding: { values: ['memory'] },
  backup: { values: ['memory', 'stores'] },
  drift: { values: ['memory', 'stores'] },
  assess: { values: ['memory', 'stores', 'drift', 'backup'] },
  plans: { types: ['assess'] },
  // The steps are told what the assessment found, and take no part in finding it.
  steps: { values: ['memory', 'stores', 'drift', 'embedding', 'backup'], types: ['assess'] },
  // A check hands its result on as an event.
  validation: { values: ['memory', 'stores', 'drift', 'embedding'], types: ['recovery'] },
  recovery: { types: ['memory', 'stores', 'embedding', 'backup', 'assess', 'plans', 'steps', 'validation'] },
  // Events carry what was found and which plans there are: their printers name those types.
  report: { types: ['recovery', 'assess', 'plans'] },
  ui: { values: ['report'], types: ['recovery', 'assess', 'plans'] },
  // Believable data is data of the contract.
  sandbox: { values: ['memory', 'stores'] },
  // Its jobs are functions that it is handed; of backups it knows the times alone.
  daemon: { values: ['memory', 'backup', 'report'] },
  commands: {
    values: [
      'memory',
      'settings',
      'stores',
      'drift',
      'embedding',
      'backup',
      'assess',
      'plans',
      'steps',
      'validation',
      'recovery',
      'report',
      'ui',
      'sandbox',
      'daemon',
    ],
  },
};

/** Packages and parts of Node.js that only some rooms may use; `files` are top-level ones. */
const RESERVED = [
  {
    what: 'a-store-client',
    of: '^(ioredis|falkordb|undici|@qdrant/|@aws-sdk/)',
    rooms: ['stores', 'embedding', 'sandbox'],
  },
  {
    what: 'the-network',
    of: '^(net|tls|http|https|http2|dgram)$',
    core: true,
    // The daemon listens; it calls nobody.
    rooms: ['stores', 'embedding', 'sandbox', 'daemon'],
  },
  { what: 'metrics', of: '^prom-client$', rooms: ['daemon'] },
  { what: 'processes', of: '^child_process$', core: true, rooms: ['sandbox'] },
  { what: 'sqlite', of: '^(node:)?sqlite$', core: true, rooms: ['stores'] },
  { what: 'the-terminal-ui', of: '^(ink|react|@inkjs/)', rooms: ['ui'] },
  { what: 'the-state-machine', of: '^(xstate|@xstate/)', rooms: ['recovery', 'commands'] },
  { what: 'the-command-line', of: '^commander$', rooms: ['commands'], files: ['main'] },
];

const FAILURE = '^src/failure\\.ts$';
const folder = (...names) => `^src/(${names.join('|')})/`;

function roomRules([room, { values = [], types = [] }]) {
  const rules = [
    {
      name: `${room}-imports-another-room`,
      severity: 'error',
      comment: `See ROOMS: ${room} may import ${[...values, ...types.map((type) => `types of ${type}`)].join(', ') || 'no room'}.`,
      from: { path: folder(room) },
      to: { path: '^src/', pathNot: [FAILURE, folder(room, ...values, ...types)] },
    },
  ];
  if (types.length > 0) {
    rules.push({
      name: `${room}-imports-values-where-only-types-may`,
      severity: 'error',
      comment: `See ROOMS: of ${types.join(', ')} ${room} may import types only, by "import type".`,
      from: { path: folder(room) },
      to: { path: folder(...types), dependencyTypesNot: ['type-only'] },
    });
  }
  return rules;
}

function reservedRule({ what, of, core = false, rooms, files = [] }) {
  const pathNot = [folder(...rooms), ...files.map((file) => `^src/${file}\\.ts$`)];
  // A package resolves into node_modules, a part of Node.js to its bare name.
  const path = core ? of : of.replace('^', '(^|/)node_modules/').replaceAll('$', '/');
  return {
    name: `${what}-is-reserved`,
    severity: 'error',
    comment: `See RESERVED: for ${[...rooms, ...files].join(', ')} only.`,
    from: { path: '^src/', pathNot },
    to: { path },
  };
}

export default {
  forbidden: [
    ...Object.entries(ROOMS).flatMap(roomRules),
    ...RESERVED.map(reservedRule),
    {
      name: 'unknown-room',
      severity: 'error',
      comment: 'A new folder of src/ is a new room: say in ROOMS what it may import.',
      from: { path: '^src/[^/]+/', pathNot: folder(...Object.keys(ROOMS)) },
      to: {},
    },
    {
      name: 'memory-is-pure',
      severity: 'error',
      comment: 'The data contract is pure functions: no package, and of Node.js only the hash.',
      from: { path: folder('memory') },
      to: { dependencyTypes: ['core', 'npm', 'npm-optional', 'npm-dev'], pathNot: '^crypto$' },
    },
    {
      name: 'failure-imports-something',
      severity: 'error',
      from: { path: FAILURE },
      to: { path: '.+' },
    },
    {
      name: 'only-the-composition-root-composes',
      severity: 'error',
      comment:
        'The files of src/ itself but failure.ts are the composition root: cli.ts imports main.ts, main.ts the rest.',
      from: { path: '^src/', pathNot: '^src/(cli|main)\\.ts$' },
      to: { path: '^src/[^/]+\\.ts$', pathNot: FAILURE },
    },
    {
      name: 'cli-imports-more-than-main',
      severity: 'error',
      comment: 'cli.ts must run on any Node.js, to say that it is too old.',
      from: { path: '^src/cli\\.ts$' },
      to: { path: '^src/', pathNot: '^src/main\\.ts$' },
    },
    {
      name: 'circular',
      severity: 'error',
      comment: 'Also circles of types: they hide which room rests on which.',
      from: {},
      to: { circular: true },
    },
    {
      name: 'orphan',
      severity: 'error',
      comment: 'Nothing leads from cli.ts, or from where a thread begins, to this module.',
      from: { path: '^src/(cli|.+\\.worker)\\.ts$' },
      to: { path: '^src/', pathNot: '^src/(cli|.+\\.worker)\\.ts$', reachable: false },
    },
    { name: 'src-imports-test', severity: 'error', from: { path: '^src/' }, to: { path: '^test/' } },
    {
      name: 'development-dependency-in-src',
      severity: 'error',
      comment: 'An installed lifeboat does not have it.',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'undeclared-dependency',
      severity: 'error',
      from: {},
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'undetermined'] },
    },
    { name: 'unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
