// One object's life through the official client, with a server that restarts in the middle: see ../README.md.

import { AuthenticationV1Api, CoreV1Api, makeInformer, PatchStrategy, setHeaderOptions } from '@kubernetes/client-node';
import { setTimeout as pause } from 'node:timers/promises';
import { access } from './access.mjs';

// The longest that an event may take to come, in milliseconds.
const PATIENCE = 60_000;
// How long to wait before an informer that met an error is started again, in milliseconds.
const AGAIN = 200;

const namespace = process.argv[2];
const config = access();
const core = config.makeApiClient(CoreV1Api);
const authentication = config.makeApiClient(AuthenticationV1Api);

const seen = [];
let heard = () => {};

async function until(wanted) {
  const late = AbortSignal.timeout(PATIENCE);
  while (!seen.includes(wanted)) {
    if (late.aborted) {
      throw new Error(`"${wanted}" did not come; seen: ${seen}`);
    }
    await Promise.race([new Promise((resolve) => (heard = resolve)), pause(1000)]);
  }
}

// An informer as the library's examples have it: after an error the program starts it again.
function watch() {
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  const informer = makeInformer(config, path, () => core.listNamespacedConfigMap({ namespace }));
  const kinds = { add: 'ADDED', update: 'MODIFIED', delete: 'DELETED' };
  for (const [verb, kind] of Object.entries(kinds)) {
    informer.on(verb, (object) => {
      seen.push(`${kind} ${object.metadata.name}`);
      heard();
    });
  }
  informer.on('error', () => setTimeout(() => informer.start(), AGAIN));
  return informer;
}

// Asks for a token and has it reviewed: who it is, by the review.
async function tokenOfDefault() {
  const asked = { spec: { audiences: [], expirationSeconds: 600 } };
  const request = await core.createNamespacedServiceAccountToken({ name: 'default', namespace, body: asked });
  const review = await authentication.createTokenReview({ body: { spec: { token: request.status.token } } });
  return review.status.user.username;
}

const listed = (await core.listNamespacedConfigMap({ namespace })).items.map((o) => o.metadata.name);
const informer = watch();
await informer.start();
const body = { metadata: { name: 'journey' }, data: { step: 'one' } };
const created = await core.createNamespacedConfigMap({ namespace, body });
await until('ADDED journey');
const patched = await core.patchNamespacedConfigMap(
  { name: 'journey', namespace, body: { data: { step: 'two' } } },
  setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
);
await until('MODIFIED journey');
const account = await tokenOfDefault();
console.log(JSON.stringify({ step: 'watching' }));
await until('ADDED after-restart');
const deleted = await core.deleteNamespacedConfigMap({ name: 'journey', namespace });
await until('DELETED journey');
console.log(
  JSON.stringify({
    listed,
    created: created.metadata.uid,
    patched: patched.data.step,
    account,
    deleted: deleted.details.uid,
    events: seen,
  }),
);
await informer.stop();
process.exit(0);
