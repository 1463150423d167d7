# Muster. `make` builds, `make demo` shows it, `make test` proves it; `make help` lists the rest.
VERSION := 0.1.0

# SANITIZE=address,undefined or SANITIZE=thread builds into a folder of its own. So does FAULT=ack_early or
# FAULT=skip_healing: programs that break a promise on purpose, to show that the drill notices (make drill-proof).
comma := ,
BUILD := build$(if $(FAULT),/fault-$(FAULT))$(if $(SANITIZE),/$(subst $(comma),-,$(SANITIZE)))

CC := gcc
# V=1 shows the commands.
Q := $(if $(V),,@)
SAY = $(if $(V),@:,@printf '  %-6s %s\n')
export PYTHONDONTWRITEBYTECODE := 1
PKG := libuv libnats libcjson libjwt libpq libprotobuf-c libcrypto
CPPFLAGS += -D_GNU_SOURCE -DMUSTER_VERSION='"$(VERSION)"' -Icommon -I$(BUILD)/gen $(shell pkg-config --cflags $(PKG) 2>/dev/null)
CFLAGS ?= -O2 -g
CFLAGS += -std=gnu11 -Wall -Wextra -Wshadow -Wconversion -Werror -fno-omit-frame-pointer -fno-common
LDFLAGS += -Wl,--as-needed
# What makes a fault of ours harder to use: programs at addresses drawn anew each time, tables of addresses read-only
# before main, guarded stacks that nothing jumps over, calls and jumps only to where some are meant to go, and checked
# copies. test/hardening.py holds the programs against it. Sanitizers do their own checks of copies.
HARDENING := -fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection
CFLAGS += $(HARDENING)
LDFLAGS += -pie -Wl,-z,relro,-z,now,-z,noexecstack
ifeq ($(SANITIZE)$(FUZZING)$(COVERAGE),)
CPPFLAGS += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
endif
ifdef FAULT
CPPFLAGS += -DFAULT_$(shell echo '$(FAULT)' | tr a-z A-Z)
endif
ifdef SANITIZE
CFLAGS += -fsanitize=$(SANITIZE) -fno-sanitize-recover=undefined
LDFLAGS += -fsanitize=$(SANITIZE)
endif
ifdef FUZZING
CFLAGS += -fsanitize-coverage=inline-8bit-counters,pc-table
endif
ifdef COVERAGE
CFLAGS += -O0 --coverage
endif
# What is measured is compiled as a whole when it is linked, so that functions of one file are inlined in others; tests
# and what watches a run are not: it takes long.
LTO := $(if $(SANITIZE)$(FUZZING)$(COVERAGE),,-flto=auto)
CFLAGS += $(if $(LTO),-flto -ffat-lto-objects)
LIBS_common := -luv -ljwt -lcrypto -lcjson -lprotobuf-c -lpthread -lm

# ---- sources: every file is named here ----
PROTO := device revocation share team view
COMMON := buffer clock config decimal file_limit frame hist ident log mailbox metrics nats_url peers position subject update wire
COMMON += revoked token token_guard token_key token_keys token_scan
COMMON += $(if $(findstring address,$(SANITIZE)),leaks)
# What needs NATS, and is in several programs.
NATS_OBJECTS := $(BUILD)/common/jetstream.o $(BUILD)/common/revocation_log.o $(BUILD)/common/share_log.o
SRC_tracker := ack admin admission batcher collected conn intake known main message origin pace pgarray provision proxy publish rate recorder roll rounds server server_time session store store_copy store_days store_write stream undertaker
UNIT_tracker := ack admission batcher message pgarray proxy rate roll rounds server_time session
EXTRA_tracker = $(BUILD)/gen/schema_files.o $(NATS_OBJECTS)
SCHEMA := 001_initial.sql 002_faults.sql roles.sql
LIBS_tracker := -lnats -lpq -lcivetweb
SRC_gateway := api_answer api_cluster api_config api_health api_positions api_session api_shares api_socket api_stream api_teams \
  api_track assets carrier channel compare directory door expiry fanout feed files follow gateway_metrics group guest head \
  history join lane main numbers origin places query replay replicas routes server snapshot team team_frame time_text tracks \
  view_event view_filter view_frame view_json view_open view_proto viewer viewer_input window ws
