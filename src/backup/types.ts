/** One half of a backup pair. */
export interface BackupFile {
  path: string;
  bytes: number;
  /** As the archive listed it: another file is not read in its place. Missing where the archive cannot tell. */
  version?: string;
  /** See ArchiveEntry. */
  changed?: string;
}

export interface BackupVerdict {
  /** verified: every record was read. sound: container checked, records not read. broken: unusable. */
  status: 'verified' | 'sound' | 'broken' | 'unchecked';
  reason?: string;
  /** It may be whole: it is encrypted, and no key that there is opens it. */
  locked?: true;
}

export interface BackupPair {
  /** `YYYYMMDD_HHMMSS`, UTC. */
  timestamp: string;
  /** ISO-8601. */
  takenAt: string;
  graph: BackupFile | null;
  vectors: BackupFile | null;
  graphVerdict: BackupVerdict;
  vectorsVerdict: BackupVerdict;
  /** From the graph half, once read. */
  counts?: { memories: number; nodes: number; relationships: number };
  graphName?: string;
  /** The timestamp lies ahead of this machine's clock: one of the clocks is wrong, so the age cannot be told. */
  fromFuture?: true;
}
