// Which devices may come in, and stay: tokens as the device protocol tells of them. Pure but for what the guard holds;
// the tracker's loop.
#ifndef MUSTER_ADMISSION_H
#define MUSTER_ADMISSION_H

#include "device.pb-c.h"
#include "token_guard.h"

enum admission {
  ADMISSION_GRANTED,
  ADMISSION_REFUSED,  // *out_code and *out_text say why
  ADMISSION_LATER,    // what is revoked is not known here yet: the device is to come again
};

// On ADMISSION_GRANTED, token_fini frees what out_token holds.
enum admission admission_ask(const struct token_guard *guard, const Muster__Hello *hello, int64_t now_s,
                             struct token *out_token, Muster__ErrorCode *out_code, const char **out_text);

// True, and why, if a device that was let in must go. looked: the revoked_version at which it was last looked at.
bool admission_over(const struct token_guard *guard, const struct token_stamp *stamp, int64_t now_s, uint64_t looked,
                    Muster__ErrorCode *out_code, const char **out_text);

#endif
