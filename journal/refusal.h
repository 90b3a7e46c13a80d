// A flusher's word to the proxy of the same folder, in the file `refused`: what it refuses to
// drain, and why.
//
// A flusher that finds that MySQL knows another history of the journal ends with exit code 3; what
// the proxy would go on selling could never be drained as it was told. So the reason stays in the
// folder, also for a proxy that starts later, until a flusher has passed its checks.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/file.h"

namespace sluice::journal {

inline constexpr std::string_view kRefusalName = "refused";

// "": no flusher refuses it any more. Durable when it returns. kNotFound: there is no such folder.
Status set_refusal(const std::string& dir, base::FileSystem& fs, const std::string& why);
// "": none. One that cannot be read is one, too.
std::string refusal(const std::string& dir, base::FileSystem& fs);

}  // namespace sluice::journal
