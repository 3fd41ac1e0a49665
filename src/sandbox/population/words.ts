/** What memories are about: the vocabulary of one subject that a person or a team keeps coming back to. */
export interface Topic {
  name: string;
  tags: readonly string[];
  nouns: readonly string[];
  actions: readonly string[];
  reasons: readonly string[];
  tools: readonly string[];
}

export const TOPICS: readonly Topic[] = [
  {
    name: 'deploys',
    tags: ['ops', 'area:deploys', 'Team/Platform/Oncall'],
    nouns: [
      'release train',
      'canary stage',
      'rollback script',
      'deploy window',
      'feature flag',
      'blue-green switch',
    ],
    actions: [
      'freeze deploys on Friday afternoon',
      'ship behind a flag first',
      'roll back before debugging',
      'tag every release',
      'keep two canaries',
    ],
    reasons: [
      'the last hotfix broke the login',
      'nobody was awake to watch it',
      'the error budget was spent',
      'the queue drained twice',
      'health checks lied',
    ],
    tools: ['Railway', 'Docker', 'GitHub Actions', 'Terraform'],
  },
  {
    name: 'billing',
    tags: ['billing', 'area:billing/invoices', 'customer'],
    nouns: ['invoice job', 'tax table', 'dunning mail', 'refund flow', 'price list', 'ledger export'],
    actions: [
      'round half to even',
      'send invoices on the first working day',
      'store amounts in cents',
      'retry failed cards three times',
      'book refunds as negative lines',
    ],
    reasons: [
      'an auditor asked for it',
      'two customers were charged twice',
      'the bank file was rejected',
      'VAT rules changed in January',
      'support could not explain the totals',
    ],
    tools: ['Stripe', 'Postgres', 'Metabase', 'Excel'],
  },
  {
    name: 'databases',
    tags: ['db', 'area:storage', 'Performance'],
    nouns: [
      'index on created_at',
      'vacuum job',
      'read replica',
      'connection pool',
      'migration 0042',
      'slow query log',
    ],
    actions: [
      'add the index concurrently',
      'upgrade in a maintenance window',
      'cap the pool at 40',
      'move reports to the replica',
      'drop the unused columns',
    ],
    reasons: [
      'the p95 went over 900 ms',
      'locks piled up at noon',
      'the disk filled to 91%',
      'autovacuum never caught up',
      'a sequential scan took the site down',
    ],
    tools: ['Postgres', 'FalkorDB', 'Qdrant', 'Redis'],
  },
  {
    name: 'frontend',
    tags: ['ui', 'area:web', 'lang:TypeScript'],
    nouns: [
      'settings page',
      'dark theme',
      'date picker',
      'empty state',
      'loading skeleton',
      'keyboard shortcut',
    ],
    actions: [
      'use semantic HTML first',
      'keep bundles under 200 kB',
      'test with a screen reader',
      'prefer server rendering',
      'delete the old date picker',
    ],
    reasons: [
      'users on phones gave up',
      'contrast failed the audit',
      'hydration errors came back',
      'the spinner never stopped',
      'the designers changed the grid',
    ],
    tools: ['React', 'Vite', 'Figma', 'Playwright'],
  },
  {
    name: 'embeddings',
    tags: ['ai', 'area:search/semantic', 'Embeddings'],
    nouns: [
      'embedding model',
      'vector size',
      'similarity threshold',
      'recall set',
      'chunk length',
      're-embedding run',
    ],
    actions: [
      'pin the embedding model',
      'compare by cosine only',
      'keep 768 dimensions',
      'measure recall before switching',
      're-embed at night',
    ],
    reasons: [
      'old and new vectors do not mix',
      'recall fell to 71%',
      'the provider changed its default',
      'neighbours looked random',
      'the bill doubled',
    ],
    tools: ['Qdrant', 'Voyage', 'OpenAI', 'Ollama'],
  },
  {
    name: 'incidents',
    tags: ['incident', 'severity:P2', 'Team/Platform/Oncall'],
    nouns: ['postmortem', 'pager rotation', 'status page', 'alert on drift', 'error budget', 'runbook'],
    actions: [
      'write the timeline the same day',
      'page at 5% drift',
      'name one incident lead',
      'silence flapping alerts for an hour',
      'rehearse the restore monthly',
    ],
    reasons: [
      'three people restarted the same box',
      'the alert came 40 minutes late',
      'the backup had never been tried',
      'customers saw it first',
      'the dashboard cached an old value',
    ],
    tools: ['Grafana', 'PagerDuty', 'Slack', 'Statuspage'],
  },
  {
    name: 'people',
    tags: ['team', 'area:people', 'HR'],
    nouns: ['onboarding list', 'one-on-one', 'parental leave', 'hiring loop', 'birthday', 'office key'],
    actions: [
      'meet on Tuesdays',
      'write feedback down first',
      'pair for the first two weeks',
      'keep Wednesdays free of meetings',
      'rotate the facilitator',
    ],
    reasons: [
      'remote people were left out',
      'notes got lost',
      'the team asked for quiet time',
      'two interviews collided',
      'the survey said so',
    ],
    tools: ['Notion', 'Slack', 'Google Calendar', 'Zoom'],
  },
  {
    name: 'writing',
    tags: ['docs', 'area:docs/style', 'Style'],
    nouns: ['changelog', 'commit message', 'API reference', 'style guide', 'error text', 'release note'],
    actions: [
      'start with the verb',
      'say what to do next',
      'keep one sentence per line',
      'avoid passive voice',
      'link to the source',
    ],
    reasons: [
      'readers skim',
      'translations got expensive',
      'support copied the wrong command',
      'new people could not find it',
      'the old page contradicted it',
    ],
    tools: ['Markdown', 'Vale', 'Notion', 'GitHub'],
  },
  {
    name: 'security',
    tags: ['security', 'area:auth/tokens', 'Compliance'],
    nouns: ['token rotation', 'audit log', 'secret scanner', 'SSO login', 'rate limit', 'backup key'],
    actions: [
      'rotate tokens every 90 days',
      'never log a token',
      'encrypt backups at rest',
      'deny by default',
      'review access each quarter',
    ],
    reasons: [
      'a key was found in a screenshot',
      'the auditor wants evidence',
      'a contractor left',
      'the scanner flagged 14 files',
      'sessions outlived the account',
    ],
    tools: ['Vault', 'Okta', '1Password', 'age'],
  },
  {
    name: 'home',
    tags: ['personal', 'home/garden', 'Family'],
    nouns: [
      'dentist appointment',
      'heating timer',
      'school trip',
      'sourdough starter',
      'bike service',
      'holiday plan',
    ],
    actions: [
      'book the dentist in March',
      'water the tomatoes twice a week',
      'buy oat milk',
      'pay the school by transfer',
      'oil the chain monthly',
    ],
    reasons: [
      'last year it was too late',
      'the kids asked again',
      'the plumber only comes on Mondays',
      'prices rise in summer',
      'the starter died once',
    ],
    tools: ['Home Assistant', 'Todoist', 'Signal', 'Google Calendar'],
  },
  {
    name: 'data',
    tags: ['analytics', 'area:data/pipelines', 'Reporting'],
    nouns: ['nightly import', 'dashboard', 'churn model', 'event schema', 'CSV export', 'late events'],
    actions: [
      'version the event schema',
      'load before six in the morning',
      'count rows on both sides',
      'sample at 10%',
      'archive raw files for a year',
    ],
    reasons: [
      'finance reads it at seven',
      'numbers differed by 3%',
      'a time zone was wrong',
      'duplicates came from retries',
      'the vendor renamed a column',
    ],
    tools: ['dbt', 'DuckDB', 'Airflow', 'Metabase'],
  },
  {
    name: 'customers',
    tags: ['customer', 'area:support/tickets', 'Sales'],
    nouns: [
      'renewal call',
      'support ticket',
      'feature request',
      'trial account',
      'quarterly review',
      'import wizard',
    ],
    actions: [
      'answer within four hours',
      'offer the yearly plan',
      'call before the renewal',
      'collect the logs first',
      'promise no dates',
    ],
    reasons: [
      'they compared us with a rival',
      'the pilot ended quietly',
      'their admin changed',
      'a workaround existed',
      'the contract says so',
    ],
    tools: ['HubSpot', 'Zendesk', 'Slack', 'Loom'],
  },
];

