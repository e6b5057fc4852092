// Furo's resource groups as data. Limits change: each row says where and when it was seen.
// `pjacl` on the login node is the authority; these are what public pages told.
import type { ResourceGroup } from './resourceGroup';

const hour = 3600;

/** GPUs of one node of Furo Type II (4 x Tesla V100 SXM2 32 GB). */
export const gpusPerNode = 4;
/** Nodes of Furo Type II. */
export const nodeCount = 221;

// Source of all rows: table of a talk given at Nagoya University, 2025-06-19.
type Row = readonly [
  name: string,
  minNodes: number,
  maxNodes: number,
  maxHours: number | undefined,
];

const wholeNodeRows: readonly Row[] = [
  ['cx-interactive', 1, 1, 24],
  ['cx-debug', 1, 4, 1],
  ['cx-single', 1, 1, 336],
  ['cx-small', 1, 8, 168],
  ['cx-middle', 1, 16, 72],
  ['cx-large', 16, 64, 72],
  ['cx-special', 1, 221, undefined],
  ['cx-middle2', 1, 16, 72],
  ['cxgfs-interactive', 1, 1, 168],
  ['cxgfs-single', 1, 1, 336],
  ['cxgfs-small', 1, 8, 168],
  ['cxgfs-middle', 4, 16, 72],
  ['cxgfs-special', 1, 50, 72],
];

function wholeNodes([name, minNodes, maxNodes, maxHours]: Row): ResourceGroup {
  return {
    name,
    isShared: false,
    minNodes,
    maxNodes,
    gpusPerUnit: gpusPerNode,
    coresPerUnit: 40,
    memoryGiBPerUnit: 338,
    defaultElapseSeconds: maxHours === undefined ? undefined : hour,
    maxElapseSeconds: maxHours === undefined ? undefined : maxHours * hour,
    isInteractive: name.endsWith('-interactive'),
  };
}

/** A quarter of a node: 10 cores, 84 GiB, one GPU (`.stats` of a cx-share job, 2025-06-19). */
function quarterNode(name: string): ResourceGroup {
  return {
    name,
    isShared: true,
    minNodes: 1,
    maxNodes: 1,
    gpusPerUnit: 1,
    coresPerUnit: 10,
    memoryGiBPerUnit: 84,
    defaultElapseSeconds: hour,
    maxElapseSeconds: 168 * hour,
    isInteractive: false,
  };
}

/** The 15 groups, cheapest first within each family. */
export const furoGroups: readonly ResourceGroup[] = [
  quarterNode('cx-share'),
  quarterNode('cxgfs-share'),
  ...wholeNodeRows.map(wholeNodes),
];

/** The group of that name, if Furo has it. */
export function findGroup(
  name: string,
  groups: readonly ResourceGroup[] = furoGroups,
): ResourceGroup | undefined {
  return groups.find((group) => group.name === name);
}
