import type { Key } from 'ink';
import { answerOffer, returnToReview } from '../report/view-model.js';
import { mayTake, planSays } from '../report/words.js';
import { cursorIndex, screenOf, type ScreenName, type UiModel } from './model.js';

/** A key as the screens understand it. */
export type Press =
  | {
      name: 'up' | 'down' | 'home' | 'end' | 'enter' | 'escape' | 'tab' | 'backspace' | 'clear' | 'interrupt';
    }
  | { name: 'char'; char: string };

/** What a key makes the run do. */
export type Act =
  | { do: 'choose'; plan: string }
  | { do: 'confirm'; typed: string }
  | { do: 'fix' }
  | { do: 'back' }
  | { do: 'cancel' }
  | { do: 'interrupt' };

export interface Pressed {
  model: UiModel;
  act: Act | null;
}

type KeyName = Exclude<Press['name'], 'char'>;
type KeyFlags = Partial<
  Pick<Key, 'upArrow' | 'downArrow' | 'home' | 'end' | 'return' | 'escape' | 'tab' | 'ctrl'>
> &
  Partial<Pick<Key, 'backspace' | 'delete'>>;

/**
 * The keys in what a terminal sent at once. A slow line delivers several together, and an Enter with the letters before
 * it, so text is taken character by character.
 */
export function pressesOf(input: string, key: KeyFlags): Press[] {
  const named = namedKey(input, key);
  if (named !== null) return [{ name: named }];
  // A key with Ctrl that has no meaning here is not text.
  if (key.ctrl === true) return [];
  return Array.from(input).flatMap((char): Press[] => {
    if (char === '\r' || char === '\n') return [{ name: 'enter' }];
    if (char === '\t') return [{ name: 'tab' }];
    if (char === '\u0003') return [{ name: 'interrupt' }];
    if (char === '\u007F' || char === '\b') return [{ name: 'backspace' }];
    if (char === '\u0015') return [{ name: 'clear' }];
    return char < ' ' ? [] : [{ name: 'char', char }];
  });
}

function namedKey(input: string, key: KeyFlags): KeyName | null {
  if (key.ctrl === true && input === 'c') return 'interrupt';
  if (key.ctrl === true && input === 'u') return 'clear';
  if (key.upArrow === true) return 'up';
  if (key.downArrow === true) return 'down';
  if (key.home === true) return 'home';
  if (key.end === true) return 'end';
  if (key.return === true) return 'enter';
  if (key.escape === true) return 'escape';
  if (key.tab === true) return 'tab';
  // Terminals disagree on which of the two the backspace key sends.
  return key.backspace === true || key.delete === true ? 'backspace' : null;
}

/** The model after a key, and what the run is told. Pure. */
export function press(model: UiModel, key: Press): Pressed {
  if (model.ended) return { model, act: null };
  if (key.name === 'interrupt') {
    return { model: withUi(model, { interrupts: model.ui.interrupts + 1 }), act: { do: 'interrupt' } };
  }
  if (key.name === 'tab') return { model: withUi(model, { page: model.ui.page + 1 }), act: null };
  switch (screenOf(model.view)) {
    case 'plan':
      return pressOnPlan(model, key);
    case 'confirm':
      return pressOnConfirm(model, key);
    case 'offer':
      return pressOnOffer(model, key);
    default:
      return { model, act: null };
  }
}

function pressOnPlan(model: UiModel, key: Press): Pressed {
  const { options, chosen } = model.view;
  // Once a plan is taken, keys that are still on their way must not take another.
  if (chosen !== null) return { model, act: null };
  const at = cursorIndex(model);
  const option = options[at];
  if (key.name === 'escape') return { model, act: { do: 'cancel' } };
  if (key.name === 'enter' && option !== undefined) {
    const fresh = { typed: '', page: 0 };
    if (mayTake(option))
      return { model: withUi(model, { ...fresh, refused: null }), act: { do: 'choose', plan: option.name } };
    return { model: withUi(model, { ...fresh, refused: `${option.name} ${planSays(option)}` }), act: null };
  }
  const to = options[movedTo(key, at, options.length)];
  return {
    model: to === undefined ? model : withUi(model, { cursor: to.name, refused: null, page: 0 }),
    act: null,
  };
}

function movedTo(key: Press, at: number, count: number): number {
  const last = count - 1;
  const moves: Partial<Record<Press['name'], number>> = {
    up: Math.max(0, at - 1),
    down: Math.min(last, at + 1),
    home: 0,
    end: last,
  };
  if (key.name !== 'char') return moves[key.name] ?? at;
  return key.char === 'k' ? Math.max(0, at - 1) : key.char === 'j' ? Math.min(last, at + 1) : at;
}

function pressOnConfirm(model: UiModel, key: Press): Pressed {
  const { typed } = model.ui;
  const retyped = (text: string): UiModel => withUi(model, { typed: text });
  if (key.name === 'escape') {
    // The screen goes back at once; the run follows.
    const back = withUi(model, { typed: '', page: 0 });
    return { model: { ...back, view: returnToReview(model.view) }, act: { do: 'back' } };
  }
  if (key.name === 'enter') {
    // A second Enter from the screen before is no answer.
    return typed === ''
      ? { model, act: null }
      : { model: withUi(model, { typed: '', page: 0 }), act: { do: 'confirm', typed } };
  }
  if (key.name === 'backspace') return { model: retyped(Array.from(typed).slice(0, -1).join('')), act: null };
  if (key.name === 'clear') return { model: retyped(''), act: null };
  return { model: key.name === 'char' ? retyped(typed + key.char) : model, act: null };
}

function pressOnOffer(model: UiModel, key: Press): Pressed {
  const answered = (mends: boolean): UiModel => ({ ...model, view: answerOffer(model.view, mends) });
  if (key.name === 'char' && key.char.toLowerCase() === 'f')
    return { model: answered(true), act: { do: 'fix' } };
  if (key.name === 'enter' || key.name === 'escape') return { model: answered(false), act: { do: 'cancel' } };
  return { model, act: null };
}

function withUi(model: UiModel, change: Partial<UiModel['ui']>): UiModel {
  return { ...model, ui: { ...model.ui, ...change } };
}

/** The keys that a screen shows on its last line, the most useful first: a narrow terminal drops the last ones. */
export function keyHints(screen: ScreenName, interrupts: number): string[] {
  const stop = interrupts === 0 ? 'Ctrl-C stop' : 'Ctrl-C abort now';
  if (screen === 'plan') return ['Enter choose', '↑↓ move', 'Esc leave', 'Tab read on', stop];
  if (screen === 'confirm') return ['Enter confirm', 'Esc back', 'Tab read on', stop];
  if (screen === 'offer') return ['f mend', 'Enter/Esc report', stop];
  // Only there are steps to finish first.
  const works = screen === 'execute' || screen === 'mending';
  return [works && interrupts === 0 ? 'Ctrl-C stop after this step' : stop];
}
