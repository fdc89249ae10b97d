"""One object's life through the official client, with a server that restarts in the middle: see ../README.md."""

import json
import queue
import sys

from access import core
from kubernetes import client
from kubernetes.informer import ADDED, DELETED, MODIFIED, SharedInformer

# The longest that an event may take to come, in seconds.
PATIENCE = 60


def token_of_default(api, namespace):
    """Asks for a token and has it reviewed; who it is, by the review."""
    asked = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[], expiration_seconds=600))
    token = api.create_namespaced_service_account_token("default", namespace, asked).status.token
    review = client.V1TokenReview(spec=client.V1TokenReviewSpec(token=token))
    return client.AuthenticationV1Api().create_token_review(review).status.user.username


def main(namespace):
    api = core()
    events = queue.Queue()
    seen = []

    def until(kind, name):
        while (kind, name) not in seen:
            seen.append(events.get(timeout=PATIENCE))

    listed = [o.metadata.name for o in api.list_namespaced_config_map(namespace).items]
    informer = SharedInformer(api.list_namespaced_config_map, namespace=namespace)
    for kind in (ADDED, MODIFIED, DELETED):
        informer.add_event_handler(kind, lambda o, kind=kind: events.put((kind, o.metadata.name)))
    informer.start()
    created = api.create_namespaced_config_map(
        namespace, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="journey"), data={"step": "one"})
    )
    until("ADDED", "journey")
    patched = api.patch_namespaced_config_map("journey", namespace, {"data": {"step": "two"}})
    until("MODIFIED", "journey")
    account = token_of_default(api, namespace)
    print(json.dumps({"step": "watching"}), flush=True)
    until("ADDED", "after-restart")
    deleted = api.delete_namespaced_config_map("journey", namespace)
    until("DELETED", "journey")
    print(
        json.dumps(
            {
                "listed": listed,
                "created": created.metadata.uid,
                "patched": patched.data["step"],
                "account": account,
                "deleted": deleted["details"]["uid"],
                "events": [" ".join(event) for event in seen],
            }
        ),
        flush=True,
    )


main(sys.argv[1])
