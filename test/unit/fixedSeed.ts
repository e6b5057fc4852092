// Generated cases are the same in every run of `npm test`, so that a red run is the fault of a change; a soak seeks new ones.
import fc from 'fast-check';

if (process.env['FURO_SOAK'] === undefined) fc.configureGlobal({ seed: 4 });
