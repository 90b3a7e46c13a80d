# Precompiled headers: what most files include of the standard library and of others, read once.
# Without them a third of the compiler's time goes into reading the same headers again.
#
#   sluice_precompile(TARGET plain|asio|test)
#
# Each set is compiled once, whatever number of targets uses it. Headers of ours are in none, but
# for fmt_once.h, so that an edit rebuilds what includes it and no more. A file still includes what
# it uses: scripts/compilers, with SLUICE_SHORTCUTS=OFF, shows what is missing.

set(standard <algorithm> <array> <atomic> <charconv> <chrono> <condition_variable> <cstdint>
    <cstring> <filesystem> <fstream> <functional> <map> <memory> <mutex> <optional> <random> <set>
    <span> <string> <string_view> <thread> <unordered_map> <utility> <variant> <vector>)
set(asio <boost/asio/io_context.hpp> <boost/asio/ip/tcp.hpp>
    <boost/asio/local/stream_protocol.hpp> <boost/asio/post.hpp> <boost/asio/steady_timer.hpp>
    <boost/asio/write.hpp> <boost/container/deque.hpp>)

# The flags of those who use a set must be those of the set, definitions included: optimisation is
# the last argument, what spdlog defines comes from its target.
function(sluice_precompiled_set name)
  if(NOT SLUICE_SHORTCUTS)
    return()
  endif()
  cmake_parse_arguments(set "" "" "HEADERS;LINK;OPTIONS" ${ARGN})
  set(source ${CMAKE_BINARY_DIR}/generated/precompiled/${name}.cc)
  file(CONFIGURE OUTPUT ${source} CONTENT "// Carries the precompiled headers.\n")
  add_library(sluice_precompiled_${name} OBJECT ${source})
  target_link_libraries(sluice_precompiled_${name} PRIVATE spdlog::spdlog Threads::Threads
                        ${set_LINK})
  target_compile_options(sluice_precompiled_${name} PRIVATE ${set_OPTIONS})
  target_precompile_headers(sluice_precompiled_${name} PRIVATE ${standard}
                            ${CMAKE_SOURCE_DIR}/scripts/fmt_once.h ${set_HEADERS})
endfunction()

function(sluice_precompile target name)
  if(SLUICE_SHORTCUTS)
    target_precompile_headers(${target} REUSE_FROM sluice_precompiled_${name})
  endif()
endfunction()

# Files that work once in the life of a program, with libraries of templates that take seconds to
# optimise. Their flags are not those of a set, so they go without.
function(sluice_optimise_less)
  set_source_files_properties(${ARGN} PROPERTIES SKIP_PRECOMPILE_HEADERS ON
                              COMPILE_OPTIONS $<$<CONFIG:RelWithDebInfo>:-O1>)
endfunction()

# Tests are compiled for their own sake: nobody waits for them to be fast, but for their compiler.
set(SLUICE_TEST_OPTIONS $<$<CONFIG:RelWithDebInfo>:-O0>)

sluice_precompiled_set(plain)
sluice_precompiled_set(asio HEADERS ${asio} LINK Boost::headers)
sluice_precompiled_set(test HEADERS <gtest/gtest.h> <gmock/gmock.h> ${asio}
                       LINK GTest::gtest GTest::gmock Boost::headers
                       OPTIONS ${SLUICE_TEST_OPTIONS})
