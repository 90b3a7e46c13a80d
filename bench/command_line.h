// The options of every scenario.
#pragma once

#include <CLI/CLI.hpp>

namespace sluice::bench {

// One subcommand a scenario. The one that is chosen runs at the end of app.parse(), and leaves its
// exit code in `code`, which must live as long as `app`.
void add_scenarios(CLI::App& app, int& code);

}  // namespace sluice::bench
