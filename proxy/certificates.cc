#include "proxy/certificates.h"

#include <spdlog/spdlog.h>

#include <array>
#include <ctime>
#include <string>

#include "base/clock.h"

namespace sluice::proxy {
namespace {

// Renewals by ACME happen a month before the end; half of that means that they do not.
constexpr int64_t kSoonS = 14 * 86'400;

struct Certificate {
  const char* key;
  net::TlsContext* context;  // null: none is configured
};

std::array<Certificate, 2> certificates(const Options& options) {
  return {{{"listen", options.listen.tls.get()}, {"redis", options.redis.tls.get()}}};
}

}  // namespace

void log_certificates(const Options& options) {
  const int64_t now_s = std::time(nullptr);
  for (const auto& [key, context] : certificates(options)) {
    const int64_t end_s = context != nullptr ? context->certificate_end_s() : 0;
    if (end_s == 0) continue;
    if (end_s - now_s > kSoonS) {
      spdlog::info("{}.tls_cert_file is valid until {}", key, base::utc_text(end_s * 1000));
    } else {
      spdlog::warn("{}.tls_cert_file {} {}; replace it and send SIGHUP", key,
                   end_s > now_s ? "ends at" : "has ended at", base::utc_text(end_s * 1000));
    }
  }
}

bool reload_certificates(const Options& options) {
  bool is_done = true;
  for (const auto& [key, context] : certificates(options)) {
    if (context == nullptr) continue;
    const Status read = context->reload();
    if (read) continue;
    is_done = false;
    spdlog::error("certificates not reloaded, those before stay: {}", read.error().message());
  }
  log_certificates(options);
  return is_done;
}

void register_certificate_metrics(const Options& options, base::Registry& registry) {
  for (const auto& certificate : certificates(options)) {
    if (certificate.context == nullptr || certificate.context->certificate_end_s() == 0) continue;
    registry.computed(
        "sluice_tls_certificate_end_seconds", "Unix time at which a certificate ends.",
        [context = certificate.context] {
          return static_cast<double>(context->certificate_end_s());
        },
        false, "section=\"" + std::string(certificate.key) + "\"");
  }
}

}  // namespace sluice::proxy
