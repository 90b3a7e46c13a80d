#include "proxy/front/clients.h"

namespace sluice::proxy::front {

int64_t Clients::add(const ClientPtr& client) {
  std::lock_guard lock(mutex_);
  client->id = ++last_id_;
  clients_.emplace(client->id, client);
  return count_.fetch_add(1, std::memory_order_relaxed);
}

void Clients::remove(const Client& client) {
  std::lock_guard lock(mutex_);
  if (clients_.erase(client.id) > 0) count_.fetch_sub(1, std::memory_order_relaxed);
}

void Clients::set_name(Client& client, std::string_view name) {
  std::lock_guard lock(mutex_);
  client.name = std::string(name);  // a shorter one gives back what a longer one took
}

std::string Clients::name(const Client& client) const {
  std::lock_guard lock(mutex_);
  return client.name;
}

void Clients::set_user(Client& client, std::string_view name) {
  std::lock_guard lock(mutex_);
  client.user = name;
}

std::string Clients::user(const Client& client) const {
  std::lock_guard lock(mutex_);
  return client.user;
}

bool Clients::user_exists(std::string_view name) const {
  return known_ ? known_(name) : name == "default";
}

void Clients::set_library(Client& client, bool version, std::string_view value) {
  std::lock_guard lock(mutex_);
  (version ? client.library_version : client.library_name) = std::string(value);
}

std::string Clients::line(const Client& client, int64_t now_us) const {
  std::lock_guard lock(mutex_);
  std::string line = "id=" + std::to_string(client.id) + " addr=" + client.address +
                     " laddr=" + client.local_address + " fd=" + std::to_string(client.fd) +
                     " name=" + client.name;
  line += " age=" + std::to_string((now_us - client.connected_us) / 1'000'000);
  line += " idle=" + std::to_string((now_us - client.active_us.load()) / 1'000'000);
  line += std::string(" flags=") + client.flag.load();
  if (client.no_evict.load()) line += 'e';
  line += " db=" + std::to_string(client.database.load());
  line += std::string(" multi=") + (client.flag.load() == 'x' ? "0" : "-1");
  line += " user=" + client.user + " redir=" + std::to_string(client.redirect.load()) +
          " resp=" + std::to_string(client.protocol.load());
  line += " lib-name=" + client.library_name + " lib-ver=" + client.library_version;
  line += "\n";
  return line;
}

ClientPtr Clients::find(int64_t id) const {
  std::lock_guard lock(mutex_);
  const auto found = clients_.find(id);
  return found == clients_.end() ? nullptr : found->second;
}

std::vector<ClientPtr> Clients::all() const {
  std::lock_guard lock(mutex_);
  std::vector<ClientPtr> clients;
  clients.reserve(clients_.size());
  for (const auto& [id, client] : clients_) clients.push_back(client);
  return clients;
}

}  // namespace sluice::proxy::front
