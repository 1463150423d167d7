// muster-token inspect: says what a token says, whether it is valid, and why not.
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "command.h"
#include "config.h"
#include "log.h"
#include "token_guard.h"

struct settings {
  char *token, *token_key, *token_keys;
  struct command_nats_settings nats;
};

#define AT(field) offsetof(struct settings, field)
static const struct setting table[] = {
    {"token", SETTING_SECRET, AT(token), "", 0, 0, "the token; without it, it is read from standard input", NULL},
    {"token-key", SETTING_SECRET, AT(token_key), "", 0, 0, "key of tokens without a kid (HS256)", NULL},
    {"token-keys", SETTING_STRING, AT(token_keys), "", 0, 0, "folder of keys, as of trackers and gateways", NULL},
    COMMAND_NATS_SETTINGS(struct settings, nats, ""),
};

static const struct config config = {
    .program = COMMAND_PROGRAM " inspect",
    .about =
        "Prints what a token says, and whether it is valid. Exit status 0 if it is, 1 if it is not or cannot be told.\n"
        "A token is a secret, so it comes from standard input, a file or MUSTER_TOKEN.\n\n"
        "  muster-token mint --team team-1 --subject me | muster-token inspect\n"
        "  muster-token inspect --token-file token.txt --token-keys /etc/muster/keys",
    .settings = table,
    .count = sizeof table / sizeof *table,
};

// A header's or claims' JSON has been parsed and printed anew, so it is one line; control characters are escaped.
static void print_json(const char *name, const char *text, bool header) {
  char *json = token_json(text, strlen(text), header);
  printf("%-11s %s\n", name, json ? json : "-");
  free(json);
}

static void print_time(const char *name, int64_t unix_s, int64_t now_s) {
  char time[COMMAND_TIME_BYTES];
  printf("%-11s %s", name, command_time(unix_s, time));
  if (unix_s) printf(" (%+.1f h)", (double)(unix_s - now_s) / 3600);
  putchar('\n');
}

static void print_claims(const struct token *token, int64_t now_s) {
  printf("%-11s %s\n", "subject", LOG_TEXT(token->subject, strlen(token->subject)));
  printf("%-11s %s\n%-11s ", "role", token_role_name(token->role), "teams");
  for (size_t i = 0; i < token->team_count; i++) printf("%s%s", i ? ", " : "", token->teams[i]);
  printf("%s\n%-11s %s\n", token->role == TOKEN_ADMIN ? "(all)" : "", "jti", *token->id ? token->id : "-");
  print_time("issued", token->issued_s, now_s);
  print_time("not before", token->not_before_s, now_s);
  print_time("expires", token->expires_s, now_s);
}

// NULL if it is valid, else why it is not, or that it cannot be told.
static const char *judge(const struct settings *s, const char *text, int64_t now_s) {
  static char fault[TOKEN_KEYS_FAULT_BYTES];
  struct token token;
  if (!*s->token_key && !*s->token_keys) return "not checked: no keys were given";
  struct token_keys *keys = token_keys_new(s->token_key, s->token_keys, fault);
  if (!keys) return fault;
  enum token_status status = token_verify(keys, text, strlen(text), now_s, &token);
  token_keys_free(keys);
  if (status != TOKEN_OK) return token_status_text(status);
  struct token_stamp stamp = token_stamp_of(&token);
  token_fini(&token);
  if (!*s->nats.url) return NULL;
  struct command_nats nats;
  const char *login_fault = command_nats_open(&nats, &s->nats);
  if (login_fault) return login_fault;
  const char *verdict = !revocation_log_read(nats.log)      ? "not checked: NATS could not be asked what is revoked"
                        : revoked_has(nats.revoked, &stamp) ? token_status_text(TOKEN_REVOKED)
                                                            : NULL;
  command_nats_close(&nats);
  return verdict;
}

static int inspect(const void *settings) {
  const struct settings *s = settings;
  char *text = command_token(s->token);
  if (!text) return command_refuse("there is no token: give it on standard input, by --token-file or MUSTER_TOKEN");
  int64_t now_s = clock_wall_us() / 1000000;
  struct token token;
  print_json("header", text, true);
  print_json("claims", text, false);
  bool readable = token_read(text, strlen(text), &token) == TOKEN_OK;
  if (readable) {
    print_claims(&token, now_s);
    token_fini(&token);
  }
  const char *verdict = readable ? judge(s, text, now_s) : token_status_text(TOKEN_MALFORMED);
  printf("%-11s %s%s\n", "verdict", verdict ? "NOT VALID: " : "valid", verdict ? verdict : "");
  if (!verdict && !*s->nats.url) printf("%-11s %s\n", "", "(whether it is revoked was not asked: --nats-url)");
  free(text);
  return verdict ? 1 : 0;
}

int inspect_main(int argc, char **argv) {
  return command_run(&config, &(struct settings){0}, argc, argv, inspect);
}
