# Pomelua. `make run` starts the chat example, `make test` runs every test;
# both install the Debian packages they need. BUILD and CC may be given.

BUILD  ?= build
CC      = gcc
PREFIX ?= /usr/local
LMOD   ?= $(PREFIX)/share/pomelua/lua
CMOD   ?= $(PREFIX)/lib/lua/5.1
CFLAGS ?= -O2 -g
CPPFLAGS ?=
WERROR ?=
LDFLAGS ?=
SAN    ?=
DIST   ?= build/dist
DEBS   ?= build/deb
COMPDB ?= compile_commands.json
JOBS   ?= $(shell nproc)
VERSION = $(shell sed -n 's/^.define PML_VERSION "\(.*\)"/\1/p' core/base/version.h)

PKGS   := luajit libuv libmicrohttpd gnutls libssl libcrypto libcrypt liburing
# What is linked into programs only; a sanitizer brings an allocator of its own.
ALLOC   = $(if $(SAN),,jemalloc)
WARN   := -Wall -Wextra -Wshadow -Wvla -Wmissing-prototypes
# Where `make lint` compiles: a folder that WERROR=-Werror has filled is not compiled again.
LINT   ?= build/lint
# Recursive on purpose: `make deps` may install what pkg-config is asked for.
INCS    = -Icore $(shell pkg-config --cflags $(PKGS))
LIBS    = $(shell pkg-config --libs $(PKGS)) -lm
SOLIBS  = $(shell pkg-config --libs $(filter-out luajit,$(PKGS))) -lm
TESTFLAGS = -Wno-missing-prototypes -DPML_TEST -DPML_SLOT_BITS=4 -I$(BUILD)/test
FLAGS   = $(CPPFLAGS) $(CFLAGS) -std=c11 -D_GNU_SOURCE -pthread $(WARN) $(WERROR) $(INCS) $(SAN)

# A path as one word of the shell's, whatever is in it.
quoted = '$(subst ','\'',$(1))'

