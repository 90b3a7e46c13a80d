// The one translation unit that compiles fmt's formatting (scripts/fmt_once.h).
#include "scripts/fmt_once.h"

#if FMT_VERSION < 110000
template void fmt::detail::vformat_to<char>(fmt::detail::buffer<char>&, fmt::string_view,
                                            fmt::format_args, fmt::detail::locale_ref);
#endif
