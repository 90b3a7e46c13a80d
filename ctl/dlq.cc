// `sluice-ctl dlq list | show | retry | drop`: the orders that MySQL refused.
//
// list, show and drop work on sluice_dead_letter; retry asks the flusher, which does it as it does
// it for POST /dlq/retry.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <iostream>

#include "base/clock.h"
#include "base/command_line.h"
#include "base/decimal.h"
#include "base/file.h"
#include "base/secret.h"
#include "ctl/commands.h"
#include "ctl/config_file.h"
#include "http/server.h"
#include "sql/config.h"
#include "sql/connection.h"

namespace sluice::ctl {
namespace {

using base::invalid;

constexpr const char* kColumns =
    "journal_id, sequence, order_id, item_id, user_id, error_code, error,"
    " CAST(record AS CHAR), created_at, status, changed_at";
enum Column {
  kJournal,
  kSequence,
  kOrder,
  kItem,
  kUser,
  kCode,
  kError,
  kRecord,
  kSince,
  kStatus,
  kChanged
};
constexpr size_t kShownBytes = 60;

struct DlqArguments {
  std::string config, keep;
  std::vector<std::string> sets, orders;
  int64_t limit = 100;
  bool all = false, yes = false, json = false;
};

Result<base::Config> read(const DlqArguments& arguments) {
  auto overrides = base::parse_overrides(arguments.sets);
  if (!overrides) return invalid(overrides.error().message() + ": write KEY=VALUE");
  return read_config(flusher_keys(), arguments.config, *overrides);
}

Status connect(const DlqArguments& arguments, sql::Connection& connection) {
  const auto config = read(arguments);
  if (!config) return config.error();
  const auto mysql = sql::connect_options(*config);
  if (!mysql) return mysql.error().at(arguments.config);
  if (const auto failure = connection.connect(*mysql)) return failure->error();
  return {};
}

// The WHERE clause of the orders that are meant.
Result<std::string> chosen(const std::vector<std::string>& orders) {
  if (orders.empty()) return std::string();
  std::string ids;
  for (const std::string& order : orders) {
    uint64_t id = 0;
    if (!base::parse_decimal(order, id)) return invalid("\"" + order + "\" is no order id");
    ids += (ids.empty() ? "" : ",") + std::to_string(id);
  }
  return " WHERE order_id IN (" + ids + ")";
}

Result<std::vector<sql::Row>> query(sql::Connection& connection, const std::string& rest) {
  std::vector<sql::Row> rows;
  const auto failure =
      connection.query("SELECT " + std::string(kColumns) + " FROM sluice_dead_letter" + rest, rows);
  if (failure) return failure->error();
  return rows;
}

std::string text(const sql::Row& row, Column column) { return row[column].value_or("-"); }

// " (paid)": what became of the order meanwhile; "": nothing.
std::string fate(const sql::Row& row) {
  return row[kStatus] == "placed" ? "" : " (" + text(row, kStatus) + ")";
}

void print_json(std::span<const sql::Row> rows) {
  boost::json::array letters;
  for (const sql::Row& row : rows) {
    letters.push_back(boost::json::object{{"journal_id", text(row, kJournal)},
                                          {"sequence", text(row, kSequence)},
                                          {"order_id", text(row, kOrder)},
                                          {"item", text(row, kItem)},
                                          {"user", text(row, kUser)},
                                          {"since", text(row, kSince)},
                                          {"error_code", text(row, kCode)},
                                          {"error", text(row, kError)},
                                          {"status", text(row, kStatus)}});
  }
  const boost::json::object object{{"dead_letters", letters}};
  std::printf("%s\n", boost::json::serialize(object).c_str());
}

Status list(const DlqArguments& arguments) {
  sql::Connection connection;
  SLUICE_TRY(connect(arguments, connection));
  const auto rows = query(
      connection, " ORDER BY journal_id, sequence LIMIT " + std::to_string(arguments.limit + 1));
  if (!rows) return rows.error();
  const size_t shown = std::min(rows->size(), static_cast<size_t>(arguments.limit));
  if (arguments.json) {
    print_json(std::span(*rows).first(shown));
    return {};
  }
  if (rows->empty()) {
    std::printf("no dead letters\n");
    return {};
  }
  constexpr const char* kRow = "%-20s %-16s %-16s %-23s %-6s %s\n";
  std::printf(kRow, "order", "item", "user", "since (UTC)", "error", "");
  for (const sql::Row& row : std::span(*rows).first(shown)) {
    std::printf(kRow, text(row, kOrder).c_str(), text(row, kItem).c_str(), text(row, kUser).c_str(),
                text(row, kSince).c_str(), text(row, kCode).c_str(),
                (text(row, kError).substr(0, kShownBytes) + fate(row)).c_str());
  }
  if (rows->size() > shown) std::printf("… and more: --limit\n");
  return {};
}

Status show(const DlqArguments& arguments) {
  sql::Connection connection;
  SLUICE_TRY(connect(arguments, connection));
  const auto where = chosen(arguments.orders);
  if (!where) return where.error();
  const auto rows = query(connection, *where + " ORDER BY journal_id, sequence");
  if (!rows) return rows.error();
  for (const sql::Row& row : *rows) {
    std::printf(
        "order      %s\nitem       %s\nuser       %s\njournal    %s, record %s\n"
        "refused    %s UTC\nstatus     %s, since %s\nerror      %s: %s\nrecord     %s\n\n",
        text(row, kOrder).c_str(), text(row, kItem).c_str(), text(row, kUser).c_str(),
        text(row, kJournal).c_str(), text(row, kSequence).c_str(), text(row, kSince).c_str(),
        text(row, kStatus).c_str(), text(row, kChanged).c_str(), text(row, kCode).c_str(),
        text(row, kError).c_str(), text(row, kRecord).c_str());
  }
  if (!rows->empty()) return {};
  return Error(ErrorClass::kNotFound, "none of these orders is a dead letter");
}

Status retry(const DlqArguments& arguments) {
  const auto config = read(arguments);
  if (!config) return config.error();
  const std::string url = "http://" + config->string("admin.address");
  const auto token = base::read_secret("admin.token_file", config->string("admin.token_file"));
  if (!token) return token.error();
  const auto response = http::fetch("POST", url, "/dlq/retry", *token, 60'000);
  if (!response) {
    return Error(ErrorClass::kUnavailable,
                 "the flusher at " + url +
                     " (admin.address) does not answer: " + response.error().message());
  }
  std::printf("%s", response->body.c_str());
  if (response->status == 200) return {};
  return Error(ErrorClass::kUnavailable,
               "the flusher answered " + std::to_string(response->status));
}

// Appends them as they were, durably, before they go.
Status keep(const std::string& path, const std::vector<sql::Row>& rows) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return Error(ErrorClass::kIo, path + " cannot be written to");
  std::string lines;
  for (const sql::Row& row : rows) {
    lines += "{\"journal_id\":\"" + text(row, kJournal) + "\",\"error_code\":" + text(row, kCode) +
             ",\"record\":" + text(row, kRecord) + "}\n";
  }
  const bool good =
      ::write(file, lines.data(), lines.size()) == static_cast<ssize_t>(lines.size()) &&
      ::fsync(file) == 0;
  ::close(file);
  if (good) return {};
  return Error(ErrorClass::kIo, path + " cannot be written to");
}

bool agreed(size_t count, const std::string& path) {
  std::printf(
      "%zu orders are dropped: they will never be rows of MySQL. They are kept in %s.\n"
      "Type yes to go on: ",
      count, path.c_str());
  std::fflush(stdout);
  std::string answer;
  return std::getline(std::cin, answer) && answer == "yes";
}

Status drop(const DlqArguments& arguments) {
  if (arguments.all != arguments.orders.empty()) return invalid("give order ids, or --all");
  const auto where = chosen(arguments.orders);
  if (!where) return where.error();
  sql::Connection connection;
  SLUICE_TRY(connect(arguments, connection));
  // Locked, so that none is dropped that is not kept.
  const auto rows = query(connection, *where + " ORDER BY journal_id, sequence FOR UPDATE");
  if (!rows) return rows.error();
  if (rows->empty()) return Error(ErrorClass::kNotFound, "none of these orders is a dead letter");
  const std::string path = arguments.keep.empty()
                               ? "dropped-" + std::to_string(base::wall_ms()) + ".jsonl"
                               : arguments.keep;
  if (!arguments.yes && !agreed(rows->size(), path)) {
    return Error(ErrorClass::kUnavailable, "nothing was dropped");
  }
  SLUICE_TRY(keep(path, *rows));
  for (const sql::Row& row : *rows) {
    const auto failure =
        connection.exec("DELETE FROM sluice_dead_letter WHERE journal_id = " + text(row, kJournal) +
                        " AND sequence = " + text(row, kSequence));
    if (failure) return failure->error();
  }
  if (const auto failure = connection.exec("COMMIT")) return failure->error();
  std::printf("%zu orders dropped, kept in %s\n", rows->size(), path.c_str());
  return {};
}

int end(const char* verb, const Status& done) {
  if (done) return kDone;
  std::fprintf(stderr, "sluice-ctl dlq %s: %s\n", verb, done.error().message().c_str());
  return done.error().cls() == ErrorClass::kInvalid ? kBadArguments : kFailed;
}

base::CommandLine& add(base::CommandLine& line, const char* verb, const char* about,
                       const std::shared_ptr<DlqArguments>& arguments,
                       Status (*work)(const DlqArguments&)) {
  base::CommandLine& command = line.command(verb, about);
  command.option("--config", &arguments->config, "a flusher's file").required();
  command.option("--set", &arguments->sets, "override a key of it; repeatable")
      .type_name("KEY=VALUE")
      .one_value_each();
  command.does([arguments, verb, work] { return end(verb, work(*arguments)); });
  return command;
}

}  // namespace

int dlq_command(std::span<const std::string> args) {
  base::CommandLine line("The orders that MySQL refused.", "sluice-ctl dlq");
  const auto arguments = std::make_shared<DlqArguments>();
  base::CommandLine& listing = add(line, "list", "print them, the oldest first", arguments, list);
  listing.option("--limit", &arguments->limit, "how many, at most (100)");
  listing.flag("--json", &arguments->json, "print one JSON object");
  add(line, "show", "print all that is known of some", arguments, show)
      .option("ORDER", &arguments->orders, "order ids")
      .required();
  add(line, "retry", "have the flusher put all in that MySQL takes now", arguments, retry);
  base::CommandLine& dropping =
      add(line, "drop", "give some up for good; what they were is kept in a file", arguments, drop);
  dropping.option("ORDER", &arguments->orders, "order ids");
  dropping.flag("--all", &arguments->all, "all there are");
  dropping.flag("--yes", &arguments->yes, "do not ask");
  dropping.option("--keep", &arguments->keep, "the file they are appended to (dropped-….jsonl)");
  return line.run(args);
}

}  // namespace sluice::ctl
