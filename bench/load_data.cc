#include "bench/load_data.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>

#include "base/clock.h"

namespace sluice::bench {
namespace {

Status write_rows(const LoadDataOptions& options, const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "wxe");
  if (file == nullptr) return base::errno_error(errno, path);
  ::fchmod(::fileno(file), 0644);  // the server may run as another user
  for (uint64_t i = 0; i < options.rows; ++i) {
    std::fprintf(file,
                 "%" PRIu64 ",%s,u%09" PRIu64 ",1,placed,r%09" PRIu64
                 "-0000,2026-01-01 00:00:00.000,2026-01-01 00:00:00.000\n",
                 options.first_order_id + i, options.item.c_str(), i, i);
  }
  const bool whole = std::ferror(file) == 0;
  if (std::fclose(file) != 0 || !whole) return base::errno_error(errno, path);
  return {};
}

Result<double> load(const LoadDataOptions& options, const std::string& path) {
  sql::Connection connection;
  if (const auto failure = connection.connect(options.database)) return failure->error();
  std::string statement = "LOAD DATA INFILE ";
  sql::append_quoted(statement, path);
  statement +=
      " INTO TABLE orders CHARACTER SET ascii FIELDS TERMINATED BY ',' LINES TERMINATED BY '\\n' "
      "(order_id, item_id, user_id, quantity, status, request_id, created_at, updated_at)";
  const int64_t start_us = base::monotonic_us();
  if (const auto failure = connection.exec(statement)) return failure->error();
  if (const auto failure = connection.exec("COMMIT")) return failure->error();
  return static_cast<double>(options.rows) * 1e6 /
         static_cast<double>(base::monotonic_us() - start_us);
}

}  // namespace

Result<double> run_load_data(const LoadDataOptions& options) {
  const std::string path = options.folder + "/" + options.item + ".csv";
  const Status written = write_rows(options, path);
  auto rate = written ? load(options, path) : Result<double>(written.error());
  ::unlink(path.c_str());
  return rate;
}

}  // namespace sluice::bench
