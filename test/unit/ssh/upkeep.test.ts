// When a sleep, another network or an idle half hour is noticed.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Upkeep } from '../../../src/ssh/upkeep';
import { ManualClock } from './manualClock';

const minute = 60_000;
let clock: ManualClock;
let events: string[];
let addresses: string[];
let upkeep: Upkeep;

beforeEach(() => {
  clock = new ManualClock();
  events = [];
  addresses = ['192.168.1.7', '2001:db8::7'];
  upkeep = new Upkeep({
    clock,
    onDoubt: (why) => events.push(why),
    onIdle: () => events.push('idle'),
    addresses: () => addresses,
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

it('notices another network within five seconds, once, and not that one is gone', () => {
  clock.pass(20_000);
  addresses = ['2001:db8::7'];
  clock.pass(minute);
  addresses = [];
  clock.pass(minute);
  expect(events).toEqual([]);
  addresses = ['10.0.0.9'];
  clock.pass(5_000);
  expect(events).toEqual(['moved']);
  clock.pass(minute);
  expect(events).toEqual(['moved']);
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
