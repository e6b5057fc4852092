// The answers to --help. Short forms of the manual's synopsis; the real texts were not seen.

const synopses: Readonly<Record<string, string>> = {
  pjsub: [
    'pjsub [options] [script]',
    '       pjsub --bulk --sparam "start-end" [options] [script]',
    '       pjsub --step [--sparam "param[,...]"] [options] script[ script...]',
    '       pjsub --interact [--sparam "wait-time=t"] [options] [script]',
  ].join('\n'),
  pjdel: 'pjdel [-R reason] [--enforce] [--no-stats] [--no-history] jobid [jobid...]',
  pjhold: 'pjhold [-R reason] jobid [jobid...]',
  pjrls: 'pjrls jobid [jobid...]',
  pjsig: 'pjsig -s signal jobid [jobid...]',
  pjalter: 'pjalter [-L resources] [-p priority] jobid [jobid...]',
  pjwait: 'pjwait [-w waitall|waitany|waitnone] jobid [jobid...]',
  pjstat:
    'pjstat [-v|-s|-S] [-H [day=n|start=..,end=..]] [-E] [-A] [--choose items] [--data] [jobid...]',
  pjacl: 'pjacl [--rg group] [--data]',
  pjshowrsc: 'pjshowrsc [-l] [--rscunit unit] [--rscgrp [group]] [--custom-resource] [--data]',
};

export function usageOf(program: string): string {
  return `Usage: ${synopses[program] ?? program}\n`;
}

export const pjsubUsage = usageOf('pjsub');
