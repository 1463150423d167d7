// Token and list together.
#include "token_guard.h"

#include <string.h>

#include "log.h"

bool token_guard_open(struct token_guard *guard, const char *plain, const char *path,
                      char out_fault[TOKEN_KEYS_FAULT_BYTES]) {
  guard->keys = token_keys_new(plain, path, out_fault);
  if (guard->keys) guard->revoked = revoked_new();
  return guard->keys != NULL;
}

void token_guard_close(struct token_guard *guard) {
  revoked_free(guard->revoked);
  token_keys_free(guard->keys);
}

void token_guard_reload(const struct token_guard *guard) {
  char fault[TOKEN_KEYS_FAULT_BYTES];
  if (token_keys_reload(guard->keys, fault)) {
    log_info("token_keys_read", "keys=%zu", token_keys_count(guard->keys));
  } else {
    log_error("token_keys_not_read", "fault=%s old_ones=kept", LOG_TEXT(fault, strlen(fault)));
  }
}

enum token_status token_guard_admit(const struct token_guard *guard, const char *text, size_t text_len, int64_t now_s,
                                    struct token *out_token) {
  enum token_status status = token_verify(guard->keys, text, text_len, now_s, out_token);
  if (status != TOKEN_OK) return status;
  struct token_stamp stamp = token_stamp_of(out_token);
  if (!revoked_known(guard->revoked)) {
    status = TOKEN_UNKNOWN;
  } else if (revoked_has(guard->revoked, &stamp)) {
    status = TOKEN_REVOKED;
  }
  if (status != TOKEN_OK) token_fini(out_token);
  return status;
}

enum token_status token_guard_look(const struct token_guard *guard, const struct token_stamp *stamp, int64_t now_s,
                                   uint64_t looked) {
  if (token_time_status(0, stamp->expires_s, now_s) == TOKEN_EXPIRED) return TOKEN_EXPIRED;
  bool again = revoked_version(guard->revoked) != looked;
  return again && revoked_has(guard->revoked, stamp) ? TOKEN_REVOKED : TOKEN_OK;
}
