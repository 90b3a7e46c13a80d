package shop;

import io.lettuce.core.RedisCommandExecutionException;
import io.lettuce.core.codec.ByteArrayCodec;
import io.lettuce.core.output.NestedMultiOutput;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.core.NestedRuntimeException;
import org.springframework.data.redis.connection.RedisConnection;
import org.springframework.data.redis.connection.lettuce.LettuceConnection;
import org.springframework.data.redis.connection.lettuce.LettuceConnectionFactory;
import org.springframework.stereotype.Component;

/** A client of Sluice that buys exactly once over a network that fails. See ../README.md. */
@Component
class Sluice {
  /** No answer in time: the outcome is not known. Ask later, with the same REQ. */
  static final class Undecided extends Exception {
    Undecided(String last) {
      super(last);
    }
  }

  /** An error reply. */
  private static final class Said extends RuntimeException {
    Said(String words) {
      super(words);
    }
  }

  /** What the caller did wrong, in Sluice's words. */
  static final class Mistake extends RuntimeException {
    Mistake(String said) {
      super(said);
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
  private static final long FIRST_PAUSE_MS = 50;
  private static final long LONGEST_PAUSE_MS = 1000;

  private final LettuceConnectionFactory connections;
  private final long patienceMs;

  Sluice(LettuceConnectionFactory connections, @Value("${shop.patience-ms}") long patienceMs) {
    // On one for all threads, purchases would stand behind the one that waits for MySQL.
    connections.setShareNativeConnection(false);
    this.connections = connections;
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
      } catch (Said said) {
        last = said.getMessage();
        if (last.startsWith("UNKNOWNSTATE")) {
          Map<String, Object> found = found(inquiry);
          if (found != null) {
            return found;
          }
        } else if (!last.startsWith("BUSY") && !last.startsWith("LOADING")) {
          throw new Mistake(last);
        }
      } catch (NestedRuntimeException lost) {
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
    } catch (Said | NestedRuntimeException error) {
      return null;
    }
  }

  private Map<String, Object> ask(List<String> words) {
    byte[][] arguments = words.stream().skip(1)
        .map(word -> word.getBytes(StandardCharsets.UTF_8)).toArray(byte[][]::new);
    List<?> reply;
    try (RedisConnection connection = connections.getConnection()) {
      // The driver's own guess of the reply's type would be one value; it is an array.
      reply = (List<?>) ((LettuceConnection) connection).execute("SECKILL." + words.get(0),
          new NestedMultiOutput<>(ByteArrayCodec.INSTANCE), arguments);
    } catch (NestedRuntimeException error) {
      if (error.getRootCause() instanceof RedisCommandExecutionException said) {
        throw new Said(said.getMessage());
      }
      throw error;
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
