/** The plans of `recovery-plans/` with their titles, for the help, which is printed before any file is read. */
export const BUILT_IN_PLANS: Readonly<Record<string, string>> = {
  healthy: 'Nothing to recover',
  'sync-drift': 'Repair only what differs',
  'rebuild-graph': 'Rebuild the graph from Qdrant payloads',
  'reembed-vectors': 'Make the vectors again from the graph',
  'restore-backup': 'Restore both stores from a backup',
  'restore-graph': 'Restore the graph from a backup, then make the vectors',
  'restore-vectors': 'Restore the vectors from a backup, then rebuild the graph from their payloads',
  'restore-volume': "Restore the graph's volume at the hosting provider, then the vectors",
  'fresh-start': 'Start with empty stores',
};
