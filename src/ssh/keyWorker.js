/**
 * Opens one encrypted private key in a thread of its own: deriving its key from the passphrase takes seconds of pure
 * computing. Plain JavaScript, because Node runs it as it stands when tests run the sources; esbuild.mjs bundles it
 * to dist/keyWorker.js. Knows no file and no person; its one message is the key or the reason why there is none.
 */
const { parentPort, workerData } = require('node:worker_threads');
const { parseKey } = require('ssh2/lib/protocol/keyParser.js');

const parsed = parseKey(Buffer.from(workerData.text), workerData.passphrase);
const pem = parsed instanceof Error ? undefined : parsed.getPrivatePEM();
parentPort.postMessage(
  typeof pem === 'string' ? { pem } : { error: String(parsed.message ?? 'no private key') },
);
