// muster-token mint: signs a token and prints it.
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"
#include "command.h"
#include "config.h"

#define TEAMS_MAX 100
#define ID_BYTES 16

struct settings {
  char *role, *team, *teams, *subject, *jti, *algorithm, *kid, *token_key;
  double days;
  long not_before;
};

#define AT(field) offsetof(struct settings, field)
static const struct setting table[] = {
    {"role", SETTING_STRING, AT(role), "manager", 0, 0, "worker, manager or admin (who sees every team)",
     "MUSTER_TOKEN_ROLE"},
    {"team", SETTING_STRING, AT(team), "", 0, 0, "the team that the token speaks for", "MUSTER_TOKEN_TEAM"},
    {"teams", SETTING_STRING, AT(teams), "", 0, 0, "or several, with commas between them", "MUSTER_TOKEN_TEAMS"},
    {"subject", SETTING_STRING, AT(subject), "", 0, 0, "whose it is; a worker's id for role worker",
     "MUSTER_TOKEN_SUBJECT"},
    {"days", SETTING_NUMBER, AT(days), "1", 0, 36500, "how long it is valid, from now or --not-before on",
     "MUSTER_TOKEN_DAYS"},
    {"not-before", SETTING_INT, AT(not_before), "0", 0, 253402300799, "Unix time from which on it is valid; 0: at once",
     "MUSTER_TOKEN_NOT_BEFORE"},
    {"jti", SETTING_STRING, AT(jti), "", 0, 0, "the token's id, by which it alone can be revoked; empty: one at random",
     "MUSTER_TOKEN_JTI"},
    {"algorithm", SETTING_STRING, AT(algorithm), "HS256", 0, 0, "HS256, RS256 or ES256", "MUSTER_TOKEN_ALGORITHM"},
    {"kid", SETTING_STRING, AT(kid), "", 0, 0,
     "name of the key, as it has in the folder of trackers and gateways; empty: the one without a name",
     "MUSTER_TOKEN_KID"},
    {"token-key", SETTING_SECRET, AT(token_key), "", 0, 0,
     "key that signs it: the secret of HS256, or a private key as PEM", NULL},
};

static const struct config config = {
    .program = COMMAND_PROGRAM " mint",
    .about =
        "Prints a token, signed with MUSTER_TOKEN_KEY (or --token-key-file), for trackers and gateways that have the\n"
        "same key, or the public half of it.\n\n"
        "  muster-token mint --role manager --team team-1 --subject anna --days 1\n"
        "  muster-token mint --role manager --teams team-1,team-2 --subject ben --days 0.5\n"
        "  muster-token mint --role worker --team team-1 --subject van-7 --days 365\n"
        "  muster-token mint --role admin --subject ops\n"
        "  muster-token mint --algorithm ES256 --kid 2026-11 --token-key-file ec-private.pem --team team-1 --subject "
        "me\n"
        "  curl -H \"Authorization: Bearer $(muster-token mint --team team-1 --subject me)\" \\\n"
        "    http://127.0.0.1:8080/api/v1/teams\n\n"
        "Keys: openssl rand -hex 32 > 2026-11.hs256\n"
        "      openssl ecparam -name prime256v1 -genkey -noout -out ec-private.pem\n"
        "      openssl ec -in ec-private.pem -pubout -out 2026-11.es256",
    .settings = table,
    .count = sizeof table / sizeof *table,
};

// What is to be signed, checked.
struct request {
  struct token_signer signer;
  struct token_order order;
  const char *teams[TEAMS_MAX];
  char id[2 * ID_BYTES + 1];
};

// Cuts the text at its commas; false if a part is no id or there are too many.
static bool add_teams(struct request *request, char *text) {
  for (char *rest = text, *team; *text && (team = strsep(&rest, ","));) {
    if (request->order.team_count == TEAMS_MAX || !ident_valid(team, strlen(team))) return false;
    request->teams[request->order.team_count++] = team;
  }
  return true;
}

static bool take_role(const char *text, enum token_role *out) {
  for (enum token_role role = TOKEN_WORKER; role <= TOKEN_ADMIN; role++) {
    if (strcmp(text, token_role_name(role)) == 0) return *out = role, true;
  }
  return false;
}

static const char *random_id(char out[2 * ID_BYTES + 1]) {
  unsigned char bytes[ID_BYTES];
  if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) abort();
  for (size_t i = 0; i < sizeof bytes; i++) snprintf(out + 2 * i, 3, "%02x", bytes[i]);
  return out;
}

// NULL, or what is wrong.
static const char *check_signer(const struct settings *s, struct request *out) {
  out->signer = (struct token_signer){.kid = s->kid, .key = s->token_key};
  if (!token_algorithm_parse(s->algorithm, &out->signer.algorithm)) {
    return "--algorithm is none of HS256, RS256, ES256";
  }
  if (!*s->token_key) return "set MUSTER_TOKEN_KEY or --token-key-file to the key that signs";
  if (out->signer.algorithm == TOKEN_HS256 && strlen(s->token_key) < TOKEN_KEY_MIN_BYTES) {
    return "MUSTER_TOKEN_KEY, or the file of --token-key-file, has less than the 32 bytes that HS256 wants";
  }
  return *s->kid && !ident_valid(s->kid, strlen(s->kid)) ? "--kid wants an id: [A-Za-z0-9_-], 1 to 64 characters"
                                                         : NULL;
}

// NULL, or what is wrong.
static const char *check(const struct settings *s, struct request *out) {
  struct token_order *order = &out->order;
  order->teams = out->teams;
  order->subject = s->subject;
  order->id = *s->jti ? s->jti : random_id(out->id);
  if (!take_role(s->role, &order->role)) return "--role is none of worker, manager, admin";
  if (!ident_valid(order->id, strlen(order->id))) return "--jti wants an id: [A-Za-z0-9_-], 1 to 64 characters";
  if (!add_teams(out, s->team) || !add_teams(out, s->teams)) {
    return "--team and --teams want ids: [A-Za-z0-9_-], 1 to 64 characters, at most 100 of them";
  }
  if (!*s->subject) return "--subject is missing: whose token is it?";
  if (order->role == TOKEN_WORKER && !ident_valid(s->subject, strlen(s->subject))) {
    return "--subject of a worker wants an id: [A-Za-z0-9_-], 1 to 64 characters";
  }
  if (order->role == TOKEN_WORKER && order->team_count != 1) return "a worker has one team: --team";
  if (order->role == TOKEN_MANAGER && order->team_count == 0) return "a manager has a team: --team or --teams";
  if (s->days <= 0) return "--days is not more than 0";
  order->issued_s = clock_wall_us() / 1000000;
  order->not_before_s = s->not_before;
  order->expires_s = (s->not_before ? s->not_before : order->issued_s) + (int64_t)(s->days * 86400);
  return NULL;
}

static int mint(const void *settings) {
  const struct settings *s = settings;
  struct request request = {0};
  const char *fault = check_signer(s, &request);
  if (!fault) fault = check(s, &request);
  if (fault) return command_refuse("%s", fault);
  char *token = token_sign(&request.signer, &request.order);
  bool good = token && printf("%s\n", token) > 0 && fflush(stdout) == 0;
  if (!good) (void)command_refuse("the token could not be made or written; is the key one of %s?", s->algorithm);
  free(token);
  return good ? 0 : 1;
}

int mint_main(int argc, char **argv) {
  return command_run(&config, &(struct settings){0}, argc, argv, mint);
}
