// HELLO, AUTH, CLIENT and CONFIG sluice.*: the commands that speak of the client's own connection
// to the proxy, or of the proxy. What is wrong with them the server behind says, which has been
// asked before (front/client_inquiry.h). No sockets.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proxy/front/client_inquiry.h"
#include "proxy/front/clients.h"
#include "proxy/front/live_config.h"
#include "proxy/front/server_hello.h"

namespace sluice::proxy::front {

struct LocalReply {
  // Where the command is answered.
  enum class Place {
    kHere,      // `bytes` is the reply
    kForward,   // Redis answers, as any other command
  } place = Place::kHere;
  std::string bytes;
  bool close = false;  // the client killed itself: close after the reply
};

// How a client becomes a user.
class LoginPort {
 public:
  // "" if that went well, else the text of the error.
  virtual std::string log_in(std::string_view name, std::string_view password) = 0;
  virtual bool authenticated() const = 0;
  virtual bool default_needs_password() const = 0;

 protected:
  ~LoginPort() = default;
};

// Views into the command.
struct HelloRequest {
  int protocol = 2;
  std::optional<std::string_view> user, name;
  std::string_view password;
};
// Nothing: the form is wrong, and the server is to refuse it (hello_inquiry()). `protocol` is the
// client's until now.
std::optional<HelloRequest> parse_hello(Args args, int protocol);
// `login` is null if no users are configured: then there is the default user, who needs no
// password; `before_login` is the error of a client that has not said who it is. Changes
// client.protocol.
std::string hello(const HelloRequest& request, Client& client, Clients& clients,
                  const ServerHello& server, LoginPort* login = nullptr,
                  std::string_view before_login = {});
// At most three arguments.
std::string auth(Args args, LoginPort* login);

// Who runs a CLIENT subcommand.
enum class ClientPlace {
  kHere,      // client_command()
  kReply,     // the session: CLIENT REPLY
  kPause,     // the session: PAUSE and UNPAUSE
  kUnblock,   // the session of the client that is unblocked
  kTracking,  // Redis, and it leaves state on the connection
  kRedis,     // Redis, as any other command
  kWrong,     // nobody: Redis says that the number of arguments is wrong
  kUnknown,   // Redis, if it is newer than the proxy
};
ClientPlace client_place(Args args);
// A subcommand that is answered kHere. `server` is what the server said to client_inquiry(), no
// error but one: to CLIENT KILL address, the one that is due if there is no such client.
LocalReply client_command(Args args, std::string_view server, Client& client, Clients& clients);
// CONFIG GET and SET whose every name begins with "sluice."; anything else is for Redis.
// Whether config_command() answers it.
bool for_sluice(Args args);
LocalReply config_command(Args args, LiveConfig& config, int protocol);

std::string error_line(std::string_view text);        // "-text"
std::string wrong_arity(std::string_view command);  // "-ERR wrong number of arguments for '…' …"

}  // namespace sluice::proxy::front
