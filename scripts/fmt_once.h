// Part of every precompiled header. spdlog's calls instantiate all of fmt's formatting, some three
// seconds of compiling, in each file that logs; with this it comes from scripts/fmt_once.cc. From
// fmt 11 on it is no template any more.
#pragma once

#include <spdlog/spdlog.h>

#if FMT_VERSION < 110000
extern template void fmt::detail::vformat_to<char>(fmt::detail::buffer<char>&, fmt::string_view,
                                                   fmt::format_args, fmt::detail::locale_ref);
#endif
