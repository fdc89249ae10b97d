"""Asks the same question once a second, with one client for its whole life: see ../README.md."""

import json
import sys
import time

from access import core
from kubernetes.client.rest import ApiException


def main(namespace, seconds):
    api = core()
    begun = time.monotonic()
    statuses = {}
    while time.monotonic() - begun < seconds:
        try:
            api.list_namespaced_config_map(namespace)
            status = 200
        except ApiException as error:
            status = error.status
        statuses[status] = statuses.get(status, 0) + 1
        time.sleep(1)
    print(json.dumps({"statuses": statuses}), flush=True)


main(sys.argv[1], float(sys.argv[2]))
