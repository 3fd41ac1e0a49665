import { describe, expect, it } from 'vitest';
import type { TimedEvent } from '../../src/recovery/events.js';
import { reduceView } from '../../src/report/view-model.js';
import { keyHints, press, pressesOf, type Act, type Press } from '../../src/ui/keys.js';
import { emptyModel, screenOf, type UiModel } from '../../src/ui/model.js';
import { at, confirmed, NINE_PLANS, opening } from '../report/fixtures.js';

const modelAfter = (events: TimedEvent[]): UiModel => ({
  ...emptyModel(),
  view: events.reduce(reduceView, emptyModel().view),
});
const REVIEW = modelAfter(opening());
const CONFIRM = modelAfter([...opening(), ...confirmed().slice(0, 2)]);

function pressAll(model: UiModel, keys: Press[]): { model: UiModel; acts: Act[] } {
  const acts: Act[] = [];
  for (const key of keys) {
    const pressed = press(model, key);
    model = pressed.model;
    if (pressed.act !== null) acts.push(pressed.act);
  }
  return { model, acts };
}
const typed = (text: string): Press[] => pressesOf(text, {});

describe('keys', () => {
  it('are taken apart where a slow line delivers several at once', () => {
    expect(typed('me\r')).toEqual([
      { name: 'char', char: 'm' },
      { name: 'char', char: 'e' },
      { name: 'enter' },
    ]);
    expect(typed('a\u007F\u0015\u0003\u0000')).toEqual([
      { name: 'char', char: 'a' },
      { name: 'backspace' },
      { name: 'clear' },
      { name: 'interrupt' },
    ]);
    expect(pressesOf('c', { ctrl: true })).toEqual([{ name: 'interrupt' }]);
    expect(pressesOf('x', { ctrl: true })).toEqual([]);
    expect(pressesOf('', { upArrow: true })).toEqual([{ name: 'up' }]);
  });

  it('choose a plan that applies, and say why another may not be taken', () => {
    expect(pressAll(REVIEW, [{ name: 'enter' }]).acts).toEqual([{ do: 'choose', plan: 'rebuild-graph' }]);
    expect(pressAll(REVIEW, [{ name: 'down' }, { name: 'enter' }]).acts).toEqual([
      { do: 'choose', plan: 'restore-backup' },
    ]);
    const refused = pressAll(REVIEW, [{ name: 'end' }, { name: 'enter' }]);
    expect(refused.acts).toEqual([]);
    expect(refused.model.ui.refused).toContain('fresh-start does not apply');
    expect(pressAll(refused.model, [{ name: 'up' }]).model.ui.refused).toBeNull();
    expect(pressAll(REVIEW, [{ name: 'escape' }]).acts).toEqual([{ do: 'cancel' }]);
  });

  it('confirm with what was typed; an empty Enter is no answer', () => {
    expect(pressAll(CONFIRM, [{ name: 'enter' }]).acts).toEqual([]);
    expect(pressAll(CONFIRM, typed('memoriesx\u007F\r')).acts).toEqual([
      { do: 'confirm', typed: 'memories' },
    ]);
    expect(pressAll(CONFIRM, typed('wrong\u0015memories\r')).acts).toEqual([
      { do: 'confirm', typed: 'memories' },
    ]);
  });

  it('go back from the confirmation, forgetting what was typed', () => {
    const { model, acts } = pressAll(CONFIRM, [...typed('mem'), { name: 'escape' }]);
    expect(acts).toEqual([{ do: 'back' }]);
    expect(screenOf(model.view)).toBe('plan');
    expect(model.ui.typed).toBe('');
  });

  it('choose a plan that runs on request', () => {
    const nine = modelAfter(opening(NINE_PLANS, 'sync-drift'));
    expect(pressAll(nine, [{ name: 'enter' }]).acts).toEqual([{ do: 'choose', plan: 'sync-drift' }]);
    expect(pressAll(nine, [{ name: 'down' }, { name: 'enter' }]).acts).toEqual([
      { do: 'choose', plan: 'restore-volume' },
    ]);
  });

  it('answer the offer to mend once: f mends; Enter and Esc go to the report', () => {
    const offer = modelAfter([
      ...opening(),
      at(8, { type: 'phase.started', phase: 'validate' }),
      at(9, { type: 'fix.offered', mends: ['retry'], round: 1 }),
    ]);
    expect(screenOf(offer.view)).toBe('offer');
    expect(pressAll(offer, typed('yff\r')).acts).toEqual([{ do: 'fix' }]);
    expect(screenOf(pressAll(offer, typed('f')).model.view)).toBe('mending');
    expect(pressAll(offer, typed('\r\rf')).acts).toEqual([{ do: 'cancel' }]);
    expect(pressAll(offer, [{ name: 'escape' }]).acts).toEqual([{ do: 'cancel' }]);
    expect(pressAll(offer, typed('\u0003')).acts).toEqual([{ do: 'interrupt' }]);
  });

  it('leaf on with Tab, from the start again on another plan or screen', () => {
    expect(pressesOf('', { tab: true })).toEqual([{ name: 'tab' }]);
    const leafed = pressAll(REVIEW, typed('\t\t')).model;
    expect(leafed.ui.page).toBe(2);
    expect(pressAll(leafed, [{ name: 'down' }]).model.ui.page).toBe(0);
    expect(pressAll(leafed, [{ name: 'enter' }]).model.ui.page).toBe(0);
    const confirm = pressAll(CONFIRM, typed('mem\t')).model;
    expect(confirm.ui).toMatchObject({ typed: 'mem', page: 1 });
    expect(pressAll(confirm, [{ name: 'escape' }]).model.ui.page).toBe(0);
  });

  it('interrupt on every screen, as often as pressed, until the end', () => {
    for (const model of [emptyModel(), REVIEW, CONFIRM]) {
      expect(pressAll(model, typed('\u0003\u0003')).acts).toEqual([{ do: 'interrupt' }, { do: 'interrupt' }]);
    }
    expect(pressAll({ ...REVIEW, ended: true }, typed('\u0003')).acts).toEqual([]);
  });

  it('do nothing where a screen has no use for them', () => {
    const running = modelAfter([
      ...opening(),
      ...confirmed(),
      at(8, { type: 'phase.started', phase: 'execute' }),
    ]);
    expect(pressAll(running, [...typed('yes\r'), { name: 'escape' }, { name: 'up' }]).acts).toEqual([]);
  });

  it('are named on the last line', () => {
    expect(keyHints('plan', 0)).toEqual([
      'Enter choose',
      '↑↓ move',
      'Esc leave',
      'Tab read on',
      'Ctrl-C stop',
    ]);
    expect(keyHints('execute', 0)).toEqual(['Ctrl-C stop after this step']);
    expect(keyHints('mending', 0)).toEqual(['Ctrl-C stop after this step']);
    expect(keyHints('offer', 0)).toEqual(['f mend', 'Enter/Esc report', 'Ctrl-C stop']);
    expect(keyHints('execute', 1)).toEqual(['Ctrl-C abort now']);
  });
});
