// Tokens' fates as ErrorCodes.
#include "admission.h"

#include <string.h>

static Muster__ErrorCode code_of(enum token_status status) {
  switch (status) {
    case TOKEN_EXPIRED:
      return MUSTER__ERROR_CODE__ERROR_TOKEN_EXPIRED;
    case TOKEN_REVOKED:
      return MUSTER__ERROR_CODE__ERROR_TOKEN_REVOKED;
    case TOKEN_EARLY:
      return MUSTER__ERROR_CODE__ERROR_CLOCK;
    default:
      return MUSTER__ERROR_CODE__ERROR_TOKEN_INVALID;
  }
}

enum admission admission_ask(const struct token_guard *guard, const Muster__Hello *hello, int64_t now_s,
                             struct token *out_token, Muster__ErrorCode *out_code, const char **out_text) {
  enum token_status status = token_guard_admit(guard, hello->token, strlen(hello->token), now_s, out_token);
  *out_code = code_of(status);
  *out_text = token_status_text(status);
  if (status == TOKEN_UNKNOWN) return ADMISSION_LATER;
  if (status != TOKEN_OK) return ADMISSION_REFUSED;
  if (out_token->role != TOKEN_WORKER) {
    *out_text = "the token's role is not worker";
  } else if (hello->team && strcmp(hello->team, out_token->teams[0]) != 0) {
    *out_code = MUSTER__ERROR_CODE__ERROR_WRONG_TEAM;
    *out_text = "the token is for another team than this device";
  } else {
    return ADMISSION_GRANTED;
  }
  token_fini(out_token);
  return ADMISSION_REFUSED;
}

bool admission_over(const struct token_guard *guard, const struct token_stamp *stamp, int64_t now_s, uint64_t looked,
                    Muster__ErrorCode *out_code, const char **out_text) {
  enum token_status status = token_guard_look(guard, stamp, now_s, looked);
  if (status == TOKEN_OK) return false;
  *out_code = code_of(status);
  *out_text = token_status_text(status);
  return true;
}