/** Entities by category; the slugs are what AutoMem's tags carry. */
export const ENTITIES: Readonly<Record<string, readonly string[]>> = {
  people: [
    'Alice',
    'Bob',
    'Chidi',
    'Daria',
    'Emre',
    'Fatima',
    'Grace',
    'Hiroshi',
    'Ines',
    'Jürgen',
    "Kate O'Neil",
    'Liu Wei',
  ],
  projects: ['Atlas', 'Hermes', 'Billing v2', 'Mobile App', 'Lighthouse', 'Project X'],
  organizations: ['Acme Corp', 'Northwind', 'Globex', 'City Library'],
  tools: ['Postgres', 'Qdrant', 'FalkorDB', 'Grafana', 'Slack', 'Stripe', 'React', 'Notion'],
  concepts: ['Error Budget', 'Cosine Similarity', 'Dark Mode', 'Zero Downtime'],
};

/** Memory types with their shares; "Memory" is what AutoMem's classifier falls back to. */
export const TYPE_SHARES = [
  ['Context', 26],
  ['Decision', 16],
  ['Insight', 16],
  ['Preference', 12],
  ['Memory', 11],
  ['Pattern', 8],
  ['Habit', 6],
  ['Style', 5],
] as const;

export type MemoryType = (typeof TYPE_SHARES)[number][0];

/** Sentences by memory type. Slots: person, project, noun, action, reason, tool, other, number, day. */
export const SENTENCES: Readonly<Record<MemoryType, readonly string[]>> = {
  Context: [
    '{person} owns the {noun} on {project} since {day}.',
    'The {noun} of {project} lives in {tool}; {person} has the password.',
    '{project} is at {number} users and the {noun} still holds.',
    'Met {person} about the {noun}: {reason}.',
  ],
  Decision: [
    'Decided to {action} for {project} because {reason}.',
    'We chose {tool} over {other} for the {noun}; {person} agreed.',
    'From {day} on we {action}. Reason: {reason}.',
    '{person} signed off the {noun} for {project}: {action}.',
  ],
  Insight: [
    'Learned that the {noun} fails when {reason}.',
    'The real cause was the {noun}, not {tool}: {reason}.',
    'It takes {number} minutes to check the {noun}, so {action}.',
  ],
  Preference: [
    '{person} prefers {tool} over {other} for the {noun}.',
    '{person} likes to {action}.',
    'For {project}, prefer a small {noun} to a clever one.',
  ],
  Memory: [
    'Ticket {number}: {noun} on {project}.',
    '{person} said "{reason}" about the {noun}.',
    'Note to self: {action}.',
  ],
  Pattern: [
    'Every time {reason}, the {noun} is late on {day}.',
    'Whenever {person} touches the {noun}, {tool} needs a restart.',
    'Typical for {project}: first the {noun}, then {reason}.',
  ],
  Habit: [
    '{person} checks the {noun} every {day}.',
    'Usually we {action} on {day}.',
    'Before a release, {action}.',
  ],
  Style: [
    'In {project} we {action}.',
    'Name every {noun} in plain words; {person} reviews it.',
    'Keep the {noun} short: {number} words at most.',
  ],
};
