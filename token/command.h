// The commands of muster-token, a file each. They take the arguments behind their name, as argv[1] and on, and return
// the program's exit status: 0 done (and, of inspect, valid), 1 not, 2 wrong usage.
#ifndef MUSTER_COMMAND_H
#define MUSTER_COMMAND_H

#include "revocation_log.h"
#include "token.h"

#define COMMAND_PROGRAM "muster-token"
#define COMMAND_TIME_BYTES 32

int mint_main(int argc, char **argv);
int inspect_main(int argc, char **argv);
int revoke_main(int argc, char **argv);
int revoked_main(int argc, char **argv);

// Loads a command's settings, which are all zero before, runs it on them, and frees them; returns the exit status.
struct config;
int command_run(const struct config *config, void *settings, int argc, char **argv,
                int (*command)(const void *settings));

// Prints "muster-token: …" and returns 2.
int command_refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Takes the line's white space away; reads standard input if text is empty. The caller frees it. NULL: nothing there.
char *command_token(const char *text);

// 2026-11-21T17:00:00Z, or "-" for 0.
const char *command_time(int64_t unix_s, char out[COMMAND_TIME_BYTES]);

// Where revocations are, as settings have it: three fields for the commands' structs and tables.
struct command_nats_settings {
  char *url, *user, *password;
};
#define COMMAND_NATS_SETTINGS(type, field, url_default)                                                               \
  {"nats-url", SETTING_STRING, offsetof(type, field.url), url_default, 0, 0, "NATS server of trackers and gateways",  \
   NULL},                                                                                                             \
      {"nats-user", SETTING_STRING, offsetof(type, field.user), "", 0, 0, "user there; empty: none is needed", NULL}, \
  {                                                                                                                   \
    "nats-password", SETTING_SECRET, offsetof(type, field.password), "", 0, 0, "the user's password", NULL            \
  }

// The log of revocations, and the list that it fills.
struct command_nats {
  char *url;
  struct revoked *revoked;
  struct revocation_log *log;
};
// NULL, or what is wrong with the settings.
const char *command_nats_open(struct command_nats *nats, const struct command_nats_settings *settings);
void command_nats_close(struct command_nats *nats);

#endif
