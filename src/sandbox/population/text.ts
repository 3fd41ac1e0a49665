import type { Random } from './random.js';
import { ENTITIES, SENTENCES, type MemoryType, type Topic } from './words.js';

/** Entities that a text names, by category, in order of mention. */
export type Mentions = Record<string, string[]>;

const DAYS = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'the first of the month', 'spring'];

/** A text, and what it names. */
export interface WrittenText {
  text: string;
  mentions: Mentions;
}

/** Some sentences of one type about one topic, and who and what they mention. */
export function writeText(random: Random, topic: Topic, type: MemoryType): WrittenText {
  const mentions: Mentions = {};
  const sentences: string[] = [];
  const count = random.chance(0.25) ? 3 : random.chance(0.5) ? 2 : 1;
  for (let index = 0; index < count; index++) {
    const pattern = random.pick(SENTENCES[index === 0 ? type : 'Context']);
    sentences.push(
      pattern.replace(/\{(\w+)\}/g, (_all, slot: string) => fillSlot(slot, random, topic, mentions)),
    );
  }
  const text = sentences.join(' ');
  return { text: text.charAt(0).toUpperCase() + text.slice(1), mentions };
}

const REPETITIONS = ['run', 'ticket', 'build', 'review'];

/** The same said once more, with a few words of its own. */
export function restate({ text, mentions }: WrittenText, random: Random): WrittenText {
  const where = `${random.pick(REPETITIONS)} ${1 + random.int(99_999)}`;
  return { text: `${text} Seen again in ${where}.`, mentions };
}

function fillSlot(slot: string, random: Random, topic: Topic, mentions: Mentions): string {
  switch (slot) {
    case 'person':
      return mention('people', random.pick(ENTITIES.people ?? []), mentions);
    case 'project':
      return mention('projects', random.pick(ENTITIES.projects ?? []), mentions);
    case 'tool':
    case 'other': {
      const tool = random.pick(topic.tools);
      return ENTITIES.tools?.includes(tool) === true ? mention('tools', tool, mentions) : tool;
    }
    case 'noun':
      return random.pick(topic.nouns);
    case 'action':
      return random.pick(topic.actions);
    case 'reason':
      return random.pick(topic.reasons);
    case 'day':
      return random.pick(DAYS);
    default:
      return String(2 + random.int(5000));
  }
}

function mention(category: string, name: string, mentions: Mentions): string {
  const names = (mentions[category] ??= []);
  if (!names.includes(name)) names.push(name);
  return name;
}
