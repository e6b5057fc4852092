import { test } from 'vitest';
import { readSources, layerOf, findCycles } from './sourceGraph';
test('x', () => {
  const m = new Map<string, Set<string>>();
  const ss = readSources();
  for (const s of ss) for (const i of s.imports) {
    const a = layerOf(s.path); const b = i.to.startsWith('src/')||i.to.startsWith('l10n')? layerOf(i.to): i.to.startsWith('node:')?'node:*': i.to;
    if (a===b) continue;
    const k = `${a} -> ${b} ${i.isTypeOnly?'type':'VALUE'}`;
    m.set(k, (m.get(k)??new Set()).add(`${s.path.replace('src/','')}>${i.to.replace('src/','')}`));
  }
  for (const k of [...m.keys()].sort()) console.log(k, m.get(k)!.size, m.get(k)!.size<7 || /words|ui|webview|settings/.test(k) ? [...m.get(k)!].slice(0,14).join(' ') : '');
  console.log(findCycles(ss, i => !i.isTypeOnly), findCycles(ss, () => true).map(c=>c.join(' > ')));
  console.log(ss.filter(s => s.lines>300).map(s=>s.path+s.lines), ss.filter(s=>s.hasDefaultExport||s.passesOn).map(s=>s.path));
});
