// nats.c 3.4.1 decodes nothing: it takes what stands between "//" and the last '@' as it is, and splits servers at
// commas.
#include "nats_url.h"

#include <stdlib.h>
#include <string.h>

#include "buffer.h"

// Whether nats.c would split it, or a line of its protocol would break.
static bool is_plain(const char *text, const char *splits) {
  for (const char *c = text; *c; c++) {
    if ((unsigned char)*c <= ' ' || *c == 0x7f || strchr(splits, *c)) return false;
  }
  return true;
}

static const char *fault_of(const char *servers, const char *user, const char *password) {
  if (strchr(servers, '@'))
    return "is no place for a user or a password: set MUSTER_NATS_USER and MUSTER_NATS_PASSWORD";
  if (!is_plain(user, ",:@/")) return "the user must not have spaces or any of , : @ /";
  if (!is_plain(password, ",")) return "the password must not have spaces or commas";
  if (!*user && *password) return "there is a password, but MUSTER_NATS_USER is not set";
  if (*user && !*password) return "there is a user, but MUSTER_NATS_PASSWORD (or …_FILE) is not set";
  return NULL;
}

bool nats_url_login(const char *servers, const char *user, const char *password, char **out_url,
                    const char **out_fault) {
  const char *fault = fault_of(servers, user, password);
  if (fault) {
    *out_fault = fault;
    return false;
  }
  struct buffer url = {0};
  for (const char *server = servers; server; server = strchr(server, ',')) {
    if (server != servers) server++;
    size_t len = strcspn(server, ",");
    const char *slashes = memmem(server, len, "//", 2);
    size_t scheme = slashes ? (size_t)(slashes + 2 - server) : 0;
    if (server != servers) buffer_append(&url, ",", 1);
    buffer_append(&url, server, scheme);
    if (*user) buffer_printf(&url, "%s:%s@", user, password);
    buffer_append(&url, server + scheme, len - scheme);
  }
  buffer_append(&url, "", 1);
  *out_url = (char *)url.data;
  return true;
}
