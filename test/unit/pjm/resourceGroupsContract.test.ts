// Furo's groups as the runtime's `plan` reads them are the groups of the extension.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { furoGroups } from '../../../src/pjm/furo';

const contract: unknown = JSON.parse(
  readFileSync(new URL('../../fixtures/contract/resourceGroups.json', import.meta.url), 'utf8'),
);

describe('resourceGroups.json', () => {
  it('says what furo.ts says, with null for what is unlimited', () => {
    const groups = furoGroups.map((group) => ({
      ...group,
      defaultElapseSeconds: group.defaultElapseSeconds ?? null,
      maxElapseSeconds: group.maxElapseSeconds ?? null,
    }));
    expect(contract).toEqual(groups);
  });
});
