#include "proxy/upstream/command_catalog.h"

#include <algorithm>
#include <utility>

#include "proxy/upstream/reply_value.h"
#include "resp/names.h"

namespace sluice::proxy::upstream {
namespace {

constexpr size_t kNameMax = 128;

void read_flags(const ReplyValue& flags, KeySpec& spec) {
  spec.reads = flags.has("access");
  spec.writes = flags.has("insert") || flags.has("update") || flags.has("delete");
  spec.is_key = !flags.has("not_key");
  spec.incomplete = flags.has("incomplete");
  spec.variable_flags = flags.has("variable_flags");
}

KeySpec read_key_spec(const ReplyValue& value) {
  KeySpec spec;
  if (const ReplyValue* flags = value.field("flags")) read_flags(*flags, spec);
  const ReplyValue* begin = value.field("begin_search");
  const ReplyValue* find = value.field("find_keys");
  if (begin == nullptr || find == nullptr) return spec;
  const ReplyValue* begin_spec = begin->field("spec");
  const ReplyValue* find_spec = find->field("spec");
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
  bool add(const ReplyValue& value, bool is_subcommand) {
    const auto& fields = value.elements;
    if (fields.size() < 6 || fields[0].text.empty() || fields[0].text.size() > kNameMax)
      return false;
    const size_t index = catalog_.commands_.size();
    CommandInfo command;
    command.shown = fields[0].text;
    command.name = resp::lower(command.shown);
    if (is_subcommand && command.name.find('|') == command.name.npos) return false;
    command.arity = fields[1].integer;
    command.no_auth = fields[2].has("no_auth");
    command.movable_keys = fields[2].has("movablekeys");
    command.may_write = fields[2].has("write") || fields[2].has("may_replicate");
    command.blocks = fields[2].has("blocking");
    if (fields.size() > 6) {
      for (const ReplyValue& category : fields[6].elements)
        command.categories.push_back(
            resp::lower(category.text.substr(category.text.starts_with('@') ? 1 : 0)));
    }
    if (fields.size() > 8) {
      for (const ReplyValue& spec : fields[8].elements) command.keys.push_back(read_key_spec(spec));
    } else if (fields[3].integer > 0 && !command.movable_keys) {
      command.keys.push_back(range_spec(fields[3].integer, fields[4].integer, fields[5].integer));
    }
    catalog_.categories_.insert(command.categories.begin(), command.categories.end());
    catalog_.by_name_.emplace(command.name, index);
    catalog_.commands_.push_back(std::move(command));
    if (fields.size() <= 9 || is_subcommand) return true;
    for (const ReplyValue& sub : fields[9].elements) {
      catalog_.commands_[index].subcommands.push_back(catalog_.commands_.size());
      if (!add(sub, true)) return false;
    }
    return true;
  }

 private:
  CommandCatalog& catalog_;
};

Result<CommandCatalog> CommandCatalog::parse(std::string_view reply) {
  ReplyValue list;
  CommandCatalog catalog;
  CatalogReader reader(catalog);
  bool good = read_value(reply, list) && list.type == '*' && !list.elements.empty();
  for (size_t i = 0; good && i < list.elements.size(); ++i)
    good = list.elements[i].type == '*' && reader.add(list.elements[i], false);
  if (list.type == '-') return Error(ErrorClass::kRefused, std::string(list.text));
  if (!good) return Error(ErrorClass::kInvalid, "its reply to COMMAND is not a list of commands");
  return catalog;
}

void CommandCatalog::know_users(ServerUsers users) {
  users_ = std::move(users);
  categories_.insert(users_.categories.begin(), users_.categories.end());
}

bool CommandCatalog::has_category(std::string_view name) const {
  return categories_.find(name) != categories_.end();
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
  if (pipe_ != nullptr) return;
  step_ = 0;
  users_ = ServerUsers();
  pipe_ = &pipe;
  ask("*1\r\n$7\r\nCOMMAND\r\n");
}

// One question after the other: the answer to an earlier one may make the others pointless.
void CatalogLoader::ask(std::string_view command) {
  reply_.clear();
  if (!pipe_->forward(command, 1, *this, false)) pipe_ = nullptr;
}

void CatalogLoader::reply_bytes(std::string_view bytes, size_t replies) {
  if (reply_.size() + bytes.size() <= CommandCatalog::kReplyBytesMax) reply_.append(bytes);
  if (replies == 0) return;
  if (const Status taken = take_reply(); !taken) return end(taken.error());
  const auto questions = questions_about_users();
  if (step_ < questions.size()) return ask(questions[step_++]);
  catalog_->know_users(std::move(users_));
  end(CatalogPtr(std::move(catalog_)));
}

// Of the questions about users any may be refused. But "-BUSY", "-LOADING" and the like refuse all
// of them, and only for now.
Status CatalogLoader::take_reply() {
  if (step_ == 0) {
    auto catalog = CommandCatalog::parse(reply_);
    if (!catalog) return catalog.error();
    catalog_ = std::make_shared<CommandCatalog>(*std::move(catalog));
    return {};
  }
  const std::string_view reply = reply_;
  if (reply.starts_with('-') && !reply.starts_with("-ERR ") && !reply.starts_with("-NOPERM "))
    return Error(ErrorClass::kRefused, std::string(reply.substr(1, reply.find("\r\n") - 1)));
  take_answer(users_, step_ - 1, reply);
  return {};
}

void CatalogLoader::end(Result<CatalogPtr> outcome) {
  pipe_ = nullptr;
  catalog_.reset();
  std::string().swap(reply_);
  loaded_(std::move(outcome));
}

// The pipe reconnects, and asks again then.
void CatalogLoader::replies_lost(size_t replies, bool begun, std::string_view error) {
  static_cast<void>(replies);
  static_cast<void>(begun);
  static_cast<void>(error);
  reply_.clear();
  catalog_.reset();
  pipe_ = nullptr;
}

}  // namespace sluice::proxy::upstream
