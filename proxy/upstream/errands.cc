#include "proxy/upstream/errands.h"

#include <utility>

#include "resp/writer.h"

namespace sluice::proxy::upstream {

bool Errands::send(Pipe& pipe, std::span<const std::string_view> args, Handler handler) {
  const auto place = errands_.emplace(errands_.end(), *this, std::move(handler));
  place->place = place;
  std::string command;
  resp::append_command(command, args);
  if (pipe.forward(command, 1, *place, false)) return true;
  errands_.erase(place);
  return false;
}

void Errands::Errand::reply_bytes(std::string_view bytes, size_t replies) {
  reply_.append(bytes);
  if (replies > 0) end(reply_);
}

void Errands::Errand::replies_too_deep(size_t replies) {
  if (replies > 0) end("-ERR Sluice: the reply is nested too deeply\r\n");
}

void Errands::Errand::replies_lost(size_t, bool, std::string_view error) { end(error); }

// The errand does not outlive this.
void Errands::Errand::end(std::string_view reply) {
  std::list<Errand> self;
  self.splice(self.begin(), owner_.errands_, place);
  handler_(reply);
}

}  // namespace sluice::proxy::upstream
