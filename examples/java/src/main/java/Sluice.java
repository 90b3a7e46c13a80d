import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.JedisPool;
import redis.clients.jedis.JedisPoolConfig;
import redis.clients.jedis.exceptions.JedisDataException;
import redis.clients.jedis.exceptions.JedisException;

/** A client of Sluice that buys exactly once over a network that fails. See ../README.md. */
final class Sluice {
  /** No answer in time: the outcome is not known. Ask later, with the same REQ. */
  static final class Undecided extends Exception {
    Undecided(String last) {
      super(last);
    }
  }

  // What the values behind an outcome are.
  private static final Map<String, List<String>> NAMES = Map.of(
      "BUY OK", List.of("order_id", "remaining", "durability"),
      "BUY SOLDOUT", List.of("remaining"),
      "BUY LIMIT", List.of("bought", "order_id"),
      "BUY CANCELLED", List.of("order_id"),
      "BUY NOTSTARTED", List.of("start_ms"),
      "BUY ENDED", List.of("end_ms"),
      "CANCEL OK", List.of("remaining"),
      "ORDER FOUND", List.of("order_id", "user", "quantity", "status", "durability"),
      "WAITDB DEADLETTER", List.of("code", "text"));
  private static final int CONNECTIONS_MAX = 64;
  private static final long FIRST_PAUSE_MS = 50;
  private static final long LONGEST_PAUSE_MS = 1000;

  private final JedisPool pool;
  private final long patienceMs;

  Sluice(String host, int port, long patienceMs) {
    JedisPoolConfig sizes = new JedisPoolConfig();
    sizes.setMaxTotal(CONNECTIONS_MAX);
    sizes.setMaxIdle(CONNECTIONS_MAX);
    pool = new JedisPool(sizes, new HostAndPort(host, port), DefaultJedisClientConfig.builder()
        .connectionTimeoutMillis(2000).socketTimeoutMillis(3000).build());
    this.patienceMs = patienceMs;
  }

  Map<String, Object> buy(String item, String user, String req) throws Undecided {
    return untilDecided(List.of("BUY", item, user, "REQ", req),
        List.of("ORDER", item, user, "REQ", req));
  }

  Map<String, Object> pay(String item, String user, String orderId) throws Undecided {
    return untilDecided(List.of("PAY", item, user, orderId, "REQ", "pay-" + orderId), null);
  }

  Map<String, Object> cancel(String item, String user, String orderId) throws Undecided {
    return untilDecided(List.of("CANCEL", item, user, orderId, "REQ", "cancel-" + orderId), null);
  }

  Map<String, Object> order(String item, String user, String orderId) throws Undecided {
    return untilDecided(List.of("ORDER", item, user, orderId), null);
  }

  Map<String, Object> orderOfClick(String item, String user, String req) throws Undecided {
    return untilDecided(List.of("ORDER", item, user, "REQ", req), null);
  }

  /** At most two seconds at a time, below the driver's timeout; the caller may ask again. */
  Map<String, Object> waitForMysql(String item, String user, String orderId, long waitMs)
      throws Undecided {
    String wait = Long.toString(Math.min(waitMs, 2000));
    return untilDecided(List.of("WAITDB", item, user, orderId, wait), null);
  }

  private Map<String, Object> untilDecided(List<String> words, List<String> inquiry)
      throws Undecided {
    long deadline = System.nanoTime() + patienceMs * 1_000_000;
    long pauseMs = FIRST_PAUSE_MS;
    String last = "";
    while (System.nanoTime() < deadline) {
      try {
        return ask(words);
      } catch (JedisDataException said) {
        last = said.getMessage();
        if (last.startsWith("UNKNOWNSTATE")) {
          Map<String, Object> found = found(inquiry);
          if (found != null) {
            return found;
          }
        } else if (!last.startsWith("BUSY") && !last.startsWith("LOADING")) {
          throw said;
        }
      } catch (JedisException lost) {
        last = lost.getMessage(); // what was sent may have arrived, or not
      }
      pause(ThreadLocalRandom.current().nextLong(pauseMs / 2, pauseMs));
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    }
    throw new Undecided(last);
  }

  /** The order of a purchase whose outcome was not known; null: ask or buy again. */
  private Map<String, Object> found(List<String> inquiry) {
    if (inquiry == null) {
      return null;
    }
    try {
      Map<String, Object> found = ask(inquiry);
      if (!"FOUND".equals(found.get("outcome"))) {
        return null;
      }
      boolean undone = List.of("cancelled", "expired").contains(found.get("status"));
      return Map.of("outcome", undone ? "CANCELLED" : "OK", "order_id", found.get("order_id"));
    } catch (JedisException error) {
      return null;
    }
  }

  private Map<String, Object> ask(List<String> words) {
    byte[] command = ("SECKILL." + words.get(0)).getBytes(StandardCharsets.US_ASCII);
    String[] arguments = words.subList(1, words.size()).toArray(String[]::new);
    List<?> reply;
    try (Jedis jedis = pool.getResource()) {
      reply = (List<?>) jedis.sendCommand(() -> command, arguments);
    }
    Map<String, Object> outcome = new LinkedHashMap<>();
    outcome.put("outcome", text(reply.get(0)));
    List<String> names =
        NAMES.getOrDefault(words.get(0) + " " + text(reply.get(0)), List.of());
    for (int n = 0; n < names.size(); n++) {
      outcome.put(names.get(n), text(reply.get(n + 1)));
    }
    return outcome;
  }

  /** Numbers stay numbers; an order's id is a string. */
  private static Object text(Object value) {
    return value instanceof byte[] bytes ? new String(bytes, StandardCharsets.UTF_8) : value;
  }

  private static void pause(long ms) {
    try {
      Thread.sleep(ms);
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
    }
  }
}
