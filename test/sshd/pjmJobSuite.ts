// What a batch job must be able to do, whichever SSH server stands before the PJM commands.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from 'ssh2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exec, openChannel, until, type CommandResult } from '../unit/simulator/loginNode';

/** One way to reach the commands. */
export interface Entrance {
  readonly client: Client;
  /** A folder that the commands and this test both see. */
  readonly folder: string;
  readonly hasNodes: boolean;
  stop(): Promise<void>;
}

/** Times of the scheduler that keep the suite short; the real ones are seconds. With PJM's lines in the output. */
export const quickScheduling = {
  schedulingDelayMs: 50,
  terminationMs: 50,
  deleteDelayMs: 50,
  killDelayMs: 1500,
  showsPjmMessages: true,
};

const header = [
  '#!/bin/bash',
  '#PJM -L rscgrp=cx-share',
  '#PJM -L elapse=0:05:00',
  '#PJM -j',
  '#PJM -S',
];

/** Registers the suite under `name`. */
export function describePjmJobs(name: string, enter: () => Promise<Entrance>): void {
  describe(name, () => {
    let entrance: Entrance;

    beforeAll(async () => {
      entrance = await enter();
    });

    afterAll(async () => {
      await entrance.stop();
    });

    const run = (command: string, stdin?: string): Promise<CommandResult> =>
      exec(entrance.client, `cd '${entrance.folder}' && ${command}`, stdin);
    const at = (file: string): string => join(entrance.folder, file);
    const read = (file: string): string =>
      existsSync(at(file)) ? readFileSync(at(file), 'utf8') : '';

    /** Submits a script and gives its id. */
    async function submit(file: string, body: readonly string[], options = ''): Promise<string> {
      writeFileSync(at(file), [...header, ...body, ''].join('\n'));
      const { stdout, stderr, code } = await run(`pjsub ${options} ${file}`);
      const id = /^\[INFO\] PJM 0000 pjsub Job (\d+) submitted\.\n$/.exec(stdout)?.[1];
      expect({ id: id !== undefined, stderr, code }).toEqual({ id: true, stderr: '', code: 0 });
      return String(id);
    }

    async function stateOf(id: string): Promise<string> {
      const { stdout } = await run(
        `pjstat -H --choose jid,st --data ${id}; pjstat --choose jid,st --data ${id}`,
      );
      return (
        stdout
          .split('\n')
          .find((line) => line.includes(id))
          ?.split(',')
          .at(-1)
          ?.trim() ?? ''
      );
    }

    function untilState(id: string, wanted: string): Promise<void> {
      return until(async () => (await stateOf(id)) === wanted, 20_000);
    }

    function statistic(file: string, key: string): string | undefined {
      const line = read(file)
        .split('\n')
        .find((text) => text.startsWith(` ${key} `));
      return line?.slice(line.indexOf(' : ') + 3);
    }

    it('runs a script: own copy as $0, PJM variables, live output, statistics', async () => {
      const id = await submit('plain.sh', [
        'echo "$0 $PWD $PJM_JOBID $PJM_JOBNAME $PJM_ENVIRONMENT $PJM_ELAPSE_LIMIT"',
        'test -d "$PJM_LOCALDIR" && echo "$PJM_LOCALDIR" && wc -l < "$PJM_O_NODEINF"',
        'echo first; sleep 2; echo second >&2; exit 3',
      ]);
      const out = `plain.sh.${id}.out`;
      await until(() => read(out).includes('first'), 20_000);
      expect(read(out)).not.toContain('second');
      await untilState(id, 'EXT');
      const copy = `${entrance.folder}/.d${id.padStart(10, '0')}`;
      const lines = read(out).split('\n');
      expect(lines[0]).toBe(`${copy} ${entrance.folder} ${id} plain.sh BATCH 300`);
      expect(lines.slice(2)).toEqual(['1', 'first', 'second', '']);
      expect(existsSync(String(lines[1]))).toBe(false);
      const stats = `plain.sh.${id}.stats`;
      await until(() => existsSync(at(stats)));
      expect(statistic(stats, 'EXIT CODE')).toBe('3');
      expect(statistic(stats, 'STANDARD OUT FILE')).toBe(at(out));
      expect(
        Number.parseInt(statistic(stats, 'USER CPU TIME (USE)') ?? '', 10),
      ).toBeGreaterThanOrEqual(0);
    });

    it('runs a script from standard input', async () => {
      const script = [...header, '#PJM -N fromstdin', 'echo "got $PJM_JOBNAME"', ''].join('\n');
      const { stdout } = await run('pjsub', script);
      const id = String(/Job (\d+) submitted/.exec(stdout)?.[1]);
      await untilState(id, 'EXT');
      expect(read(`fromstdin.${id}.out`)).toBe('got fromstdin\n');
    });

    it('honours the first line of the script and reads no profile', async () => {
      const file = 'traced.sh';
      writeFileSync(
        at(file),
        ['#!/bin/bash -x', ...header.slice(1), 'shopt -q login_shell || echo plain', ''].join('\n'),
      );
      const { stdout } = await run(`pjsub ${file}`);
      const id = String(/Job (\d+) submitted/.exec(stdout)?.[1]);
      await untilState(id, 'EXT');
      expect(read(`${file}.${id}.out`)).toBe('+ shopt -q login_shell\n+ echo plain\nplain\n');
    });

    it('deletes a running job: SIGTERM to every process, then nothing is left', async () => {
      const id = await submit('endless.sh', [
        'trap "echo caught TERM; exit 9" TERM',
        '(trap "echo child caught TERM; exit" TERM; while :; do sleep 0.1; done) &',
        'setsid sleep 4711 &',
        'echo ready; while :; do sleep 0.1; done',
      ]);
      await until(() => read(`endless.sh.${id}.out`).includes('ready'), 20_000);
      const { stdout, code } = await run(`pjdel ${id}`);
      expect([stdout, code]).toEqual([`[INFO] PJM 0100 pjdel Accepted job ${id}.\n`, 0]);
      await untilState(id, 'CCL');
      const out = read(`endless.sh.${id}.out`);
      expect(out).toContain('caught TERM');
      expect(out).toContain('child caught TERM');
      expect(out).toMatch(
        /^\[INFO\] PJM 7090 Job \d+ was canceled\. User \S+ executed pjdel command\.$/m,
      );
      await until(async () => (await run('pgrep -f "^sleep 4711"')).stdout === '');
    });

    it('ends a job at its limit: SIGXCPU first, SIGKILL for those who stay', async () => {
      const id = await submit(
        'toolong.sh',
        ['trap "echo saved" XCPU', 'echo start; while :; do sleep 0.1; done'],
        '-L elapse=2',
      );
      await untilState(id, 'EXT');
      const said = `[ERR.] PJM 7004 Job ${id} was canceled. The job exceeded its elapse time limit.\n`;
      const [first, rest = ''] = read(`toolong.sh.${id}.out`).split(said);
      expect(first).toBe('start\n');
      expect(rest).toMatch(/^(CPU time limit exceeded\n)?saved\n/);
      await until(() => existsSync(at(`toolong.sh.${id}.stats`)));
      expect(statistic(`toolong.sh.${id}.stats`, 'PJM CODE')).toBe('11');
    });

    it('waits with pjwait and passes signals with pjsig', async () => {
      const id = await submit('signalled.sh', [
        'trap "echo got USR1; exit 0" USR1',
        'echo ready; while :; do sleep 0.1; done',
      ]);
      await until(() => read(`signalled.sh.${id}.out`).includes('ready'), 20_000);
      const waiting = run(`pjwait ${id}`);
      expect((await run(`pjsig -s USR1 ${id}`)).code).toBe(0);
      expect((await waiting).stdout).toContain(id);
      expect(read(`signalled.sh.${id}.out`)).toContain('got USR1');
    });

    it('refuses on standard error with exit status 1 and leaves nothing', async () => {
      writeFileSync(at('wrong.sh'), '#!/bin/bash\n#PJM -L rscgrp=nothere\ntrue\n');
      const { stdout, stderr, code } = await run('pjsub wrong.sh');
      expect([stdout, code]).toEqual(['', 1]);
      expect(stderr).toMatch(/^\[ERR\.\] PJM 0058 pjsub /);
      expect((await run('pjsub missing.sh')).stderr).toMatch(/^\[ERR\.\] PJM 0020 pjsub /);
    });

    it('knows modules and conda as the scripts use them', async () => {
      const id = await submit('software.sh', [
        'module load gcc/11.3.0 cuda/12.4.1 openmpi_cuda/4.0.5 nccl/2.19.3',
        'module load nothere/9',
        'echo "loaded $LOADEDMODULES $(basename $OMPI_MCA_plm_rsh_agent)"',
        'eval "$(~/miniconda3/bin/conda shell.bash hook)"',
        'conda activate nothere; echo "status $?"',
      ]);
      await untilState(id, 'EXT');
      expect(read(`software.sh.${id}.out`).split('\n')).toEqual([
        "ModuleCmd_Load.c(213):ERROR:105: Unable to locate a modulefile for 'nothere/9'",
        'loaded gcc/11.3.0:cuda/12.4.1:openmpi_cuda/4.0.5:nccl/2.19.3 pjrsh',
        '',
        'EnvironmentNameNotFound: Could not find conda environment: nothere',
        'You can list all discoverable environments with `conda info --envs`.',
        '',
        'status 1',
        '',
      ]);
    });

    it('gives an interactive job the terminal of its caller', async () => {
      const options = { pty: { rows: 24, cols: 80, term: 'dumb' } };
      const command = `cd '${entrance.folder}' && pjsub --interact -L rscgrp=cx-interactive,node=1,elapse=5:00 --sparam wait-time=20`;
      const channel = await openChannel(entrance.client, command, options);
      let seen = '';
      channel.on('data', (chunk: Buffer) => (seen += chunk.toString()));
      await until(() => seen.includes('started'), 20_000);
      channel.write('echo $PJM_ENVIRONMENT; test -t 0 && echo on a terminal; sleep 1; exit\n');
      await new Promise((resolve) => channel.once('close', resolve));
      expect(seen).toContain('INTERACT\r\n');
      expect(seen).toContain('on a terminal\r\n');
      expect(seen).toMatch(/PJM 0083 pjsub Interactive job \d+ completed\./);
    });

    it('runs MPI ranks on two nodes with two addresses', async (context) => {
      if (!entrance.hasNodes || !hasCommand('mpirun')) {
        if (process.env['CI'] === 'true')
          throw new Error('needs root on Linux and mpirun (openmpi-bin)');
        context.skip('needs root on Linux and mpirun (openmpi-bin)');
      }
      const file = 'mpi.sh';
      const lines = [
        '#!/bin/bash',
        '#PJM -L rscgrp=cx-small',
        '#PJM -L node=2',
        '#PJM --mpi proc=8',
        '#PJM -j',
        'export OMPI_MCA_plm_rsh_agent=$(command -v pjrsh) OMPI_MCA_btl_tcp_if_include=ib0',
        'mpirun -np "$PJM_MPI_PROC" -npernode 4 -machinefile "$PJM_O_NODEINF" -mca pml ob1 -mca btl ^openib \\',
        '  bash -c \'echo rank $OMPI_COMM_WORLD_RANK on $(hostname -I | tr -d " ")\'',
      ];
      writeFileSync(at(file), `${lines.join('\n')}\n`);
      const id = String(/Job (\d+)/.exec((await run(`pjsub ${file}`)).stdout)?.[1]);
      await untilState(id, 'EXT');
      const ranks = [...read(`${file}.${id}.out`).matchAll(/^rank (\d) on (10\.177\.\S+)$/gm)];
      expect(ranks.map(([, rank]) => Number(rank)).sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
      expect(new Set(ranks.map(([, , address]) => address)).size).toBe(2);
    });
  });
}

function hasCommand(name: string): boolean {
  try {
    execFileSync('which', [name], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
