// muster-token: mints a token and prints it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "config.h"
#include "token.h"

#define PROGRAM "muster-token"
#define TEAMS_MAX 100

struct settings {
  char *role, *team, *teams, *subject;
  double days;
  char *token_key;
};

#define AT(field) offsetof(struct settings, field)
static const struct setting table[] = {
    {"role", SETTING_STRING, AT(role), "manager", 0, 0, "worker, manager or admin (who sees every team)",
     "MUSTER_TOKEN_ROLE"},
    {"team", SETTING_STRING, AT(team), "", 0, 0, "the team that the token speaks for", "MUSTER_TOKEN_TEAM"},
    {"teams", SETTING_STRING, AT(teams), "", 0, 0, "or several, with commas between them", "MUSTER_TOKEN_TEAMS"},
    {"subject", SETTING_STRING, AT(subject), "", 0, 0, "whose it is; a worker's id for role worker",
     "MUSTER_TOKEN_SUBJECT"},
    {"days", SETTING_NUMBER, AT(days), "1", 0, 36500, "how long it is valid", "MUSTER_TOKEN_DAYS"},
    {"token-key", SETTING_SECRET, AT(token_key), "", 0, 0, "key that signs it: that of the trackers and gateways",
     NULL},
};

static const struct config config = {
    .program = PROGRAM,
    .about =
        "Prints a token that is signed with MUSTER_TOKEN_KEY, for trackers and gateways that hold the same key.\n\n"
        "  muster-token --role manager --team team-1 --subject anna --days 1\n"
        "  muster-token --role manager --teams team-1,team-2 --subject ben --days 0.5\n"
        "  muster-token --role worker --team team-1 --subject van-7 --days 365\n"
        "  muster-token --role admin --subject ops\n"
        "  curl -H \"Authorization: Bearer $(muster-token --team team-1 --subject me)\" \\\n"
        "    http://127.0.0.1:8080/api/v1/teams",
    .settings = table,
    .count = sizeof table / sizeof *table,
};

// What is to be signed, checked.
struct order {
  enum token_role role;
  const char *teams[TEAMS_MAX];
  size_t team_count;
};

// Cuts the text at its commas; false if a part is no id or there are too many.
static bool add_teams(struct order *order, char *text) {
  for (char *rest = text, *team; *text && (team = strsep(&rest, ","));) {
    if (order->team_count == TEAMS_MAX || !ident_valid(team, strlen(team))) return false;
    order->teams[order->team_count++] = team;
  }
  return true;
}

// NULL, or what is wrong.
static const char *check(const struct settings *s, struct order *out) {
  static const char *const roles[] = {[TOKEN_WORKER] = "worker", [TOKEN_MANAGER] = "manager", [TOKEN_ADMIN] = "admin"};
  *out = (struct order){0};
  unsigned role = 0;
  while (role < sizeof roles / sizeof *roles && strcmp(s->role, roles[role]) != 0) role++;
  if (role == sizeof roles / sizeof *roles) return "--role is none of worker, manager, admin";
  out->role = (enum token_role)role;
  if (strlen(s->token_key) < TOKEN_KEY_MIN_BYTES) {
    return "set MUSTER_TOKEN_KEY or --token-key-file to a key of 32 bytes or more";
  }
  if (!add_teams(out, s->team) || !add_teams(out, s->teams)) {
    return "--team and --teams want ids: [A-Za-z0-9_-], 1 to 64 characters, at most 100 of them";
  }
  if (!*s->subject) return "--subject is missing: whose token is it?";
  if (out->role == TOKEN_WORKER && !ident_valid(s->subject, strlen(s->subject))) {
    return "--subject of a worker wants an id: [A-Za-z0-9_-], 1 to 64 characters";
  }
  if (out->role == TOKEN_WORKER && out->team_count != 1) return "a worker has one team: --team";
  if (out->role == TOKEN_MANAGER && out->team_count == 0) return "a manager has a team: --team or --teams";
  return s->days > 0 ? NULL : "--days is not more than 0";
}

static int mint(const struct settings *s, const struct order *order) {
  int64_t now_s = clock_wall_us() / 1000000;
  char *token = token_mint(s->token_key, s->subject, order->role, order->teams, order->team_count, now_s,
                           now_s + (int64_t)(s->days * 86400));
  bool good = token && printf("%s\n", token) > 0 && fflush(stdout) == 0;
  if (!good) fprintf(stderr, "%s: the token could not be made or written\n", PROGRAM);
  free(token);
  return good ? 0 : 1;
}

int main(int argc, char **argv) {
  struct settings settings = {0};
  struct order order;
  enum config_status loaded = config_load(&config, &settings, argc, argv);
  int status = loaded == CONFIG_DONE ? 0 : 2;
  if (loaded == CONFIG_OK) {
    const char *fault = check(&settings, &order);
    if (fault) {
      fprintf(stderr, "%s: %s\n", PROGRAM, fault);
    } else {
      status = mint(&settings, &order);
    }
  }
  config_free(&config, &settings);
  return status;
}
