// toml++ with the settings that all of the program reads TOML with. Every file that includes it
// must have the same ones, since its functions are inline.
#pragma once

// toml++ 3.3 reports errors as values when built without exceptions of its own.
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
// Its assertions fire on files that are merely wrong, "[@x]" among them, just before the code that
// reports the error.
#define TOML_ASSERT(condition) static_cast<void>(0)
#include <toml++/toml.h>
