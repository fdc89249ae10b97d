import io.kubernetes.client.custom.V1Patch;
import io.kubernetes.client.informer.ResourceEventHandler;
import io.kubernetes.client.informer.SharedInformerFactory;
import io.kubernetes.client.openapi.ApiClient;
import io.kubernetes.client.openapi.ApiException;
import io.kubernetes.client.openapi.JSON;
import io.kubernetes.client.openapi.apis.AuthenticationV1Api;
import io.kubernetes.client.openapi.apis.CoreV1Api;
import io.kubernetes.client.openapi.models.AuthenticationV1TokenRequest;
import io.kubernetes.client.openapi.models.V1ConfigMap;
import io.kubernetes.client.openapi.models.V1ConfigMapList;
import io.kubernetes.client.openapi.models.V1ObjectMeta;
import io.kubernetes.client.openapi.models.V1TokenRequestSpec;
import io.kubernetes.client.openapi.models.V1TokenReview;
import io.kubernetes.client.openapi.models.V1TokenReviewSpec;
import io.kubernetes.client.util.ClientBuilder;
import io.kubernetes.client.util.PatchUtils;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** One object's life through the official client, with a server that restarts in the middle: see ../README.md. */
public final class Journey {
    /** The longest that an event may take to come, in seconds. */
    private static final long PATIENCE = 60;

    private final String namespace;
    private final ApiClient client;
    private final CoreV1Api core;
    private final BlockingQueue<String> events = new LinkedBlockingQueue<>();
    private final List<String> seen = new ArrayList<>();

    private Journey(String namespace) throws Exception {
        this.namespace = namespace;
        this.client = ClientBuilder.standard().build();
        this.core = new CoreV1Api(client);
    }

    public static void main(String[] arguments) throws Exception {
        new Journey(arguments[0]).run();
        System.exit(0);
    }

    private void run() throws Exception {
        List<String> listed = new ArrayList<>();
        core.listNamespacedConfigMap(namespace).execute().getItems().forEach(o -> listed.add(o.getMetadata().getName()));
        watch();
        V1ConfigMap body = new V1ConfigMap().metadata(new V1ObjectMeta().name("journey")).putDataItem("step", "one");
        V1ConfigMap created = core.createNamespacedConfigMap(namespace, body).execute();
        until("ADDED journey");
        V1ConfigMap patched = patch("{\"data\":{\"step\":\"two\"}}");
        until("MODIFIED journey");
        String account = accountOfToken();
        System.out.println("{\"step\":\"watching\"}");
        until("ADDED after-restart");
        String deleted = core.deleteNamespacedConfigMap("journey", namespace).execute().getDetails().getUid();
        until("DELETED journey");
        Map<String, Object> saw = new LinkedHashMap<>();
        saw.put("listed", listed);
        saw.put("created", created.getMetadata().getUid());
        saw.put("patched", patched.getData().get("step"));
        saw.put("account", account);
        saw.put("deleted", deleted);
        saw.put("events", seen);
        System.out.println(JSON.serialize(saw));
    }

    private void watch() {
        SharedInformerFactory factory = new SharedInformerFactory(client);
        factory.sharedIndexInformerFor(
                p -> core.listNamespacedConfigMap(namespace)
                        .resourceVersion(p.resourceVersion)
                        .timeoutSeconds(p.timeoutSeconds)
                        .watch(p.watch)
                        .buildCall(null),
                V1ConfigMap.class,
                V1ConfigMapList.class)
                .addEventHandler(new ResourceEventHandler<>() {
                    @Override
                    public void onAdd(V1ConfigMap object) {
                        tell("ADDED", object);
                    }

                    @Override
                    public void onUpdate(V1ConfigMap before, V1ConfigMap object) {
                        tell("MODIFIED", object);
                    }

                    @Override
                    public void onDelete(V1ConfigMap object, boolean unknown) {
                        tell("DELETED", object);
                    }
                });
        factory.startAllRegisteredInformers();
    }

    private void tell(String kind, V1ConfigMap object) {
        events.add(kind + " " + object.getMetadata().getName());
    }

    private void until(String wanted) throws InterruptedException {
        while (!seen.contains(wanted)) {
            String event = events.poll(PATIENCE, TimeUnit.SECONDS);
            if (event == null) {
                throw new IllegalStateException(wanted + " did not come; seen: " + seen);
            }
            seen.add(event);
        }
    }

    private V1ConfigMap patch(String change) throws ApiException {
        return PatchUtils.patch(
                V1ConfigMap.class,
                () -> core.patchNamespacedConfigMap("journey", namespace, new V1Patch(change)).buildCall(null),
                V1Patch.PATCH_FORMAT_STRATEGIC_MERGE_PATCH,
                client);
    }

    /** Asks for a token and has it reviewed: who it is, by the review. */
    private String accountOfToken() throws ApiException {
        AuthenticationV1TokenRequest asked = new AuthenticationV1TokenRequest()
                .spec(new V1TokenRequestSpec().audiences(List.of()).expirationSeconds(600L));
        String token =
                core.createNamespacedServiceAccountToken("default", namespace, asked).execute().getStatus().getToken();
        V1TokenReview review = new V1TokenReview().spec(new V1TokenReviewSpec().token(token));
        return new AuthenticationV1Api(client).createTokenReview(review).execute().getStatus().getUser().getUsername();
    }
}
