package shop;

import java.util.Map;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpStatus;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.MissingServletRequestParameterException;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;

/** A shop before Sluice: POST /buy, /pay, /cancel, GET /order. See README.md. */
@SpringBootApplication
@RestController
public class Shop {
  private final Sluice sluice;

  Shop(Sluice sluice) {
    this.sluice = sluice;
  }

  public static void main(String[] arguments) {
    SpringApplication.run(Shop.class, arguments);
  }

  @PostMapping("/buy")
  Map<String, Object> buy(@RequestParam String item, @RequestParam String user,
      @RequestParam String req) throws Sluice.Undecided {
    return sluice.buy(item, user, req);
  }

  @PostMapping("/pay")
  Map<String, Object> pay(@RequestParam String item, @RequestParam String user,
      @RequestParam("order_id") String orderId) throws Sluice.Undecided {
    return sluice.pay(item, user, orderId);
  }

  @PostMapping("/cancel")
  Map<String, Object> cancel(@RequestParam String item, @RequestParam String user,
      @RequestParam("order_id") String orderId) throws Sluice.Undecided {
    return sluice.cancel(item, user, orderId);
  }

  @GetMapping(value = "/order", params = "req")
  Map<String, Object> orderOfClick(@RequestParam String item, @RequestParam String user,
      @RequestParam String req) throws Sluice.Undecided {
    return sluice.orderOfClick(item, user, req);
  }

  @GetMapping(value = "/order", params = "!req")
  Map<String, Object> order(@RequestParam String item, @RequestParam String user,
      @RequestParam("order_id") String orderId, @RequestParam(defaultValue = "0") long wait)
      throws Sluice.Undecided {
    if (wait > 0) {
      Map<String, Object> waited = sluice.waitForMysql(item, user, orderId, wait);
      if (waited.get("outcome").equals("DEADLETTER")) {
        return waited;
      }
    }
    return sluice.order(item, user, orderId);
  }

  @ExceptionHandler({Sluice.Mistake.class, MissingServletRequestParameterException.class})
  ResponseEntity<Map<String, Object>> mistake(Exception error) {
    return ResponseEntity.badRequest().body(Map.of("error", error.getMessage()));
  }

  @ExceptionHandler
  ResponseEntity<Map<String, Object>> undecided(Sluice.Undecided error) {
    return ResponseEntity.status(HttpStatus.SERVICE_UNAVAILABLE)
        .header(HttpHeaders.RETRY_AFTER, "1")
        .body(Map.of("error", "not known yet, ask with the same req: " + error.getMessage()));
  }
}