LAYERS := base wire model loop net bus store node host script bind
SRC    := $(foreach l,$(LAYERS),$(wildcard core/$(l)/*.c))
TESTS  := $(wildcard core/test/*.c)
OBJ    := $(SRC:core/%.c=$(BUILD)/obj/%.o)
PIC    := $(SRC:core/%.c=$(BUILD)/pic/%.o)
TOBJ   := $(SRC:core/%.c=$(BUILD)/t/%.o) $(TESTS:core/%.c=$(BUILD)/t/%.o)
NETOBJ := $(filter $(foreach l,base wire loop net,$(BUILD)/obj/$(l)/%),$(OBJ))
CORESO := $(BUILD)/lib/pomelua/core.so
TOOLS  := $(subst _,-,$(patsubst core/tools/%.c,$(BUILD)/%,$(wildcard core/tools/*.c))) $(BUILD)/load
LOADOBJ := $(patsubst core/%.c,$(BUILD)/obj/%.o,$(wildcard core/tools/load/*.c))
RUNNER := $(BUILD)/test/run
# Libraries that do harm to a program under test: spec/slow preloads them.
PRELOAD := $(patsubst tools/preload/%.c,$(BUILD)/preload/%.so,$(wildcard tools/preload/*.c))
# The man pages and the bash completion, made from the table of commands.
PAGES  := $(BUILD)/man/pomelua.1
LUAFILES := $(shell find lua/pomelua -type f 2>/dev/null)

FUZZSRC := $(filter core/base/% core/wire/% core/model/%,$(SRC)) core/loop/timers.c core/loop/lane.c
FUZZSAN := -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
FUZZERS := $(patsubst core/fuzz/fuzz_%.c,%,$(sort $(wildcard core/fuzz/fuzz_*.c)))
ASAN    := BUILD=build/asan CFLAGS="-O1 -g" \
  SAN="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
TSAN    := BUILD=build/tsan CFLAGS="-O1 -g" SAN=-fsanitize=thread

# The program, the Lua module and the tools.
all: $(BUILD)/pomelua $(CORESO) $(TOOLS) $(PAGES)

# This list: every target with the comment above it.
help:
	@awk '/^# / { said = said " " substr($$0, 3); next } \
	  /^[a-z][a-z-]*%?:/ && said { name = $$1; sub(":.*", "", name); sub("%", "NAME", name); \
	    printf "make %-10s", name; wide = 15; n = split(substr(said, 2), word, " "); \
	    for (i = 1; i <= n; i++) { if (wide + length(word[i]) > 94) { printf "\n%15s", ""; wide = 15 } \
	      printf " %s", word[i]; wide += length(word[i]) + 1 } print "" } \
	  { said = "" }' Makefile

# Installs the missing Debian packages of `make run`.
deps:
	@tools/deps.sh run

# The chat example, on http://127.0.0.1:3001/.
run:
	@tools/deps.sh run
	@$(MAKE) --no-print-directory -j$(JOBS) all
	$(BUILD)/pomelua start examples/chat

# The chat example as one process per server, over a nats-server that it starts and ends itself.
cluster:
	@tools/deps.sh cluster
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@BUILD=$(BUILD) tools/cluster.sh examples/chat

# C tests and specs. T=name runs the C tests whose name holds it, and no specs.
test:
	@tools/deps.sh test
	@$(MAKE) --no-print-directory -j$(JOBS) tested
	@BUILD=$(BUILD) tools/test.sh $(T)

# What takes longer: spec/slow, the network without io_uring, and specs under a collector that never
# rests.
slow:
	@tools/deps.sh test
	@tools/deps.sh deb
	@$(MAKE) --no-print-directory -j$(JOBS) tested
	@BUILD=$(BUILD) tools/test.sh slow

# The same under AddressSanitizer and UndefinedBehaviorSanitizer, but for what looks at sources.
asan:
	@$(MAKE) --no-print-directory $(ASAN) test

# The C tests under ThreadSanitizer. It keeps signals back until the thread calls into libc, so
# of the tests that stop a script only those take part whose scripts do.
tsan:
	@tools/deps.sh test
	@$(MAKE) --no-print-directory -j$(JOBS) $(TSAN) build/tsan/test/run
	@seq $(JOBS) | xargs -P $(JOBS) -I K build/tsan/test/run --part K/$(JOBS) \
	  budget_stops_coroutines budget_stops_work budget_stops_a_sort \
	  $$(sed 's/T(\(.*\))/\1/' build/tsan/test/tests.inc | grep -v -e ^budget_ -e ^limit_stops_ \
	    -e ^script_call_runs_in_the_budget)

# One fuzzer, core/fuzz/fuzz_NAME.c: make fuzz-NAME SECONDS=60
fuzz-%: build/fuzz/fuzz_%
	@mkdir -p build/corpus/$*
	build/fuzz/fuzz_$* -max_total_time=$(or $(SECONDS),60) -print_final_stats=1 -timeout=10 \
	  -artifact_prefix=build/corpus/$*- build/corpus/$* $(wildcard core/fuzz/corpus/$*)

# All fuzzers, SECONDS each, as many at a time as there are processors.
fuzz:
	@$(MAKE) --no-print-directory -j$(JOBS) --output-sync $(FUZZERS:%=fuzz-%)

# What asan, tsan and fuzz run, compiled only.
sanitized:
	@tools/deps.sh test
	@$(MAKE) --no-print-directory -j$(JOBS) $(ASAN) tested
	@$(MAKE) --no-print-directory -j$(JOBS) $(TSAN) build/tsan/test/run
	@$(MAKE) --no-print-directory -j$(JOBS) $(FUZZERS:%=build/fuzz/fuzz_%)

# The table of docs/performance.md, measured here: QUICK=1 in a minute, REPEATS=N, POMELO=0.
bench:
	@tools/deps.sh run
	@$(MAKE) --no-print-directory -j$(JOBS) all
	luajit bench/run.lua $(BUILD)

# A small game under clients that come and go, reloads and restarts, for MINUTES=20; status 1 when
# anything is lost, doubled or misdirected.
soak:
	@tools/deps.sh test
	@$(MAKE) --no-print-directory -j$(JOBS) all
	POMELUA_BUILD=$(BUILD) luajit tools/soak.lua

# codespell, luacheck, both compilers with -Werror, and the layout of the C files. LINT=FOLDER is where
# WERROR=-Werror has built already.
lint:
	@tools/deps.sh test
	luacheck -q lua spec examples tools $(wildcard bench)
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(LINT) WERROR=-Werror objects
	@tools/lint.sh -I$(LINT)/test $(INCS) $(WARN)

# Lays out the C files as .clang-format says.
format:
	clang-format -i $(wildcard core/*.[ch] core/*/*.[ch] core/*/*/*.[ch])

# compile_commands.json, for clangd and other editors: how each C file is compiled.
compdb:
	@{ for f in $(SRC) core/main.c $(wildcard core/tools/*.c core/tools/*/*.c); do \
	  echo "{\"directory\": \"$(CURDIR)\", \"file\": \"$$f\","; \
	  echo " \"command\": \"$(CC) $(FLAGS) -c $$f\"},"; done; \
	  for f in $(TESTS) $(wildcard core/fuzz/*.c); do \
	  echo "{\"directory\": \"$(CURDIR)\", \"file\": \"$$f\","; \
	  echo " \"command\": \"$(CC) $(FLAGS) $(TESTFLAGS) -c $$f\"},"; \
	  done; } | sed -e '1s/^/[/' -e '$$s/,$$/]/' > $(COMPDB)

# In DIST, build/dist: the sources of HEAD as an archive, and the rockspec of this version for it.
dist:
	@mkdir -p $(DIST)
	git archive --prefix=pomelua-$(VERSION)/ -o $(DIST)/pomelua-$(VERSION).tar.gz HEAD
	sed -e 's/"scm-1"/"$(VERSION)-1"/' \
	  -e 's|"git+file://.*"|"file://$(abspath $(DIST))/pomelua-$(VERSION).tar.gz"|' \
	  rockspec/pomelua-scm-1.rockspec > $(DIST)/pomelua-$(VERSION)-1.rockspec

# The moving picture of the README, recorded anew in Chromium.
film:
	@tools/deps.sh test
	@$(MAKE) --no-print-directory -j$(JOBS) all
	BUILD=$(BUILD) tools/film.sh

UNITDIR ?= $(PREFIX)/lib/systemd/system

# Into DESTDIR/PREFIX: the program, its man pages, what bash completes, the units of systemd that run
# a game, the Lua half, and the module for LuaJIT; LMOD and CMOD are other folders for the latter two.
install: rock
	for f in service socket; do \
	  install -D -m 644 systemd/pomelua@.$$f \
	    $(call quoted,$(DESTDIR)$(UNITDIR))/pomelua@.$$f || exit 1; done
	@$(MAKE) --no-print-directory install-rock \
	  BINDIR=$(call quoted,$(DESTDIR)$(PREFIX)/bin) \
	  LUADIR=$(call quoted,$(DESTDIR)$(LMOD)) \
	  LIBDIR=$(call quoted,$(DESTDIR)$(CMOD)) \
	  LOAD=$(call quoted,$(DESTDIR)$(PREFIX)/libexec/pomelua/load) \
	  MANDIR=$(call quoted,$(DESTDIR)$(PREFIX)/share/man/man1) \
	  BASHCOMP=$(call quoted,$(DESTDIR)$(PREFIX)/share/bash-completion/completions/pomelua)

# Debian packages, pomelua and lua-pomelua, in DEBS, build/deb; lintian must find nothing in them.
# TWICE=1 makes them twice, which must give the same bytes.
deb:
	@tools/deps.sh deb
	@tools/deb.sh $(call quoted,$(DEBS)) $(TWICE)

# What the rock holds: the program into BINDIR, the Lua half with the template of a game
# into LUADIR, the module into LIBDIR; the load generator beside the program, and the man pages
# and the bash completion where `luarocks doc` looks, unless LOAD, MANDIR and BASHCOMP say otherwise.
LOAD   ?= $(BINDIR)/pomelua-load
MANDIR ?= $(BINDIR)/../doc
BASHCOMP ?= $(BINDIR)/../doc/pomelua.bash
rock: $(BUILD)/pomelua $(CORESO) $(BUILD)/load $(PAGES)
install-rock: rock
	install -D -m 755 $(BUILD)/pomelua $(call quoted,$(BINDIR)/pomelua)
	install -D -m 755 $(CORESO) $(call quoted,$(LIBDIR)/pomelua/core.so)
	for f in $(LUAFILES); do \
	  install -D -m 644 $$f $(call quoted,$(LUADIR)/)$${f#lua/} || exit 1; done
	install -D -m 644 examples/chat/web/pomelua.js \
	  $(call quoted,$(LUADIR)/pomelua/template/web/pomelua.js)
	install -D -m 755 $(BUILD)/load $(call quoted,$(LOAD))
	install -d $(call quoted,$(MANDIR))
	install -m 644 $(BUILD)/man/*.1 $(call quoted,$(MANDIR))
	install -D -m 644 $(BUILD)/man/pomelua.bash $(call quoted,$(BASHCOMP))

# Removes everything that was built.
clean:
	rm -rf build

tested: all $(RUNNER) $(PRELOAD)

MAINOBJ := $(patsubst core/%.c,$(BUILD)/obj/%.o,$(wildcard core/main.c core/tools/*.c core/tools/*/*.c))
objects: $(OBJ) $(MAINOBJ) $(TESTS:core/%.c=$(BUILD)/t/%.o) $(PRELOAD)

$(BUILD)/pomelua: $(OBJ) $(BUILD)/obj/main.o
	$(CC) $(LDFLAGS) $(SAN) -pthread -o $@ $^ -Wl,-E $(ALLOC:%=-l%) $(LIBS)

# nodelete: a thread of it may be about to end when LuaJIT closes its libraries.
$(CORESO): $(PIC)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $(SAN) -pthread -shared -Wl,-z,nodelete -o $@ $^ $(SOLIBS)

$(PAGES): $(BUILD)/pomelua $(wildcard lua/pomelua/cli/*.lua) $(wildcard tools/*.lua tools/*.bash)
	@rm -rf $(@D) && mkdir -p $(@D)
	ASAN_OPTIONS=detect_leaks=0 $(BUILD)/pomelua run tools/pages.lua $(@D)

$(BUILD)/load: $(LOADOBJ) $(NETOBJ)
	$(CC) $(LDFLAGS) $(SAN) -pthread -o $@ $^ $(ALLOC:%=-l%) $(SOLIBS)

$(BUILD)/bus-rtt: $(filter $(BUILD)/obj/bus/%,$(OBJ))
$(BUILD)/sqlite-read: $(BUILD)/obj/store/sqlite_library.o
# core/tools/ws_echo.c becomes ws-echo.
.SECONDEXPANSION:
$(filter-out $(BUILD)/load,$(TOOLS)): $(BUILD)/obj/tools/$$(subst -,_,$$(@F)).o $(NETOBJ)
	$(CC) $(LDFLAGS) $(SAN) -pthread -o $@ $^ $(ALLOC:%=-l%) $(SOLIBS)

$(RUNNER): $(TOBJ)
	$(CC) $(LDFLAGS) $(SAN) -pthread -o $@ $^ -Wl,-E $(LIBS)

$(BUILD)/test/tests.inc: $(TESTS) core/test
	@mkdir -p $(@D)
	@cat core/test/test_*.c | sed -n 's/^TEST\(([a-z0-9_]*)\).*/T\1/p' > $@

$(BUILD)/t/test/runner.o: $(BUILD)/test/tests.inc
$(BUILD)/t/%.o: core/%.c
	@mkdir -p $(@D)
	$(CC) $(FLAGS) $(TESTFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/pic/%.o: core/%.c
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -fPIC -MMD -MP -c -o $@ $<

# A sanitized program is the module's objects: it has no allocator of its own, and need not be quick.
ifneq ($(SAN),)
$(BUILD)/obj/%.o: $(BUILD)/pic/%.o
	@mkdir -p $(@D)
	@ln -f $< $@
else
$(BUILD)/obj/%.o: core/%.c
	@mkdir -p $(@D)
	$(CC) $(FLAGS) $(ALLOC:%=-DPML_JEMALLOC) -MMD -MP -c -o $@ $<
endif

$(BUILD)/preload/%.so: tools/preload/%.c tools/preload/switch.h
	@mkdir -p $(@D)
	$(CC) -O1 -g -std=c11 -D_GNU_SOURCE -pthread $(WARN) $(WERROR) -Wno-missing-prototypes -shared -fPIC -o $@ $< -ldl

# fuzz_json reads what scripts read: it needs LuaJIT and the bindings of JSON.
build/fuzz/fuzz_json: FUZZLIBS = $(shell pkg-config --libs luajit)
build/fuzz/fuzz_json: $(patsubst core/%.c,build/fuzz/%.o,$(wildcard core/script/anchor.c core/script/call.c core/script/json.c core/script/json_string.c core/script/json_text.c core/bind/l_json.c))
# fuzz_stack runs all that stands under the scripts, over real sockets.
STACKSRC := $(filter core/loop/% core/net/% core/bus/% core/node/%,$(SRC))
build/fuzz/fuzz_stack: FUZZLIBS = $(shell pkg-config --libs libuv liburing)
build/fuzz/fuzz_stack: $(STACKSRC:core/%.c=build/fuzz/%.o)
build/fuzz/fuzz_outq: FUZZLIBS = $(shell pkg-config --libs libuv)
build/fuzz/fuzz_outq: build/fuzz/net/outq.o
build/fuzz/fuzz_tls: FUZZLIBS = $(shell pkg-config --libs libuv)
build/fuzz/fuzz_tls: $(patsubst %,build/fuzz/%.o,loop/helpers loop/loop net/outq net/tls net/tls_context net/tls_pair net/tls_queue net/tls_tickets)
build/fuzz/fuzz_redis_reply: $(patsubst %,build/fuzz/store/%.o,data redis_library redis_reply)
build/fuzz/fuzz_%: build/fuzz/fuzz/fuzz_%.o $(FUZZSRC:core/%.c=build/fuzz/%.o)
	clang $(FUZZSAN) -pthread -o $@ $^ $(FUZZLIBS) $(shell pkg-config --libs libssl libcrypto libcrypt) -lm

build/fuzz/%.o: core/%.c
	@mkdir -p $(@D)
	clang $(FLAGS) -Wno-missing-prototypes -O1 $(FUZZSAN) -DPML_SLOT_BITS=4 -MMD -MP -c -o $@ $<

.PHONY: all tested objects sanitized help film compdb dist deb deps run cluster test slow asan tsan fuzz bench soak lint format install rock install-rock clean
.PRECIOUS: build/fuzz/fuzz_% build/fuzz/%.o $(BUILD)/pic/%.o
-include $(wildcard $(BUILD)/*/*.d $(BUILD)/*/*/*.d $(BUILD)/*/*/*/*.d build/fuzz/*/*.d)
