# The two commands that a newcomer needs are `make run` and `make test`; `make help` lists the rest.
# CMake does the work (CMakePresets.json); this file only names it.

build_dir = build

# Debian keeps mariadbd where only root's PATH leads; another user may run it as well.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

.PHONY: build help deps run test bench bench-quick microbench torture clusters examples mutations fuzz \
        asan tsan \
        compilers matrix portability package package-test format clean
.DEFAULT_GOAL := build

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps:  ## install every package that is missing (asks for sudo if there is one to install)
	@scripts/deps.sh

build: deps  ## Release with debug info, into build/bin
	@scripts/build default

run: deps  ## build, start Redis, MariaDB, flusher and proxy under var/, play a flash sale, stay
	@scripts/run

test: deps  ## build and run every test; the last line is "N passed, N failed"
	@scripts/build default
	@scripts/test

bench:  ## build and print the whole table beside what one would build instead; 15 minutes
	@scripts/deps.sh bench
	@scripts/build default
	@$(build_dir)/bin/sluice-bench compare

bench-quick:  ## the same in two minutes, with rough figures
	@scripts/deps.sh bench
	@scripts/build default
	@$(build_dir)/bin/sluice-bench compare --quick

microbench: deps  ## each part alone, against its limit: bench/micro/limits.h
	@scripts/build default
	@$(build_dir)/bin/sluice-microbench --check

torture: deps  ## sell while everything is killed: SECONDS=60 SEED=fresh PROXIES=2 ITEMS=18
	@scripts/build default
	@scripts/torture --seconds $(or $(SECONDS),60) $(if $(SEED),--seed $(SEED)) \
	  $(if $(PROXIES),--proxies $(PROXIES)) $(if $(ITEMS),--items $(ITEMS))

clusters: deps  ## failovers of MySQL by replication, Galera and group replication; three minutes
	@scripts/build default
	@scripts/test clusters

examples:  ## the shops of examples/ in Go, Java and PHP; Python and node are part of make test
	@scripts/deps.sh
	@scripts/deps.sh examples
	@scripts/build default
	@scripts/test examples

mutations: deps  ## plant known bugs one by one and show that the tests catch each
	@scripts/mutations

fuzz:  ## every parser under libFuzzer, SECONDS=60 each; prints how much of them was reached
	@scripts/deps.sh fuzz
	@scripts/fuzz --seconds $(or $(SECONDS),60)

asan: deps  ## the unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@scripts/build asan
	@scripts/test --build build-asan unit

tsan: deps  ## the unit tests under ThreadSanitizer
	@scripts/build tsan
	@scripts/test --build build-tsan unit

compilers: deps  ## everything by each compiler that is installed; a warning is an error
	@scripts/compilers

matrix: build  ## the tests with each Redis, Valkey, MySQL, MariaDB: SERVERS="valkey-9.1 …"; root
	@scripts/matrix $(SERVERS)

portability:  ## clone, make run, make test on fresh Debians: SUITES="bookworm trixie"; root, hours
	@scripts/portability $(SUITES)

package:  ## build/sluice_VERSION_ARCH.deb, for this machine's release
	@scripts/deps.sh
	@scripts/deps.sh package
	@scripts/build default
	@cd $(build_dir) && cpack -G DEB

package-test:  ## install, upgrade, purge it on fresh Debians: SUITES="bookworm trixie"; root
	@scripts/package-test $(SUITES)

format:  ## clang-format over the C++ lines that differ from the last commit
	@git clang-format --extensions cc,h

clean:  ## remove the build folders; var/ (the data of `make run`) stays
	@rm -rf build build-asan build-tsan build-fuzz build-mutations build-compilers
