// Furo's groups and what fits into them. Table: a talk given at Nagoya University on 19 June 2025.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findGroup, furoGroups, gpusPerNode, nodeCount } from '../../../src/pjm/furo';
import { cheapestFit, fits } from '../../../src/pjm/resourceGroup';

const hour = 3600;

function group(name: string) {
  const found = findGroup(name);
  if (!found) throw new Error(name);
  return found;
}

describe('furoGroups', () => {
  it('are the fifteen of Type II, each once', () => {
    expect(furoGroups).toHaveLength(15);
    expect(new Set(furoGroups.map(({ name }) => name)).size).toBe(15);
    expect(furoGroups.every(({ name }) => /^cx(?:gfs)?-/.test(name))).toBe(true);
  });

  it.each(furoGroups)('$name is possible on the machine', (one) => {
    expect(one.minNodes).toBeGreaterThanOrEqual(1);
    expect(one.maxNodes).toBeGreaterThanOrEqual(one.minNodes);
    expect(one.maxNodes).toBeLessThanOrEqual(nodeCount);
    expect(one.gpusPerUnit).toBe(one.isShared ? 1 : gpusPerNode);
    if (one.maxElapseSeconds !== undefined)
      expect(one.defaultElapseSeconds).toBeLessThanOrEqual(one.maxElapseSeconds);
  });

  it('has no group of another machine', () => {
    expect(findGroup('fx-small')).toBeUndefined();
    expect(findGroup('')).toBeUndefined();
  });
});

describe('fits', () => {
  it.each([
    ['cx-share', { gpus: 1, elapseSeconds: 168 * hour }, []],
    ['cx-share', { gpus: 2 }, [['tooManyGpus', 2, 1]]],
    [
      'cx-share',
      { elapseSeconds: 168 * hour + 1 },
      [['elapseTooLong', 168 * hour + 1, 168 * hour]],
    ],
    ['cx-single', { nodes: 1, gpus: 4 }, []],
    ['cx-single', { nodes: 2 }, [['tooManyNodes', 2, 1]]],
    ['cx-large', { nodes: 15 }, [['tooFewNodes', 15, 16]]],
    ['cx-large', {}, []],
    ['cx-special', { nodes: 221, elapseSeconds: Infinity }, []],
    ['cx-special', { nodes: 222 }, [['tooManyNodes', 222, 221]]],
    ['cx-interactive', { isInteractive: true }, []],
    ['cx-interactive', {}, [['interactiveOnly', 0, 0]]],
    ['cx-debug', { nodes: 5, gpus: 8, elapseSeconds: 2 * hour }, [['tooManyNodes', 5, 4], ['elapseTooLong', 2 * hour, hour], ['tooManyGpus', 8, 4]]], // prettier-ignore
  ])('%s %j', (name, demand, expected) => {
    const misfits = fits(demand, group(name));
    expect(misfits.map(({ code, asked, limit }) => [code, asked, limit])).toEqual(expected);
  });
});

describe('cheapestFit', () => {
  it.each([
    [{ gpus: 1, elapseSeconds: hour }, 'cx-share'],
    [{ gpus: 4, elapseSeconds: hour }, 'cx-debug'],
    [{ nodes: 1, gpus: 4, elapseSeconds: 200 * hour }, 'cx-single'],
    [{ nodes: 8, elapseSeconds: 100 * hour }, 'cx-small'],
    [{ nodes: 16, elapseSeconds: 72 * hour }, 'cx-middle'],
    [{ nodes: 64, elapseSeconds: 72 * hour }, 'cx-large'],
    [{ nodes: 221, elapseSeconds: 1000 * hour }, 'cx-special'],
    [{ nodes: 222 }, undefined],
    [{ gpus: 5 }, undefined],
  ])('%j', (demand, expected) => {
    expect(cheapestFit(demand, furoGroups)?.name).toBe(expected);
  });

  it('always fits, and leaves the table as it was', () => {
    const before = JSON.stringify(furoGroups);
    fc.assert(
      fc.property(
        fc.record(
          {
            nodes: fc.integer({ min: 1, max: 300 }),
            gpus: fc.integer({ min: 1, max: 5 }),
            elapseSeconds: fc.integer({ min: 1, max: 400 * hour }),
            isInteractive: fc.boolean(),
          },
          { requiredKeys: [] },
        ),
        (demand) => {
          const found = cheapestFit(demand, furoGroups);
          if (found) expect(fits(demand, found)).toEqual([]);
          else for (const one of furoGroups) expect(fits(demand, one)).not.toEqual([]);
        },
      ),
    );
    expect(JSON.stringify(furoGroups)).toBe(before);
  });
});
