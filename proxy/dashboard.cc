#include "proxy/dashboard.h"

#include <string>
#include <string_view>

#include "web_files.h"

namespace sluice::proxy {
namespace {

// Nothing from elsewhere, nothing inline, no frame around it.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

std::string_view type_of(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".svg")) return "image/svg+xml";
  return "text/javascript; charset=utf-8";
}

// Asked for again each time, so that a new version shows at once; unchanged, it is 304 without a
// body.
http::Response serve(const generated::WebFile& file, const http::Request& request) {
  const std::string tag = "\"" + std::string(file.hash) + "\"";
  http::Response response{200, std::string(type_of(file.name)), ""};
  response.headers = {{"ETag", tag},
                      {"Cache-Control", "no-cache"},
                      {"Content-Security-Policy", std::string(kPolicy)},
                      {"Referrer-Policy", "no-referrer"},
                      {"Cross-Origin-Resource-Policy", "same-origin"}};
  if (request.if_none_match.find(tag) != std::string::npos) {
    response.status = 304;
    return response;
  }
  response.headers.emplace_back("Content-Encoding", "gzip");
  response.body.assign(reinterpret_cast<const char*>(file.gzip), file.bytes);
  return response;
}

}  // namespace

void add_dashboard_routes(http::Server& server) {
  for (const generated::WebFile& file : generated::kWebFiles) {
    const std::string_view name = file.name;
    server.route("GET", name == "index.html" ? "/" : "/" + std::string(name),
                 [&file](const http::Request& request) { return serve(file, request); });
  }
}

}  // namespace sluice::proxy
