// After all of that the log of the extension holds no error. Commands show errors instead of throwing them.
import assert from 'node:assert/strict';
import { suite, test } from 'mocha';
import { errorLines } from './logFiles';

suite('the log', () => {
  test('holds no error of ours', function () {
    const lines = errorLines();
    if (!lines) this.skip();
    assert.deepEqual(lines, []);
  });
});