UNIT_gateway := follow group head numbers origin places query replicas team team_frame time_text view_event view_filter \
  view_frame view_json view_proto window ws
EXTRA_gateway = $(BUILD)/gen/web_assets.o $(NATS_OBJECTS)
LIBS_gateway := -lnats -lpq -lcivetweb -lcrypto
SRC_simulator := answer audience backoff board box chief device device_conn device_message endpoint event_stream figures \
  fleet ledger live main message_stream motion outputs player recorded replay report run scenario settings source \
  spool steady trace watch_frame watch_proto watch_stream watch_team watch_view watcher
UNIT_simulator := answer backoff board box device device_message event_stream figures ledger message_stream motion report \
  scenario source spool trace watch_frame watch_proto watch_stream watch_team watch_view
LIBS_simulator := -lpq
SRC_token := command inspect main mint revoke
EXTRA_token = $(BUILD)/common/jetstream.o $(BUILD)/common/revocation_log.o
LIBS_token := -lnats
UNIT_TESTS := buffer config decimal frame hist ident log metrics nats_url peers position revoked token token_keys update wire \
  answer backoff board box device device_message device_repeat device_token event_stream figures ledger message_stream motion report \
  scenario proxy share source spool trace watch watch_proto watch_stream watch_view ack batcher pgarray rate roll rounds server_time session \
  follow group head numbers origin places query replicas team team_frame time_text view_filter view_json view_proto ws

# The map page, gateway/web: the page itself, what it uses of npm's packages, and what is made of them.
WEB := index.html app.css icon.svg api.mjs app.mjs backoff.mjs basemap.mjs card.mjs finder.mjs format.mjs grid.mjs link.mjs \
  mapview.mjs markers.mjs mercator.mjs motion.mjs page.mjs palette.mjs panel.mjs roster.mjs share.mjs signin.mjs stream.mjs texts.mjs
WEB_VENDOR := maplibre-gl.mjs maplibre-gl-worker.mjs maplibre-gl.css
WEB_ASSETS = $(foreach f,$(WEB),$(f)=gateway/web/$(f)) land.json=$(BUILD)/gen/web/land.json \
  $(foreach f,$(WEB_VENDOR),vendor/$(f)=node_modules/maplibre-gl/dist/$(f)) \
  vendor/maplibre-gl-LICENSE.txt=node_modules/maplibre-gl/LICENSE.txt
WEB_TESTS := motion pure roster stream

PROGRAMS := tracker gateway simulator token
BINARIES := $(PROGRAMS:%=$(BUILD)/bin/muster-%)
PROTO_OBJECTS := $(PROTO:%=$(BUILD)/gen/%.pb-c.o)
COMMON_OBJECTS := $(COMMON:%=$(BUILD)/common/%.o) $(PROTO_OBJECTS)

.PHONY: all
all: $(BINARIES)

