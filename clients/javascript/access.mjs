// Where the server is: in a pod its own account, elsewhere the kubeconfig of KUBECONFIG.

import { KubeConfig } from '@kubernetes/client-node';

export function access() {
  const config = new KubeConfig();
  if (process.env.KUBERNETES_SERVICE_HOST) {
    config.loadFromCluster();
  } else {
    config.loadFromDefault();
  }
  return config;
}
