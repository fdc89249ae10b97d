// Asks the same question once a second, with one client for its whole life: see ../README.md.

import { CoreV1Api } from '@kubernetes/client-node';
import { setTimeout as pause } from 'node:timers/promises';
import { access } from './access.mjs';

const [namespace, seconds] = process.argv.slice(2);
const core = access().makeApiClient(CoreV1Api);
const end = performance.now() + Number(seconds) * 1000;
const statuses = {};
while (performance.now() < end) {
  let status = 200;
  try {
    await core.listNamespacedConfigMap({ namespace });
  } catch (error) {
    // Anything but an answer of the server ends the program.
    if (!error.code) throw error;
    status = error.code;
  }
  statuses[status] = (statuses[status] ?? 0) + 1;
  await pause(1000);
}
console.log(JSON.stringify({ statuses }));
process.exit(0);
