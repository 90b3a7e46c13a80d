# cmake -DOUT=header -DNAMESPACE=ns -DFILES="kName=path,…" -P embed.cmake
# Writes a header with each file's text as a constant, in pieces a compiler accepts.
set(text "// Generated from the files named below; do not edit.\n#pragma once\n#include <string_view>\n\nnamespace ${NAMESPACE} {\n")
string(REPLACE "," ";" pairs "${FILES}")
foreach(pair ${pairs})
  string(REPLACE "=" ";" pair "${pair}")
  list(GET pair 0 name)
  list(GET pair 1 path)
  file(READ ${path} content)
  string(APPEND text "inline constexpr std::string_view ${name} = R\"__embedded__(${content})__embedded__\";\n")
endforeach()
string(APPEND text "}  // namespace ${NAMESPACE}\n")
file(WRITE ${OUT} "${text}")
