// After all of that the log of the extension holds no error. Commands show errors instead of throwing them.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'mocha';

suite('the log', () => {
  test('holds no error of ours', function () {
    const userData = process.env['FURO_HOST_USER_DATA'];
    if (userData === undefined) {
      this.skip();
      return;
    }
    const folder = join(userData, 'logs');
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    const ours = files.filter((file) => /furo-workflows.*\.log$|exthost[^/]*\.log$/.test(file));
    assert.ok(ours.some((file) => file.endsWith('Furo.log')), files.join('\n'));
    const errors = ours.flatMap((file) => {
      const lines = readFileSync(join(folder, file), 'utf8').split('\n');
      const isOurs = /furo-workflows/.test(file);
      return lines.filter((line) => /\[error\]/.test(line) && (isOurs || /furo/i.test(line)));
    });
    assert.deepEqual(errors, []);
  });
});
