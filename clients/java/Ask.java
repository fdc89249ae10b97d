import io.kubernetes.client.openapi.ApiException;
import io.kubernetes.client.openapi.JSON;
import io.kubernetes.client.openapi.apis.CoreV1Api;
import io.kubernetes.client.util.ClientBuilder;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.TreeMap;

/** Asks the same question once a second, with one client for its whole life: see ../README.md. */
public final class Ask {
    private Ask() {}

    public static void main(String[] arguments) throws Exception {
        CoreV1Api core = new CoreV1Api(ClientBuilder.standard().build());
        Instant end = Instant.now().plus(Duration.ofSeconds(Long.parseLong(arguments[1])));
        Map<Integer, Integer> statuses = new TreeMap<>();
        while (Instant.now().isBefore(end)) {
            statuses.merge(status(core, arguments[0]), 1, Integer::sum);
            Thread.sleep(1000);
        }
        System.out.println(JSON.serialize(Map.of("statuses", statuses)));
        System.exit(0);
    }

    private static int status(CoreV1Api core, String namespace) throws ApiException {
        try {
            core.listNamespacedConfigMap(namespace).execute();
            return 200;
        } catch (ApiException error) {
            // Anything but an answer of the server ends the program.
            if (error.getCode() == 0) {
                throw error;
            }
            return error.getCode();
        }
    }
}
