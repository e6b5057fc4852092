// What `-L` asks, checked against the resource groups. Knows no other option.
// Texts 0054, 0057, 0058, 0069, 0070 and 0076 as in the Command Reference; which check comes first is a guess.
import { parseElapse } from '../pjm/elapse';
import { findResourceKey } from '../pjm/optionCatalog';
import type { ResourceGroup } from '../pjm/resourceGroup';
import type { Refusal } from './pjsubOptions';
import type { SchedulerOptions } from './schedulerOptions';
import type { JobSpec } from './simulatedJob';

/** The parts of a {@link JobSpec} that `-L` decides. */
export type ResourceSpec = Pick<
  JobSpec,
  | 'resourceUnit'
  | 'resourceGroup'
  | 'isShared'
  | 'nodes'
  | 'gpus'
  | 'isGpuDefault'
  | 'elapseSeconds'
  | 'siteResources'
>;

export const resourceUnit = 'cx';
export const resourceAliases: Readonly<Record<string, string>> = { rg: 'rscgrp', ru: 'rscunit' };

type Resources = ReadonlyMap<string, string>;

/** A request that fits a group, or why pjsub refuses it. */
export function readResources(
  resources: Resources,
  isInteractive: boolean,
  options: SchedulerOptions,
): ResourceSpec | Refusal {
  const siteKeys = [...resources.keys()].filter((key) => !isPjmKey(key));
  if (siteKeys.length > maxSiteResources)
    return { code: 77, text: 'Too many custom resources specified.' };
  const unknown = [...resources].find(([key]) => !findResourceKey(key));
  if (unknown)
    return {
      code: 3,
      text: `Unknown option argument: -L ${unknown[0]}=${unknown[1]}.`,
      isUsage: true,
    };
  const unit = resources.get('rscunit') ?? resourceUnit;
  if (unit !== resourceUnit) return { code: 58, text: `rscunit=${unit} does not exist.` };
  const name = resources.get('rscgrp');
  if (name === undefined) return { code: 69, text: 'rscgrp in -L option is not specified.' };
  const group = options.groups.find((candidate) => candidate.name === name);
  if (!group) return { code: 58, text: `rscgrp=${name} does not exist.` };
  // Furo wants --interact written for interactive groups; the text is modelled on "pjsub-bulk.".
  if (group.isInteractive !== isInteractive)
    return {
      code: 70,
      text: `No execute permission: pjsub-${isInteractive ? 'interact' : 'batch'}.`,
    };
  return fitGroup(resources, group, options);
}

const siteResourceKeys = ['gpu', 'gpu-share', 'beeond', 'jobenv'];
/** Custom resources of one job, from the Command Reference. */
const maxSiteResources = 64;

/** Keys that PJM itself knows; all others are a site's. */
function isPjmKey(key: string): boolean {
  return findResourceKey(key) !== undefined && !siteResourceKeys.includes(key);
}

function fitGroup(
  resources: Resources,
  group: ResourceGroup,
  options: SchedulerOptions,
): ResourceSpec | Refusal {
  const nodes = readNodes(resources, group);
  if (typeof nodes !== 'number') return nodes;
  const gpus = readGpus(resources, group);
  if (typeof gpus !== 'number') return gpus;
  const elapse = readElapse(resources.get('elapse'), group);
  if ('code' in elapse) return elapse;
  const jobenv = resources.get('jobenv');
  if (jobenv !== undefined && !options.jobEnvironments.includes(jobenv))
    return {
      code: 76,
      text: `jobenv=${jobenv} cannot be specified. The value must be specified as follows: ${options.jobEnvironments.join(',')}`,
    };
  const site = ['gpu-share', 'beeond', 'jobenv'].flatMap((key) => {
    const value = resources.get(key);
    return value === undefined ? [] : [[key, value] as const];
  });
  return {
    resourceUnit,
    resourceGroup: group.name,
    isShared: group.isShared,
    nodes,
    gpus,
    isGpuDefault: !resources.has('gpu'),
    elapseSeconds: elapse.seconds,
    siteResources: Object.fromEntries(site),
  };
}

function readNodes(resources: Resources, group: ResourceGroup): number | Refusal {
  const vnode = resources.get('vnode');
  // Whole-node groups run node jobs. That they refuse virtual nodes, and with which code, is a guess.
  if (vnode !== undefined && !group.isShared) return invalidResource('vnode', vnode);
  const key = vnode === undefined ? 'node' : 'vnode';
  const text = resources.get(key)?.replace(/\(.*\)$/, '');
  if (text === undefined) return group.minNodes;
  if (!/^\d+$/.test(text)) return invalidResource(key, text);
  const nodes = Number(text);
  return outside(key, nodes, [group.minNodes, group.maxNodes]) ?? nodes;
}

function readGpus(resources: Resources, group: ResourceGroup): number | Refusal {
  const text = resources.get('gpu');
  if (text === undefined) return group.gpusPerUnit;
  if (!/^\d+$/.test(text)) return invalidResource('gpu', text);
  const gpus = Number(text);
  return outside('gpu', gpus, [group.isShared ? 1 : 0, group.gpusPerUnit]) ?? gpus;
}

/** Seconds within the group's limit; used by pjsub and pjalter. */
export function readElapse(
  text: string | undefined,
  group: ResourceGroup,
): { readonly seconds: number | undefined } | Refusal {
  if (text === undefined) return { seconds: group.defaultElapseSeconds };
  const seconds = parseElapse(text);
  if (seconds === undefined || seconds === 0) return invalidResource('elapse', text);
  const most = group.maxElapseSeconds;
  if (most === undefined) return { seconds: seconds === 'unlimited' ? undefined : seconds };
  if (seconds === 'unlimited' || seconds > most)
    return { code: 57, text: `elapse=${seconds} is greater than the upper limit (${most}).` };
  return { seconds };
}

function invalidResource(key: string, value: string): Refusal {
  return { code: 4, text: `Invalid option argument: -L ${key}=${value}.`, isUsage: true };
}

function outside(
  key: string,
  value: number,
  [least, most]: readonly [number, number],
): Refusal | undefined {
  if (value < least)
    return { code: 54, text: `${key}=${value} is less than the lower limit (${least}).` };
  if (value > most)
    return { code: 57, text: `${key}=${value} is greater than the upper limit (${most}).` };
  return undefined;
}
