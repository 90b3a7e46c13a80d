#include "proxy/upstream/command_catalog.h"

#include <algorithm>
#include <utility>

#include "resp/names.h"
#include "resp/request_parser.h"

namespace sluice::proxy::upstream {
namespace {

constexpr size_t kDepthMax = 16;
constexpr size_t kNameMax = 128;

// One RESP2 value; of an array its elements.
struct Value {
  char type = 0;
  int64_t integer = 0;
  std::string_view text;
  std::vector<Value> elements;

  const Value* field(std::string_view name) const {  // of an array of names and values
    for (size_t i = 0; i + 1 < elements.size(); i += 2) {
      if (elements[i].text == name) return &elements[i + 1];
    }
    return nullptr;
  }
  int64_t number(std::string_view name) const {
    const Value* value = field(name);
    return value == nullptr ? 0 : value->integer;
  }
  std::string_view word(std::string_view name) const {
    const Value* value = field(name);
    return value == nullptr ? std::string_view() : value->text;
  }
};

bool read_value(std::string_view& rest, Value& value, size_t depth) {
  const size_t end = rest.find("\r\n");
  if (end == rest.npos || end < 1 || depth > kDepthMax) return false;
  value.type = rest[0];
  const std::string_view line = rest.substr(1, end - 1);
  rest.remove_prefix(end + 2);
  if (value.type == '+' || value.type == '-') {
    value.text = line;
    return true;
  }
  if (!resp::parse_strict_integer(line, value.integer)) return false;
  if (value.type == ':' || value.integer == -1) return true;
  if (value.integer < 0) return false;
  const auto size = static_cast<size_t>(value.integer);
  if (value.type == '$') {
    if (rest.size() < size || rest.size() - size < 2) return false;
    value.text = rest.substr(0, size);
    rest.remove_prefix(size + 2);
    return true;
  }
  if (value.type != '*') return false;
  for (size_t i = 0; i < size; ++i) {
    if (!read_value(rest, value.elements.emplace_back(), depth + 1)) return false;
  }
  return true;
}

bool has(const Value& array, std::string_view word) {
  return std::any_of(array.elements.begin(), array.elements.end(), [&](const Value& element) {
    return resp::equals_ignoring_case(element.text, word);
  });
}

void read_flags(const Value& flags, KeySpec& spec) {
  spec.reads = has(flags, "access");
  spec.writes = has(flags, "insert") || has(flags, "update") || has(flags, "delete");
  spec.is_key = !has(flags, "not_key");
  spec.incomplete = has(flags, "incomplete");
  spec.variable_flags = has(flags, "variable_flags");
}

KeySpec read_key_spec(const Value& value) {
  KeySpec spec;
  if (const Value* flags = value.field("flags")) read_flags(*flags, spec);
  const Value* begin = value.field("begin_search");
  const Value* find = value.field("find_keys");
  if (begin == nullptr || find == nullptr) return spec;
  const Value* begin_spec = begin->field("spec");
  const Value* find_spec = find->field("spec");
  if (begin_spec == nullptr || find_spec == nullptr) return spec;
  if (begin->word("type") == "index") {
    spec.begin = KeySpec::Begin::kIndex;
    spec.index = begin_spec->number("index");
  } else if (begin->word("type") == "keyword") {
    spec.begin = KeySpec::Begin::kKeyword;
    spec.keyword = begin_spec->word("keyword");
    spec.start_from = begin_spec->number("startfrom");
  }
  if (find->word("type") == "range") {
    spec.find = KeySpec::Find::kRange;
    spec.last_key = find_spec->number("lastkey");
    spec.limit = find_spec->number("limit");
  } else if (find->word("type") == "keynum") {
    spec.find = KeySpec::Find::kKeyNum;
    spec.key_num_index = find_spec->number("keynumidx");
    spec.first_key = find_spec->number("firstkey");
  }
  spec.step = std::max<int64_t>(find_spec->number("keystep"), 1);
  return spec;
}

// Redis before 7.0 tells only first, last and step: taken as keys that are read and written. Where
// they move, that is not enough, and nothing is told.
KeySpec range_spec(int64_t first, int64_t last, int64_t step) {
  KeySpec spec;
  spec.begin = KeySpec::Begin::kIndex;
  spec.find = KeySpec::Find::kRange;
  spec.index = first;
  spec.last_key = last < 0 ? last : last - first;
  spec.step = std::max<int64_t>(step, 1);
  spec.reads = spec.writes = true;
  return spec;
}

}  // namespace

class CatalogReader {
 public:
  explicit CatalogReader(CommandCatalog& catalog) : catalog_(catalog) {}

