"""Where the server is: in a pod its own account, elsewhere the kubeconfig of KUBECONFIG."""

import os

from kubernetes import client, config


def core():
    """The typed client of the core API."""
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        config.load_incluster_config()
    else:
        config.load_kube_config()
    return client.CoreV1Api()
