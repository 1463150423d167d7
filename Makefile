# Muster. `make` builds, `make demo` shows it, `make test` proves it; `make help` lists the rest.
VERSION := 0.1.0

# SANITIZE=address,undefined or SANITIZE=thread builds into a folder of its own.
BUILD := build$(if $(SANITIZE),/$(subst $(comma),-,$(SANITIZE)))
comma := ,

CC := gcc
PKG := libuv libnats libcjson libjwt libpq libprotobuf-c
CPPFLAGS += -D_GNU_SOURCE -DMUSTER_VERSION='"$(VERSION)"' -Icommon -I$(BUILD)/gen $(shell pkg-config --cflags $(PKG) 2>/dev/null)
CFLAGS ?= -O2 -g
CFLAGS += -std=gnu11 -Wall -Wextra -Wshadow -Wconversion -Werror -fno-omit-frame-pointer -fno-common
LDFLAGS += -Wl,--as-needed
ifdef SANITIZE
CFLAGS += -fsanitize=$(SANITIZE) -fno-sanitize-recover=undefined
LDFLAGS += -fsanitize=$(SANITIZE)
endif
LIBS_common := -luv -ljwt -lcjson -lprotobuf-c -lpthread -lm

# ---- sources: every file is named here ----
PROTO := device team
COMMON := buffer clock config frame hist ident log mailbox metrics position subject token update wire
SRC_tracker :=
LIBS_tracker := -lnats -lpq -lcivetweb
SRC_gateway :=
LIBS_gateway := -lnats -lpq -lcivetweb
SRC_simulator :=
LIBS_simulator :=
SRC_token := main
LIBS_token :=
UNIT_TESTS := buffer config frame hist ident metrics position token update wire

PROGRAMS := tracker gateway simulator token
BINARIES := $(PROGRAMS:%=$(BUILD)/bin/muster-%)
PROTO_OBJECTS := $(PROTO:%=$(BUILD)/gen/%.pb-c.o)
COMMON_OBJECTS := $(COMMON:%=$(BUILD)/common/%.o) $(PROTO_OBJECTS)

.PHONY: all
all: $(BINARIES)

# ---- generated code ----
$(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h: proto/%.proto
	@mkdir -p $(@D)
	protoc-c --proto_path=proto --c_out=$(BUILD)/gen $<
$(BUILD)/gen/%.o: CFLAGS += -Wno-conversion
GENERATED := $(PROTO:%=$(BUILD)/gen/%.pb-c.h)

$(BUILD)/gen/%.o: $(BUILD)/gen/%.c
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -c $< -o $@
$(BUILD)/%.o: %.c | $(GENERATED)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -c $< -o $@
.SECONDARY:

# ---- programs ----
define program
$(BUILD)/bin/muster-$(1): $(SRC_$(1):%=$(BUILD)/$(1)/%.o) $(EXTRA_$(1)) $(COMMON_OBJECTS)
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS) $$(LDFLAGS) $$^ $(LIBS_$(1)) $(LIBS_common) -o $$@
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

# ---- tests ----
# A unit test links everything of ours but the programs' main files, so it can reach any pure part.
UNIT_OBJECTS := $(COMMON_OBJECTS) $(foreach p,$(PROGRAMS),$(patsubst %,$(BUILD)/$(p)/%.o,$(UNIT_$(p))))
$(BUILD)/test/test_%: $(BUILD)/test/unit/test_%.o $(UNIT_OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) $^ -lcmocka $(LIBS_common) -o $@

.PHONY: unit
unit: $(UNIT_TESTS:%=$(BUILD)/test/test_%)
	@for test in $^; do $$test || exit 1; done

.PHONY: clean
clean:
	rm -rf build .run node_modules

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
