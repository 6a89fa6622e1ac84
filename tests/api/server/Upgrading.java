import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.io.ByteArrayInputStream;

/** Java's own client as it is by default: it asks for HTTP/2 with each request. */
class Upgrading {
    static HttpClient client = HttpClient.newHttpClient();

    public static void main(String[] args) throws Exception {
        String base = args[0], token = args[1], name = args[2];
        String one = base + "/api/v1/kinds/ghosts/" + name;
        String ghost = "{\"metadata\":{\"name\":\"" + name + "\"},\"spec\":{\"systemPrompt\":\"%s\"}}";
        byte[] bytes = String.format(ghost, "chunked").getBytes(StandardCharsets.UTF_8);
        send(token, HttpRequest.newBuilder(URI.create(base + "/api/v1/kinds/ghosts"))
            .header("Content-Type", "application/json")
            .POST(BodyPublishers.ofString(String.format(ghost, "created"))));
        send(token, HttpRequest.newBuilder(URI.create(one))
            .header("Content-Type", "application/json")
            .PUT(BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(bytes))));
        send(token, HttpRequest.newBuilder(URI.create(one))
            .header("Content-Type", "application/merge-patch+json")
            .method("PATCH", BodyPublishers.ofString("{\"spec\":{\"description\":\"patched\"}}")));
        send(token, HttpRequest.newBuilder(URI.create(one)).GET());
    }

    static void send(String token, HttpRequest.Builder request) throws Exception {
        var answer = client.send(
            request.header("Authorization", "Bearer " + token).build(), BodyHandlers.ofString());
        System.out.println(answer.statusCode() + " " + answer.version() + " " + answer.body().strip());
    }
}
