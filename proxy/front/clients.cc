#include "proxy/front/clients.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <iterator>

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

void LastCommand::set(std::string_view name, std::string_view argument) {
  store(name_, name);
  store(argument_, argument);
}

std::string LastCommand::text(const std::set<std::string, std::less<>>& containers) const {
  const std::string name = load(name_);
  if (name.empty()) return "NULL";
  const std::string argument = load(argument_);
  return !argument.empty() && containers.contains(name) ? name + "|" + argument : name;
}

void LastCommand::store(Field& field, std::string_view text) {
  std::array<uint64_t, kWords> words{};
  text.copy(reinterpret_cast<char*>(words.data()), sizeof(words));
  for (size_t i = 0; i < kWords; ++i) field[i].store(words[i], std::memory_order_relaxed);
}

// What a client wrote, so nothing but what names are made of: a line of CLIENT LIST stays a line.
std::string LastCommand::load(const Field& field) {
  std::string text;
  for (const auto& part : field) {
    const uint64_t word = part.load(std::memory_order_relaxed);
    char bytes[sizeof(word)];
    std::memcpy(bytes, &word, sizeof(word));
    for (const char c : bytes) {
      if (c == 0) return text;
      const bool plain = std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' ||
                         c == '_';
      text += plain ? static_cast<char>(std::tolower(static_cast<unsigned char>(c))) : '?';
    }
  }
  return text;
}

std::string shown_flags(const Client& client) {
  std::string flags(1, client.flag.load());
  if (client.no_evict.load()) flags += 'e';
  return flags;
}

ClientNames Clients::names(const Client& client) const {
  std::lock_guard lock(mutex_);
  return {client.name, client.user, client.library_name, client.library_version};
}

void Clients::describe_like(ClientLine line) {
  std::lock_guard lock(mutex_);
  line_ = std::move(line);
}

void Clients::know_containers(std::set<std::string, std::less<>> names) {
  std::lock_guard lock(mutex_);
  containers_ = std::move(names);
}

std::string Clients::line(const Client& client, int64_t now_us) const {
  std::lock_guard lock(mutex_);
  return line_.of(client, client.last_command.text(containers_), now_us);
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