# ---- generated code ----
$(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h: proto/%.proto
	@mkdir -p $(@D)
	$(SAY) PROTOC $<
	$(Q)protoc-c --proto_path=proto --c_out=$(BUILD)/gen $<
$(BUILD)/gen/%.o: CFLAGS += -Wno-conversion $(if $(LTO),-fno-lto)  # embedded files are symbols that only the assembler knows
GENERATED := $(PROTO:%=$(BUILD)/gen/%.pb-c.h)

$(BUILD)/gen/schema_files.c: common/embed.py $(SCHEMA:%=tracker/schema/%)
	@mkdir -p $(@D)
	$(SAY) EMBED $@
	$(Q)/usr/bin/python3 common/embed.py $@ schema_files $(foreach f,$(SCHEMA),$(f)=tracker/schema/$(f))

node_modules/.package-lock.json: package.json package-lock.json
	$(SAY) NPM $<
	$(Q)npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
$(BUILD)/gen/web/land.json: gateway/web/tools/land.mjs node_modules/.package-lock.json
	@mkdir -p $(@D)
	$(SAY) NODE $@
	$(Q)node $< $@
$(BUILD)/gen/web_assets.c: common/embed.py node_modules/.package-lock.json $(BUILD)/gen/web/land.json $(WEB:%=gateway/web/%)
	@mkdir -p $(@D)
	$(SAY) EMBED $@
	$(Q)/usr/bin/python3 common/embed.py $@ web_assets $(WEB_ASSETS)

$(BUILD)/gen/%.o: $(BUILD)/gen/%.c
	$(SAY) CC $@
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@
$(BUILD)/%.o: %.c | $(GENERATED)
	@mkdir -p $(@D)
	$(SAY) CC $@
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@
.SECONDARY:

# ---- programs ----
define program
$(BUILD)/bin/muster-$(1): $(SRC_$(1):%=$(BUILD)/$(1)/%.o) $(EXTRA_$(1)) $(COMMON_OBJECTS)
	@mkdir -p $$(@D)
	$$(SAY) LINK $$@
	$$(Q)$$(CC) $$(CFLAGS) $$(LTO) $$(LDFLAGS) $$^ $(LIBS_$(1)) $(LIBS_common) -o $$@
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

# ---- tests ----
# A unit test links everything of ours but the programs' main files, so it can reach any pure part.
UNIT_OBJECTS := $(COMMON_OBJECTS) $(foreach p,$(PROGRAMS),$(patsubst %,$(BUILD)/$(p)/%.o,$(UNIT_$(p))))
$(BUILD)/test/test_%: $(BUILD)/test/unit/test_%.o $(UNIT_OBJECTS)
	@mkdir -p $(@D)
	$(SAY) LINK $@
	$(Q)$(CC) $(CFLAGS) -fno-lto $(LDFLAGS) $^ -lcmocka -lcrypto $(LIBS_common) -o $@

# Tokens, and who may see what, held against a model that shares no code with ours; docs/testing.md. With stand-ins for
# what is behind the gateway's handlers.
MODEL_OBJECTS := $(patsubst %,$(BUILD)/test/model/%.o,forge model who) $(UNIT_OBJECTS) \
  $(patsubst %,$(BUILD)/gateway/%.o,routes view_open $(filter api_%,$(SRC_gateway)))
$(BUILD)/test/muster-model: $(MODEL_OBJECTS)
	@mkdir -p $(@D)
	$(SAY) LINK $@
	$(Q)$(CC) $(CFLAGS) -fno-lto $(LDFLAGS) -Wl,--wrap=clock_wall_us $(sort $^) -lcrypto $(LIBS_common) -o $@
COUNT ?= 1000000
.PHONY: model
model: $(BUILD)/test/muster-model
	$< $(COUNT) $(or $(SEED),1)

.PHONY: unit
unit: $(UNIT_TESTS:%=$(BUILD)/test/test_%) $(BUILD)/test/muster-model
	@for test in $(filter-out %/muster-model,$^); do $$test || exit 1; done
	@$(BUILD)/test/muster-model 20000 1

# Parsers held against any bytes by clang's libFuzzer, in a build of their own; docs/testing.md. FUZZ_SECONDS is for each
# target; instead of it, FUZZ_RUNS with a SEED does the same runs each time. What is found stays in build/fuzz/<target>.
FUZZ := answer device event_stream frame head message_stream position proxy query scenario time_text token trace \
  tracker_message update view_filter watch_frame watch_proto ws
TARGETS ?= $(FUZZ)
FUZZ_SECONDS ?= 60
FUZZ_RUNS ?=
FUZZ_FLAGS = -seed=$(or $(SEED),$(if $(FUZZ_RUNS),1,0)) $(if $(FUZZ_RUNS),-runs=$(FUZZ_RUNS),-max_total_time=$(FUZZ_SECONDS))
# The parsers, and what they use. Only what a target needs of these is linked to it: each run looks at all counters that
# are.
PARSERS := common/decimal common/frame common/ident common/position common/token common/token_scan common/update \
  common/wire gateway/head gateway/query gateway/time_text gateway/view_filter gateway/ws simulator/answer \
  simulator/device_message simulator/event_stream simulator/message_stream simulator/scenario simulator/trace \
  simulator/watch_frame simulator/watch_proto tracker/message tracker/proxy
PARSERS_USE := common/buffer common/peers common/token_key common/token_keys
$(BUILD)/libparsers.a: $(PARSERS:%=$(BUILD)/%.o) $(PARSERS_USE:%=$(BUILD)/%.o) $(PROTO_OBJECTS) Makefile
	$(SAY) AR $@
	$(Q)rm -f $@ && ar rcs $@ $(filter %.o,$^)
$(BUILD)/bin/fuzz_%: $(BUILD)/test/fuzz/fuzz_%.o $(BUILD)/libparsers.a
	@mkdir -p $(@D)
	$(SAY) LINK $@
	$(Q)$(CC) $(LDFLAGS) -fsanitize=fuzzer $^ -lcrypto $(LIBS_common) -o $@
.PHONY: fuzz fuzz-programs
fuzz-programs: $(TARGETS:%=$(BUILD)/bin/fuzz_%)
fuzz:
	@deploy/deps.sh build test
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzz CC=clang SANITIZE=address,undefined FUZZING=1 fuzz-programs
	@for target in $(TARGETS); do test/fuzz/run.sh $(BUILD)/fuzz $$target $(FUZZ_FLAGS) || exit 1; done

# Lines of the parsers that their unit tests and the committed inputs of the fuzz targets run, by gcov; 95 % at least.
COVERAGE_TESTS := answer decimal device_message event_stream frame head ident message_stream position proxy query scenario session \
  revoked time_text token token_keys trace update view_filter watch watch_proto wire ws
$(BUILD)/bin/replay_%: $(BUILD)/test/fuzz/fuzz_%.o $(BUILD)/test/fuzz/replay.o $(BUILD)/libparsers.a
	@mkdir -p $(@D)
	$(SAY) LINK $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -lcrypto $(LIBS_common) -o $@
.PHONY: coverage coverage-run
coverage-run: $(COVERAGE_TESTS:%=$(BUILD)/test/test_%) $(FUZZ:%=$(BUILD)/bin/replay_%)
	@find $(BUILD) -name '*.gcda' -delete
	@for test in $(COVERAGE_TESTS:%=$(BUILD)/test/test_%); do $$test >$$test.log 2>&1 || { cat $$test.log; exit 1; }; done
	@for target in $(FUZZ); do $(BUILD)/bin/replay_$$target test/fuzz/corpus/$$target/* || exit 1; done
	@/usr/bin/python3 test/coverage.py $(BUILD) $(PARSERS:%=%.c)
coverage:
	@deploy/deps.sh build test
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/coverage COVERAGE=1 coverage-run

# The page's types, and the tests of its parts that need no browser.
.PHONY: check-web
check-web: node_modules/.package-lock.json
	node node_modules/typescript/bin/tsc -p gateway/web/tsconfig.json
	node --test $(WEB_TESTS:%=test/web/%.test.mjs)
test-suites: check-web

BUILD_PY := $(PROTO:%=$(BUILD)/gen/py/%_pb2.py)
$(BUILD)/gen/py/%_pb2.py: proto/%.proto
	@mkdir -p $(@D)
	$(SAY) PROTOC $@
	$(Q)protoc --proto_path=proto --python_out=$(@D) $<

# Tests that start the real programs. TESTS="test_stack.py -k demo" (what pytest takes) runs some of them.
.PHONY: system
system: all $(BUILD_PY)
	cd test/system && MUSTER_BUILD=$(abspath $(BUILD)) /usr/bin/python3 -m pytest -p no:cacheprovider -q $(TESTS)

# The drill: everything under load, broken by a plan made from SEED, healed, and checked; docs/testing.md.
FAULTS ?= 20
SEED ?=
KINDS ?=
DRILL := /usr/bin/python3 test/drill/main.py
.PHONY: drill drill-proof check-drill
drill:
	@deploy/deps.sh build test
	@$(MAKE) --no-print-directory all $(BUILD_PY)
	@$(DRILL) --build $(BUILD) --faults $(FAULTS) $(if $(SEED),--seed $(SEED)) $(if $(KINDS),--kinds $(KINDS))
# That it fails on programs which are wrong.
drill-proof:
	@deploy/deps.sh build test
	@$(MAKE) --no-print-directory FAULT=ack_early all $(BUILD_PY:$(BUILD)/%=build/fault-ack_early/%)
	@$(MAKE) --no-print-directory FAULT=skip_healing all $(BUILD_PY:$(BUILD)/%=build/fault-skip_healing/%)
	$(DRILL) --build build/fault-ack_early --faults 2 --seed 1 --kinds crash --expect lost
	$(DRILL) --build build/fault-skip_healing --faults 3 --seed 1 --kinds cut --expect wrong_final_position

# Its parts: the checker, plans, links.
check-drill:
	/usr/bin/python3 -m pytest -p no:cacheprovider -q test/drill
# make test holds the drill with a plan that is always the same.
test-suites: SEED = 1
test-suites: check-drill drill

# How fast it is, as ratios: docs/performance.md. BENCH=fanout (or several, with commas between) runs some of the
# workloads, BENCH_QUICK=1 with shorter rounds.
BENCH ?=
BENCH_QUICK ?=
BENCH_PROGRAMS := crowd blast copy frames knock positions sink spray
$(BUILD)/bench/crowd: $(BUILD)/test/bench/crowd.o $(BUILD)/test/bench/view.o $(COMMON_OBJECTS)
$(BUILD)/bench/blast: $(BUILD)/test/bench/blast.o
$(BUILD)/bench/copy: $(BUILD)/test/bench/copy.o
$(BUILD)/bench/copy: LIBS_bench = -lpq
$(BUILD)/bench/knock: $(BUILD)/test/bench/knock.o $(COMMON_OBJECTS)
$(BUILD)/bench/sink: $(BUILD)/test/bench/sink.o
$(BUILD)/bench/spray: $(BUILD)/test/bench/spray.o
# The gateway but its main, and without the system calls that frames.c counts.
$(BUILD)/bench/frames: $(BUILD)/test/bench/frames.o $(patsubst %,$(BUILD)/gateway/%.o,$(filter-out main,$(SRC_gateway))) \
  $(EXTRA_gateway) $(COMMON_OBJECTS)
$(BUILD)/bench/frames: LIBS_bench = $(LIBS_gateway) -Wl,--wrap=send,--wrap=epoll_ctl,--wrap=setsockopt,--wrap=close
# The tracker but its main and what it has to do with NATS and Postgres.
$(BUILD)/bench/positions: $(BUILD)/test/bench/positions.o \
  $(patsubst %,$(BUILD)/tracker/%.o,ack admission batcher conn intake message origin pace proxy rate rounds server server_time session) $(COMMON_OBJECTS)
$(BENCH_PROGRAMS:%=$(BUILD)/bench/%):
	@mkdir -p $(@D)
	$(SAY) LINK $@
	$(Q)$(CC) $(CFLAGS) $(LTO) $(LDFLAGS) $^ $(LIBS_bench) $(LIBS_common) -o $@

# Instructions per frame and per position, counted: within 3 % of what test/bench/instructions.json has. A change that is
# meant to change them records them anew. Only plain builds are comparable.
INSTRUCTIONS = /usr/bin/python3 test/bench/instructions.py --build $(BUILD)
check-instructions: $(if $(SANITIZE),,$(BUILD)/bench/frames $(BUILD)/bench/positions)
	@$(if $(SANITIZE),echo 'instructions are not counted with SANITIZE',$(INSTRUCTIONS))
instructions-record: $(BUILD)/bench/frames $(BUILD)/bench/positions
	$(INSTRUCTIONS) --record

.PHONY: bench check-instructions instructions-record
bench:
	@deploy/deps.sh build bench
	@$(MAKE) --no-print-directory --silent all $(BENCH_PROGRAMS:%=$(BUILD)/bench/%)
	@/usr/bin/python3 test/bench/main.py --build $(BUILD) $(if $(BENCH),--only $(BENCH)) $(if $(BENCH_QUICK),--quick)

# All suites run even if one fails, one after the other.
.PHONY: test test-suites
test:
	deploy/deps.sh build test
	$(MAKE) --no-print-directory --keep-going --jobs=1 test-suites
test-suites: FUZZ_RUNS = 100000
test-suites: unit fuzz system

.PHONY: check check-all
check:
	deploy/deps.sh build test bench
	$(MAKE) --no-print-directory check-all check-instructions
check-all: all
	@$(file >$(BUILD)/compiler-flags,$(CPPFLAGS) $(filter-out -flto -ffat-lto-objects,$(CFLAGS)))
	/usr/bin/python3 test/check.py --compiler-flags $(BUILD)/compiler-flags
	/usr/bin/python3 docs/configuration.py $(BUILD)/bin --check
	@$(if $(SANITIZE),echo 'hardening is not looked at with SANITIZE',/usr/bin/python3 test/hardening.py $(BINARIES))

# Pages that are written from what the programs say of themselves.
.PHONY: docs
docs: all
	/usr/bin/python3 docs/configuration.py $(BUILD)/bin

.PHONY: format
format:
	clang-format -i $(shell git ls-files '*.c' '*.h')

# ---- running it here: deploy/local ----
TRACKERS ?= 2
GATEWAYS ?= 2
WORKERS ?= 1000
TEAMS ?= 10
DEVICE_PORT ?= 7300
DEVICE_TLS_PORT ?= 7301
HTTP_PORT ?= 8080
HTTPS_PORT ?= 8443
LIMITS ?=
DURATION ?=
STACK := deploy/local/main.py --programs $(BUILD)/bin
STACK_SIZE = --trackers $(TRACKERS) --gateways $(GATEWAYS) --device-port $(DEVICE_PORT) --http-port $(HTTP_PORT) \
  --device-tls-port $(DEVICE_TLS_PORT) --https-port $(HTTPS_PORT) $(LIMITS:%=--limit %)

.PHONY: deps up down status demo certs
deps:
	deploy/deps.sh build
up:
	@deploy/deps.sh build
	@$(MAKE) --no-print-directory --silent all
	@$(STACK) up $(STACK_SIZE)
down:
	@$(STACK) down
status:
	@$(STACK) status
certs:
	@deploy/deps.sh build
	@$(STACK) certs
demo:
	@deploy/deps.sh build
	@$(MAKE) --no-print-directory --silent all
	@$(STACK) demo $(STACK_SIZE) --workers $(WORKERS) --teams $(TEAMS) $(if $(DURATION),--duration $(DURATION))

.PHONY: clean
clean:
	@[ ! -e .run ] || $(STACK) clean
	rm -rf build node_modules

.PHONY: help
help:
	@echo 'make          builds build/bin/muster-{tracker,gateway,simulator,token}'
	@echo 'make demo     starts everything and simulated workers, prints the address of the map; Ctrl-C ends it'
	@echo '              (WORKERS=$(WORKERS) TEAMS=$(TEAMS) DURATION=seconds, and the settings of make up)'
	@echo 'make up       starts everything in the background, writes .run/env'
	@echo '              (TRACKERS=$(TRACKERS) GATEWAYS=$(GATEWAYS) DEVICE_PORT=$(DEVICE_PORT) HTTP_PORT=$(HTTP_PORT)'
	@echo '               DEVICE_TLS_PORT=$(DEVICE_TLS_PORT) HTTPS_PORT=$(HTTPS_PORT) LIMITS="http_requests=5000 …", by source)'
	@echo 'make certs    makes the certificates that the stack uses, and says where their authority is'
	@echo 'make status   shows what runs; make down stops it and keeps its data'
	@echo 'make test     all tests: unit, fuzz, page, system, drill'
	@echo 'make model    holds tokens, and who may see what, against a model (COUNT=$(COUNT) SEED=number)'
	@echo 'make fuzz     throws any bytes at the parsers (FUZZ_SECONDS=$(FUZZ_SECONDS) for each; TARGETS="frame ws")'
	@echo 'make coverage how much of the parsers their tests run: 95 % of the lines at least'
	@echo 'make drill    breaks a stack under load and checks that nothing is lost (FAULTS=$(FAULTS) SEED=number)'
	@echo 'make bench    how fast it is, as ratios (BENCH=fanout,storm BENCH_QUICK=1)'
	@echo 'make check    format, warnings of gcc and clang, headers, include fences, docs that match the programs,'
	@echo '              hardened programs, and the instructions that a frame and a position take'
	@echo 'make docs     writes docs/configuration.md from what --help says'
	@echo 'make format   formats the C sources'
	@echo 'make deps     installs what this machine lacks from Debian packages; up, demo, check and test do it themselves'
	@echo 'make clean    stops everything and removes all that was built or stored'

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
