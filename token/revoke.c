// muster-token revoke, and revoked: adding to what is revoked, and listing it.
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "command.h"
#include "config.h"
#include "log.h"

#define DAY_S 86400

struct settings {
  char *token, *jti, *subject, *team, *reason;
  struct command_nats_settings nats;
  long issued_until;
  bool tidy;
};

#define AT(field) offsetof(struct settings, field)
static const struct setting revoke_table[] = {
    {"token", SETTING_SECRET, AT(token), "", 0, 0, "the token to be revoked (by its jti)", NULL},
    {"jti", SETTING_STRING, AT(jti), "", 0, 0, "or its jti, as inspect shows it", "MUSTER_TOKEN_JTI"},
    {"subject", SETTING_STRING, AT(subject), "", 0, 0, "or whose tokens are revoked, all that were issued so far",
     "MUSTER_TOKEN_SUBJECT"},
    {"team", SETTING_STRING, AT(team), "", 0, 0, "the subject is a worker's id, of this team", "MUSTER_TOKEN_TEAM"},
    {"issued-until", SETTING_INT, AT(issued_until), "0", 0, 253402300799,
     "Unix time: the subject's tokens that were issued later stay valid; 0: now", "MUSTER_TOKEN_ISSUED_UNTIL"},
    {"reason", SETTING_STRING, AT(reason), "", 0, 0, "for whoever reads the list", "MUSTER_REVOKE_REASON"},
    COMMAND_NATS_SETTINGS(struct settings, nats, "nats://127.0.0.1:4222"),
};
static const struct setting revoked_table[] = {
    {"tidy", SETTING_BOOL, AT(tidy), "false", 0, 0,
     "remove those from the list whose tokens have expired more than a day ago", "MUSTER_REVOKED_TIDY"},
    COMMAND_NATS_SETTINGS(struct settings, nats, "nats://127.0.0.1:4222"),
};

static const struct config revoke_config = {
    .program = COMMAND_PROGRAM " revoke",
    .about =
        "Revokes a token, or all tokens of somebody. Within 5 s every tracker and gateway refuses them, and has ended\n"
        "what they had opened. It cannot be taken back: mint another token instead.\n\n"
        "  muster-token revoke --token-file stolen.txt --reason \"phone lost\"\n"
        "  muster-token revoke --jti 3f1c0e5d9a7b42e8b0c6d1f2a3948576\n"
        "  muster-token revoke --subject anna --reason \"left the company\"\n"
        "  muster-token revoke --subject van-7 --team team-1",
    .settings = revoke_table,
    .count = sizeof revoke_table / sizeof *revoke_table,
};
static const struct config revoked_config = {
    .program = COMMAND_PROGRAM " revoked",
    .about = "Lists what is revoked, and since when.\n\n  muster-token revoked\n  muster-token revoked --tidy",
    .settings = revoked_table,
    .count = sizeof revoked_table / sizeof *revoked_table,
};

// ---- revoke ----

// Of a token that need not be valid: it may be another key's by now, and is refused then anyway.
static const char *by_token(const struct settings *s, struct revocation *out) {
  char *text = command_token(s->token);
  struct token token;
  enum token_status status = text ? token_read(text, strlen(text), &token) : TOKEN_MALFORMED;
  free(text);
  if (status != TOKEN_OK) return "this is no token";
  strcpy(out->id, token.id);
  out->until_s = token.expires_s;
  token_fini(&token);
  return *out->id ? NULL : "this token has no jti: revoke all of its subject's, by --subject";
}

static const char *by_subject(const struct settings *s, int64_t now_s, struct revocation *out) {
  if (*s->team && !ident_valid(s->team, strlen(s->team))) return "--team wants an id";
  if (*s->team && !ident_valid(s->subject, strlen(s->subject))) return "--subject of a worker wants an id";
  // As token_holder names them: a long subject is cut.
  snprintf(out->holder, sizeof out->holder, "%s%s%.*s", s->team, *s->team ? "/" : "", IDENT_MAX_BYTES, s->subject);
  out->issued_until_s = s->issued_until ? s->issued_until : now_s;
  return NULL;
}

// NULL, or what is wrong.
static const char *check(const struct settings *s, int64_t now_s, struct revocation *out) {
  if (!!*s->token + !!*s->jti + !!*s->subject != 1)
    return "give one of --token-file, --jti and --subject; --help shows how";
  *out = (struct revocation){.at_us = clock_wall_us()};
  snprintf(out->reason, sizeof out->reason, "%s", s->reason);
  if (*s->token) return by_token(s, out);
  if (*s->subject) return by_subject(s, now_s, out);
  if (!ident_valid(s->jti, strlen(s->jti))) return "--jti wants an id: [A-Za-z0-9_-], 1 to 64 characters";
  strcpy(out->id, s->jti);
  return NULL;
}

static int revoke(const void *settings) {
  const struct settings *s = settings;
  struct revocation revocation;
  struct command_nats nats;
  char fault[REVOCATION_FAULT_BYTES];
  int64_t now_s = clock_wall_us() / 1000000;
  const char *wrong = check(s, now_s, &revocation);
  if (wrong) return command_refuse("%s", wrong);
  wrong = command_nats_open(&nats, &s->nats);
  if (wrong) return command_refuse("%s", wrong);
  bool good = revocation_log_add(nats.log, &revocation, fault);
  command_nats_close(&nats);
  if (!good) return (void)command_refuse("NOT revoked: %s", fault), 1;
  // Times of tokens are whole seconds: one that is issued from now on must not be of the same second.
  while (*revocation.holder && clock_wall_us() / 1000000 <= revocation.issued_until_s && !s->issued_until) {
    clock_sleep_ms(50);
  }
  printf("revoked %s\n", *revocation.id ? revocation.id : LOG_TEXT(revocation.holder, strlen(revocation.holder)));
  return 0;
}

// ---- revoked ----

struct listing {
  bool tidy;
  int64_t now_s;
};

static bool print_one(void *context, const struct revocation *r) {
  const struct listing *listing = context;
  char at[COMMAND_TIME_BYTES], until[COMMAND_TIME_BYTES];
  bool over = listing->tidy && r->until_s && listing->now_s - DAY_S > r->until_s;
  const char *name = *r->id ? r->id : r->holder;
  printf("%s %s %s", command_time(r->at_us / 1000000, at), *r->id ? "jti" : "subject", LOG_TEXT(name, strlen(name)));
  if (*r->holder) printf(" issued until %s", command_time(r->issued_until_s, until));
  if (r->until_s) printf(" expires %s", command_time(r->until_s, until));
  if (*r->reason) printf(" reason %s", LOG_TEXT(r->reason, strlen(r->reason)));
  printf("%s\n", over ? " (removed)" : "");
  return over;
}

static int list(const void *settings) {
  const struct settings *s = settings;
  struct command_nats nats;
  struct listing listing = {s->tidy, clock_wall_us() / 1000000};
  const char *wrong = command_nats_open(&nats, &s->nats);
  if (wrong) return command_refuse("%s", wrong);
  bool good = revocation_log_list(nats.log, print_one, &listing);
  command_nats_close(&nats);
  if (!good) (void)command_refuse("NATS could not be asked what is revoked");
  return good ? 0 : 1;
}

int revoke_main(int argc, char **argv) {
  return command_run(&revoke_config, &(struct settings){0}, argc, argv, revoke);
}

int revoked_main(int argc, char **argv) {
  return command_run(&revoked_config, &(struct settings){0}, argc, argv, list);
}