  // name, arity, flags, first key, last key, step, categories, tips, key specs, subcommands
  bool add(const Value& value, bool is_subcommand) {
    const auto& fields = value.elements;
    if (fields.size() < 6 || fields[0].text.empty() || fields[0].text.size() > kNameMax)
      return false;
    const size_t index = catalog_.commands_.size();
    CommandInfo command;
    command.name = resp::lower(fields[0].text);
    if (is_subcommand && command.name.find('|') == command.name.npos) return false;
    command.arity = fields[1].integer;
    command.no_auth = has(fields[2], "no_auth");
    command.movable_keys = has(fields[2], "movablekeys");
    command.may_write = has(fields[2], "write") || has(fields[2], "may_replicate");
    command.blocks = has(fields[2], "blocking");
    if (fields.size() > 6) {
      for (const Value& category : fields[6].elements)
        command.categories.push_back(
            resp::lower(category.text.substr(category.text.starts_with('@') ? 1 : 0)));
    }
    if (fields.size() > 8) {
      for (const Value& spec : fields[8].elements) command.keys.push_back(read_key_spec(spec));
    } else if (fields[3].integer > 0 && !command.movable_keys) {
      command.keys.push_back(range_spec(fields[3].integer, fields[4].integer, fields[5].integer));
    }
    catalog_.by_name_.emplace(command.name, index);
    catalog_.commands_.push_back(std::move(command));
    if (fields.size() <= 9 || is_subcommand) return true;
    for (const Value& sub : fields[9].elements) {
      catalog_.commands_[index].subcommands.push_back(catalog_.commands_.size());
      if (!add(sub, true)) return false;
    }
    return true;
  }

 private:
  CommandCatalog& catalog_;
};

Result<CommandCatalog> CommandCatalog::parse(std::string_view reply) {
  Value list;
  CommandCatalog catalog;
  CatalogReader reader(catalog);
  bool good = read_value(reply, list, 0) && list.type == '*' && !list.elements.empty();
  for (size_t i = 0; good && i < list.elements.size(); ++i)
    good = list.elements[i].type == '*' && reader.add(list.elements[i], false);
  if (list.type == '-') return Error(ErrorClass::kRefused, std::string(list.text));
  if (!good) return Error(ErrorClass::kInvalid, "its reply to COMMAND is not a list of commands");
  return catalog;
}

const CommandInfo* CommandCatalog::find(std::string_view full_name) const {
  const auto found = by_name_.find(resp::lower(full_name.substr(0, 2 * kNameMax)));
  return found == by_name_.end() ? nullptr : &commands_[found->second];
}

const CommandInfo* CommandCatalog::lookup(std::span<const std::string_view> args) const {
  const CommandInfo* command = args.empty() ? nullptr : find(args[0]);
  // "config|get" as a command's name is no command.
  if (command == nullptr || args[0].find('|') != args[0].npos) return nullptr;
  if (args.size() == 1 || command->subcommands.empty()) return command;
  for (const size_t index : command->subcommands) {
    const std::string_view name = commands_[index].name;
    if (resp::equals_ignoring_case(name.substr(name.find('|') + 1), args[1]))
      return &commands_[index];
  }
  return nullptr;
}

void CatalogLoader::load(Pipe& pipe) {
  if (loading_) return;
  reply_.clear();
  loading_ = pipe.forward("*1\r\n$7\r\nCOMMAND\r\n", 1, *this, false);
}

void CatalogLoader::reply_bytes(std::string_view bytes, size_t replies) {
  if (reply_.size() + bytes.size() <= CommandCatalog::kReplyBytesMax) reply_.append(bytes);
  if (replies == 0) return;
  loading_ = false;
  auto catalog = CommandCatalog::parse(reply_);
  std::string().swap(reply_);
  if (!catalog) return loaded_(catalog.error());
  loaded_(CatalogPtr(std::make_shared<CommandCatalog>(*std::move(catalog))));
}

// The pipe reconnects, and asks again then.
void CatalogLoader::replies_lost(size_t replies, bool begun, std::string_view error) {
  static_cast<void>(replies);
  static_cast<void>(begun);
  static_cast<void>(error);
  reply_.clear();
  loading_ = false;
}

}  // namespace sluice::proxy::upstream
