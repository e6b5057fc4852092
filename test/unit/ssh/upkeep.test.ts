// When a sleep or an idle half hour is noticed.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Upkeep } from '../../../src/ssh/upkeep';
import { ManualClock } from './manualClock';

const minute = 60_000;
let clock: ManualClock;
let events: string[];
let upkeep: Upkeep;

beforeEach(() => {
  clock = new ManualClock();
  events = [];
  upkeep = new Upkeep({
    clock,
    onWoke: () => events.push('woke'),
    onIdle: () => events.push('idle'),
  });
});

afterEach(() => {
  upkeep.dispose();
  expect(clock.waiting).toBe(0);
});

it('notices a gap of more than 15 s, once', () => {
  clock.pass(20_000);
  expect(events).toEqual([]);
  clock.sleep(14_000);
  expect(events).toEqual([]);
  clock.sleep(12 * 60 * minute);
  clock.pass(60_000);
  expect(events).toEqual(['woke']);
});

it('notices half an hour without use, again and again', () => {
  clock.pass(29 * minute);
  expect(events).toEqual([]);
  clock.pass(2 * minute);
  expect(events).toEqual(['idle']);
  clock.pass(30 * minute);
  expect(events).toEqual(['idle', 'idle']);
});

it('counts from the last use, and not while the computer sleeps', () => {
  clock.pass(29 * minute);
  upkeep.touch();
  clock.pass(29 * minute);
  clock.sleep(12 * 60 * minute);
  clock.pass(29 * minute);
  expect(events).toEqual(['woke']);
});
