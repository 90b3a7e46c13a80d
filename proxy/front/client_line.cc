#include "proxy/front/client_line.h"

#include <algorithm>
#include <iterator>

#include "proxy/front/clients.h"

namespace sluice::proxy::front {
namespace {

constexpr std::string_view kUsualLine =
    "id=0 addr= laddr= fd=0 name= age=0 idle=0 flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=0 "
    "qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 events=r cmd= "
    "user= redir=-1 resp=2 lib-name= lib-ver=";

struct Subject {
  const Client& client;
  std::string_view command;
  int64_t now_us;
};

std::string number(int64_t value) { return std::to_string(value); }
std::string seconds(int64_t us) { return number(us / 1'000'000); }

// What the proxy can tell of a client, by the name of the field.
struct Source {
  std::string_view name;
  std::string (*value)(const Subject& of);
};

constexpr Source kSources[] = {
    {"id", [](const Subject& of) { return number(of.client.id); }},
    {"addr", [](const Subject& of) { return of.client.address; }},
    {"laddr", [](const Subject& of) { return of.client.local_address; }},
    {"fd", [](const Subject& of) { return number(of.client.fd); }},
    {"name", [](const Subject& of) { return of.client.name; }},
    {"age", [](const Subject& of) { return seconds(of.now_us - of.client.connected_us); }},
    {"idle", [](const Subject& of) { return seconds(of.now_us - of.client.active_us.load()); }},
    {"flags", [](const Subject& of) { return shown_flags(of.client); }},
    {"capa", [](const Subject& of) { return std::string(of.client.redirects.load() ? "r" : ""); }},
    {"db", [](const Subject& of) { return number(of.client.database.load()); }},
    {"sub", [](const Subject& of) { return number(of.client.subscriptions[0].load()); }},
    {"psub", [](const Subject& of) { return number(of.client.subscriptions[1].load()); }},
    {"ssub", [](const Subject& of) { return number(of.client.subscriptions[2].load()); }},
    {"multi", [](const Subject& of) { return number(of.client.queued.load()); }},
    {"watch", [](const Subject& of) { return number(of.client.watched.load()); }},
    {"qbuf", [](const Subject& of) { return number(of.client.input_bytes.load()); }},
    {"omem", [](const Subject& of) { return number(of.client.output_bytes.load()); }},
    {"tot-mem", [](const Subject& of) { return number(of.client.memory_bytes.load()); }},
    {"cmd", [](const Subject& of) { return std::string(of.command); }},
    {"user", [](const Subject& of) { return of.client.user; }},
    {"redir", [](const Subject& of) { return number(of.client.redirect.load()); }},
    {"resp", [](const Subject& of) { return number(of.client.protocol.load()); }},
    {"lib-name", [](const Subject& of) { return of.client.library_name; }},
    {"lib-ver", [](const Subject& of) { return of.client.library_version; }},
    {"tot-net-in", [](const Subject& of) { return number(of.client.received_bytes.load()); }},
    {"tot-net-out", [](const Subject& of) { return number(of.client.sent_bytes.load()); }},
    {"tot-cmds", [](const Subject& of) { return number(of.client.commands.load()); }},
};

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
}

}  // namespace

ClientLine::ClientLine() : fields_(read(kUsualLine)) {}

std::vector<ClientLine::Field> ClientLine::read(std::string_view line) {
  std::vector<Field> fields;
  while (!line.empty()) {
    const std::string_view word = line.substr(0, line.find(' '));
    line.remove_prefix(std::min(word.size() + 1, line.size()));
    const size_t sign = word.find('=');
    if (sign == 0 || sign == std::string_view::npos) return {};
    const std::string_view value = word.substr(sign + 1);
    fields.push_back({std::string(word.substr(0, sign)),
                      is_number(value) ? std::string("0") : std::string(value)});
  }
  return fields;
}

Result<ClientLine> ClientLine::learn(std::string_view reply) {
  const Error strange(ErrorClass::kInvalid, "its answer to CLIENT INFO is not a client's line");
  const size_t begin = reply.find("\r\n");
  const size_t end = reply.find('\n', begin == std::string_view::npos ? 0 : begin + 2);
  if (begin == std::string_view::npos || end == std::string_view::npos) return strange;
  std::string_view line = reply.substr(begin + 2, end - begin - 2);
  if (reply.starts_with('=') && line.starts_with("txt:")) line.remove_prefix(4);
  std::vector<Field> fields = read(line);
  if (fields.empty() || fields.front().name != "id") return strange;
  // CLIENT SETINFO is taken whether the server knows it or not, and what it says is shown.
  for (const std::string_view ours : {"lib-name", "lib-ver"}) {
    const bool there = std::any_of(fields.begin(), fields.end(),
                                   [&](const Field& field) { return field.name == ours; });
    if (!there) fields.push_back({std::string(ours), ""});
  }
  return ClientLine(std::move(fields));
}

std::string ClientLine::of(const Client& client, std::string_view command, int64_t now_us) const {
  const Subject subject{client, command, now_us};
  std::string line;
  for (const Field& field : fields_) {
    const auto* source = std::find_if(std::begin(kSources), std::end(kSources),
                                      [&](const Source& one) { return one.name == field.name; });
    if (!line.empty()) line += ' ';
    line += field.name + '=';
    line += source == std::end(kSources) ? field.otherwise : source->value(subject);
  }
  return line + '\n';
}

}  // namespace sluice::proxy::front
