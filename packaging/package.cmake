# `make package`: build/sluice_VERSION_ARCH.deb for the release of Debian or Ubuntu that built it,
# since the names of its libraries are those of that release.
if(CMAKE_INSTALL_PREFIX_INITIALIZED_TO_DEFAULT)
  set(CMAKE_INSTALL_PREFIX /usr CACHE PATH "Where the rest is installed" FORCE)
endif()
# `make package` has built what is packed; tests and benchmarks need not be there.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)
set(documents README.md CHANGELOG.md conf/schema.sql)
file(GLOB pages CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/docs/*.md)
install(TARGETS sluice-proxy sluice-flusher sluice-ctl DESTINATION /usr/bin)
install(FILES conf/proxy.toml conf/flusher.toml DESTINATION /etc/sluice
        PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ)
install(FILES packaging/systemd/sluice-proxy.socket packaging/systemd/sluice-proxy.service
              packaging/systemd/sluice-flusher.service DESTINATION /usr/lib/systemd/system)
install(FILES packaging/sysusers/sluice.conf DESTINATION /usr/lib/sysusers.d)
# The manual page and the completions are what the packed sluice-ctl prints of itself.
set(printed ${CMAKE_BINARY_DIR}/printed)
install(CODE "
  set(printed \"${printed}\")
  set(program \"${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/sluice-ctl\")")
install(CODE [[
  function(print_page file)
    execute_process(COMMAND ${program} ${ARGN} OUTPUT_FILE ${printed}/${file}
                    COMMAND_ERROR_IS_FATAL ANY)
  endfunction()
  file(MAKE_DIRECTORY ${printed})
  print_page(sluice-ctl.1 man)
  execute_process(COMMAND gzip -9nf ${printed}/sluice-ctl.1 COMMAND_ERROR_IS_FATAL ANY)
  print_page(sluice-ctl completion bash)
  print_page(_sluice-ctl completion zsh)
  print_page(sluice-ctl.fish completion fish)
]])
install(FILES ${printed}/sluice-ctl.1.gz DESTINATION /usr/share/man/man1)
install(FILES ${printed}/sluice-ctl DESTINATION /usr/share/bash-completion/completions)
install(FILES ${printed}/_sluice-ctl DESTINATION /usr/share/zsh/vendor-completions)
install(FILES ${printed}/sluice-ctl.fish DESTINATION /usr/share/fish/vendor_completions.d)
install(FILES ${documents} ${pages} DESTINATION /usr/share/doc/sluice)
install(DIRECTORY packaging/prometheus packaging/grafana conf/minimal
        DESTINATION /usr/share/doc/sluice/examples)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME sluice)
set(CPACK_PACKAGE_CONTACT "Sluice <sluice@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "RESP proxy that absorbs the writes of flash sales")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
    "sluice-proxy sells through Redis and a durable journal and passes every other command to Redis;
sluice-flusher drains the journal into MySQL or MariaDB; sluice-ctl compares and repairs.")
set(CPACK_DEBIAN_PACKAGE_SECTION database)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser, tzdata")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "systemd")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(scripts ${CMAKE_SOURCE_DIR}/packaging/debian)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${scripts}/conffiles ${scripts}/postinst ${scripts}/prerm
    ${scripts}/postrm)
set(CPACK_STRIP_FILES ON)
# Paths are whole ones: nothing is to be put before them.
set(CPACK_PACKAGING_INSTALL_PREFIX /)
set(CPACK_SET_DESTDIR ON)
include(CPack)
