# cmake -DOUT=header -DGZIP=gzip -DFILES="path,…" -P embed_web.cmake
# Writes a header with each file, compressed by gzip, and its ETag: the beginning of its SHA-256.
set(arrays "")
set(table "")
set(number 0)
string(REPLACE "," ";" paths "${FILES}")
foreach(path ${paths})
  get_filename_component(name ${path} NAME)
  set(packed ${OUT}.${name}.gz)
  # -n: neither name nor time, so the same file gives the same bytes.
  execute_process(COMMAND ${GZIP} -9 -n -c ${path} OUTPUT_FILE ${packed} COMMAND_ERROR_IS_FATAL ANY)
  file(SHA256 ${path} hash)
  string(SUBSTRING ${hash} 0 16 hash)
  file(READ ${packed} bytes HEX)
  file(REMOVE ${packed})
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(APPEND arrays "inline constexpr unsigned char kWeb${number}[] = {${bytes}};\n")
  string(APPEND table "    {\"${name}\", \"${hash}\", kWeb${number}, sizeof kWeb${number}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUT} "// Generated from web/; do not edit.
#pragma once
#include <cstddef>

namespace sluice::generated {

struct WebFile {
  const char* name;
  const char* hash;
  const unsigned char* gzip;
  std::size_t bytes;
};
${arrays}
inline constexpr WebFile kWebFiles[] = {
${table}};

}  // namespace sluice::generated
")
