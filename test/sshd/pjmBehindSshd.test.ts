// The PJM commands behind the simulated login node and behind a real OpenSSH server: one suite, both must pass.
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { startSimulatedFuro } from '../../src/simulator/simulatedFuro';
import { connect } from '../unit/simulator/loginNode';
import { startOpenSshServer } from './openSshServer';
import { describePjmJobs, quickScheduling, type Entrance } from './pjmJobSuite';

async function enterSimulated(): Promise<Entrance> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'furo-pjm-own-')));
  const furo = await startSimulatedFuro({ root, scheduling: quickScheduling });
  const client = await connect(furo.endpoint);
  return {
    client,
    folder: furo.endpoint.remoteFolder,
    hasNodes: furo.nodes.hasNamespaces,
    stop: async () => {
      client.end();
      await furo.dispose();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

async function enterOpenSsh(): Promise<Entrance> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'furo-pjm-sshd-')));
  const furo = await startSimulatedFuro({ root, scheduling: quickScheduling });
  const sshd = await startOpenSshServer({ environment: furo.environment });
  const client = await connect(sshd);
  const folder = join(furo.endpoint.remoteFolder, 'behind sshd');
  mkdirSync(folder);
  return {
    client,
    folder,
    hasNodes: furo.nodes.hasNamespaces,
    stop: async () => {
      client.end();
      await sshd.stop();
      await furo.dispose();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

describePjmJobs('PJM commands behind the simulated login node', enterSimulated);

if (existsSync('/usr/sbin/sshd') || process.env['CI'] === 'true') {
  describePjmJobs('PJM commands behind OpenSSH', enterOpenSsh);
} else {
  describe('PJM commands behind OpenSSH', () => {
    it.skip('needs /usr/sbin/sshd (openssh-server)', () => undefined);
  });
}
