import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;
import redis.clients.jedis.exceptions.JedisDataException;

/** A shop before Sluice: POST /buy, /pay, /cancel, GET /order. See README.md. */
public final class Shop {
  private static final int BODY_BYTES_MAX = 4096;
  private static final int THREADS = 64;

  /** What a page sent; what it must have and has not is answered 400. */
  private record Form(Map<String, String> values) {
    String need(String name) {
      String value = values.get(name);
      if (value == null || value.isEmpty()) {
        throw new IllegalArgumentException("missing: " + name);
      }
      return value;
    }

    boolean has(String name) {
      return values.containsKey(name);
    }
  }

  private final Sluice sluice;

  private Shop(Sluice sluice) {
    this.sluice = sluice;
  }

  public static void main(String[] arguments) throws IOException {
    String address = environment("SLUICE_ADDRESS", "127.0.0.1:6479");
    int port = Integer.parseInt(environment("SHOP_PORT", "8080"));
    long patienceMs = Long.parseLong(environment("SHOP_PATIENCE_MS", "10000"));
    int colon = address.lastIndexOf(':');
    Shop shop = new Shop(new Sluice(address.substring(0, colon),
        Integer.parseInt(address.substring(colon + 1)), patienceMs));
    HttpServer server = HttpServer.create(
        new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 128);
    server.setExecutor(Executors.newFixedThreadPool(THREADS));
    server.createContext("/", shop::handle);
    server.start();
    System.out.println("shop: http://127.0.0.1:" + port + ", Sluice at " + address);
  }

  private static String environment(String name, String otherwise) {
    return System.getenv().getOrDefault(name, otherwise);
  }

  private void handle(HttpExchange exchange) throws IOException {
    try (exchange) {
      String body = new String(exchange.getRequestBody().readNBytes(BODY_BYTES_MAX),
          StandardCharsets.UTF_8);
      Map<String, String> values = new HashMap<>();
      read(exchange.getRequestURI().getRawQuery(), values);
      read(body, values);
      answer(exchange, new Form(values));
    }
  }

  private static void read(String text, Map<String, String> values) {
    if (text == null) {
      return;
    }
    for (String pair : text.split("&")) {
      int cut = pair.indexOf('=');
      if (cut > 0) {
        values.put(pair.substring(0, cut),
            URLDecoder.decode(pair.substring(cut + 1), StandardCharsets.UTF_8));
      }
    }
  }

  private void answer(HttpExchange exchange, Form form) throws IOException {
    String page = exchange.getRequestMethod() + " " + exchange.getRequestURI().getPath();
    try {
      Map<String, Object> told = switch (page) {
        case "POST /buy" -> sluice.buy(form.need("item"), form.need("user"), form.need("req"));
        case "POST /pay" -> sluice.pay(form.need("item"), form.need("user"), form.need("order_id"));
        case "POST /cancel" ->
            sluice.cancel(form.need("item"), form.need("user"), form.need("order_id"));
        case "GET /order" -> order(form);
        default -> null;
      };
      reply(exchange, told == null ? 404 : 200,
          told == null ? Map.of("error", "no such page") : told);
    } catch (IllegalArgumentException | JedisDataException error) {
      reply(exchange, 400, Map.of("error", error.getMessage()));
    } catch (Sluice.Undecided error) {
      exchange.getResponseHeaders().set("Retry-After", "1");
      reply(exchange, 503,
          Map.of("error", "not known yet, ask with the same req: " + error.getMessage()));
    }
  }

  private Map<String, Object> order(Form form) throws Sluice.Undecided {
    String item = form.need("item");
    String user = form.need("user");
    if (form.has("req")) {
      return sluice.orderOfClick(item, user, form.need("req"));
    }
    String orderId = form.need("order_id");
    if (form.has("wait")) {
      Map<String, Object> waited =
          sluice.waitForMysql(item, user, orderId, Long.parseLong(form.need("wait")));
      if (waited.get("outcome").equals("DEADLETTER")) {
        return waited;
      }
    }
    return sluice.order(item, user, orderId);
  }

  private static void reply(HttpExchange exchange, int status, Map<String, Object> told)
      throws IOException {
    byte[] body = told.entrySet().stream()
        .map(entry -> quoted(entry.getKey()) + ":" + json(entry.getValue()))
        .collect(Collectors.joining(",", "{", "}")).getBytes(StandardCharsets.UTF_8);
    exchange.getResponseHeaders().set("Content-Type", "application/json");
    exchange.sendResponseHeaders(status, body.length);
    exchange.getResponseBody().write(body);
  }

  private static String json(Object value) {
    return value instanceof Number ? value.toString() : quoted(String.valueOf(value));
  }

  private static String quoted(String text) {
    StringBuilder out = new StringBuilder("\"");
    text.codePoints().forEach(c -> {
      if (c < ' ' || c == '"' || c == '\\') {
        out.append(String.format("\\u%04x", c));
      } else {
        out.appendCodePoint(c);
      }
    });
    return out.append('"').toString();
  }
}
