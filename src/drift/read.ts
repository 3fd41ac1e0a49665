import { isMap, type Value, type ValueMap } from '../memory/values.js';
import { memoryIdRows, memoryRows } from '../stores/graph/memory-rows.js';
import type { GracePeriod } from './grace.js';
import { Mark, type Pairs } from './pairs.js';
import type { DriftContext, DriftOptions } from './types.js';

/** What reading needs: the stores, and what is asked of them. */
export interface Reading extends DriftContext {
  readonly options: Pick<DriftOptions, 'depth' | 'excludedTypes'>;
  readonly grace: GracePeriod;
  /** Called with each page; throws to stop the reading. */
  readonly onPage: () => void;
}

/** Reads every Memory node into the pairs. */
export async function readMemories(reading: Reading, pairs: Pairs): Promise<void> {
  const { graph, graphName, options, grace, onPage } = reading;
  if (options.depth === 'ids') {
    for await (const page of memoryIdRows(graph, graphName)) {
      onPage();
      for (const { id, internalId, type, hasContent } of page) {
        const marks = nodeMarks({ type, content: hasContent ? 'some' : '' }, options.excludedTypes);
        pairs.addNode(id, internalId, marks, null);
      }
    }
    return;
  }
  for await (const page of memoryRows(graph, graphName)) {
    onPage();
    for (const { id, internalId, properties } of page) {
      const young = grace.covers(properties) ? Mark.Young : 0;
      pairs.addNode(id, internalId, nodeMarks(properties, options.excludedTypes) | young, properties);
    }
  }
}

/** Reads every point into the pairs. */
export async function readPoints(reading: Reading, pairs: Pairs): Promise<void> {
  const { vectors, collection, options, grace, onPage } = reading;
  const withPayload = options.depth === 'content';
  for await (const page of vectors.scroll(collection, { payload: withPayload, numbers: 'fast' })) {
    onPage();
    for (const { id, payload } of page) {
      const marks = withPayload ? pointMarks(payload, options.excludedTypes, grace) : 0;
      pairs.addPoint(id, marks, payload);
    }
  }
}

/** What a node says of whether it should have a vector. */
export function nodeMarks(properties: ValueMap, excludedTypes: ReadonlySet<string>): number {
  const { type, content } = properties;
  const excluded = typeof type === 'string' && excludedTypes.has(type) ? Mark.ExcludedNode : 0;
  return excluded | (isBlank(content) ? Mark.BlankNode : 0);
}

/** What a payload says of its point. */
export function pointMarks(payload: Value, excludedTypes: ReadonlySet<string>, grace: GracePeriod): number {
  const fields = isMap(payload) ? payload : {};
  const { type, content } = fields;
  const excluded = typeof type === 'string' && excludedTypes.has(type) ? Mark.ExcludedPoint : 0;
  return excluded | (isBlank(content) ? Mark.BlankPoint : 0) | (grace.covers(fields) ? Mark.Young : 0);
}

function isBlank(content: Value | undefined): boolean {
  return typeof content !== 'string' || content.trim() === '';
}
