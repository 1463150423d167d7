// Who may see what: random claims, keys, revocations, teams, routes and ways to bring a token, through the gateway's
// own table of routes and the tracker's admission. Behind the handlers are stand-ins that have data of every team, each
// with the team's name in it; what comes out is held against a few lines that say who may have it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../gateway/api.h"
#include "../../gateway/assets.h"
#include "../../gateway/door.h"
#include "../../gateway/routes.h"
#include "../../tracker/admission.h"
#include "log.h"
#include "model.h"

#define TEAMS_MAX 4

static const char *const known[] = {"Red", "blue", "re", "red", "red2", "t-1", "t_1"};  // sorted
static const char *const names[] = {"Red",   "blue",    "re",  "red", "red2", "t-1",  "t_1", "live",
                                    "ghost", "phantom", "a.b", "*",   "",     "red/", "r d", "red%2e"};
#define KNOWN (sizeof known / sizeof *known)
#define NAMES (sizeof names / sizeof *names)
#define LIVE "live"  // known to the fan-out only

// ---- what is behind the handlers ----

static char seen_team[65], seen_worker[65];  // whose data a socket was given, or whose links were asked for
static int pair[2];

int64_t __wrap_clock_wall_us(void);
int64_t __wrap_clock_wall_us(void) {
  return MODEL_NOW * 1000000;
}

static struct team *data_of(const char *name) {
  struct team *team = team_new(name);
  char worker[80];
  int len = snprintf(worker, sizeof worker, "worker-of-%s", name);
  team_merge_worker(team, (struct slice){worker, (size_t)len});
  return team;
}

static bool is_known(const char *name) {
  for (size_t i = 0; i < KNOWN; i++) {
    if (strcmp(known[i], name) == 0) return true;
  }
  return false;
}

enum directory_status directory_teams(struct directory *directory, struct snapshot_team **out, size_t *out_count) {
  (void)directory;
  *out = calloc(KNOWN, sizeof **out);
  *out_count = KNOWN;
  for (size_t i = 0; i < KNOWN; i++) strcpy((*out)[i].name, known[i]);
  return DIRECTORY_OK;
}

enum directory_status directory_knows(struct directory *directory, const char *team, bool *out_known) {
  (void)directory;
  *out_known = is_known(team);
  return DIRECTORY_OK;
}

enum directory_status directory_load(struct directory *directory, const char *team, struct team **out) {
  (void)directory;
  *out = data_of(team);
  return DIRECTORY_OK;
}

struct team *fanout_copy(struct fanout *fanout, const char *team, bool *out_partial) {
  (void)fanout;
  *out_partial = false;
  return strcmp(team, LIVE) == 0 || (is_known(team) && team[0] == 'r') ? data_of(team) : NULL;
}

bool fanout_holds(struct fanout *fanout, const char *team) {
  (void)fanout, (void)team;
  return false;
}

void fanout_attach(struct fanout *fanout, const struct arrival *arrival) {
  char bytes[512];
  (void)fanout;
  strcpy(seen_team, arrival->team);
  strcpy(seen_worker, arrival->worker ? arrival->worker : "");
  close(arrival->fd);
  places_release(arrival->place);
  while (recv(pair[1], bytes, sizeof bytes, MSG_DONTWAIT) > 0) continue;
}

bool feed_connected(struct feed *feed) {
  (void)feed;
  return true;
}

bool join_database_answers(struct join *join) {
  (void)join;
  return true;
}

enum history_status history_open(const char *url, const struct history_range *range, struct history **out) {
  (void)url;
  *out = NULL;
  strcpy(seen_team, range->team);
  strcpy(seen_worker, range->worker ? range->worker : "");
  return HISTORY_OK;
}

bool tracks_take_place(struct tracks *tracks) {
  (void)tracks;
  return true;
}

void tracks_give_place(struct tracks *tracks) {
  (void)tracks;
}

void tracks_send(struct tracks *tracks, struct history *history, int fd, const struct token_stamp *stamp, bool tls) {
  (void)tracks, (void)history, (void)stamp, (void)tls;
  close(fd);
}

int door_detach(struct carrier *carrier) {
  (void)carrier;
  return dup(pair[0]);
}

enum share_status share_log_add(struct share_log *log, const struct share_link *link) {
  (void)log;
  strcpy(seen_team, link->team);
  return SHARE_OK;
}

enum share_status share_log_list(struct share_log *log, const char *team, int64_t now_s, struct share_link **out,
                                 size_t *out_count) {
  (void)log, (void)now_s;
  strcpy(seen_team, team);
  *out = NULL;
  *out_count = 0;
  return SHARE_OK;
}

enum share_status share_log_find(struct share_log *log, const char *team, const char *id, struct share_link *out) {
  (void)log;
  strcpy(seen_team, team);
  *out = (struct share_link){0};
  strcpy(out->team, team);
  strcpy(out->id, id);
  return SHARE_OK;
}

enum share_status share_log_remove(struct share_log *log, const char *team, const char *id) {
  (void)log, (void)team, (void)id;
  return SHARE_OK;
}

bool revocation_log_add(struct revocation_log *log, const struct revocation *revocation,
                        char out_fault[REVOCATION_FAULT_BYTES]) {
  (void)log, (void)revocation, (void)out_fault;
  return true;
}

bool assets_serve(const char *policy, const struct http_request *request, struct http_response *response) {
  (void)policy, (void)request, (void)response;
  return false;
}

const char *http_request_header(const struct http_request *request, const char *name) {
  static const char *const headers[][2] = {{"Upgrade", "websocket"},
                                           {"Connection", "Upgrade"},
                                           {"Sec-WebSocket-Version", "13"},
                                           {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
                                           {"Sec-WebSocket-Protocol", "muster.v1.json"}};
  (void)request;
  for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
    if (strcmp(headers[i][0], name) == 0) return headers[i][1];
  }
  return NULL;
}

// ---- a token, and what the model makes of it ----

enum signer { SIGNED, SIGNED_BY_KID, WRONG_SECRET, WRONG_KID, UNSIGNED, SIGNERS };

struct spec {
  enum signer signer;
  const char *role, *subject, *id, *worker;  // id, worker: NULL for none
  const char *teams[TEAMS_MAX];
  unsigned team_count;
  bool as_array, has_teams;
  long long expires_s, not_before_s, issued_s;  // 0: none
};

static const char *const subjects[] = {"anna", "ben", "van-7", "van.7", "red/van-7"};
static const char *const ids[] = {NULL, "id-1", "id-2", "gone", "i d"};

static struct spec random_spec(void) {
  static const char *const workers[] = {"walk", "walk", "worker-of-red", "a.b"};
  static const char *const roles[] = {"worker", "manager", "manager", "viewer", "admin", "admin", "root", "Admin"};
  static const long long expiries[] = {3600, 3600, 3600, 3600, 60, 1, 0, -1, -2, -3, -3600};
  static const long long issues[] = {0, 1, 59, 60, 61, 200};
  static const long long starts[] = {0, 0, 0, 0, 0, -60, 5, 6, 60};
  struct spec spec = {.signer = model_below(8) ? (enum signer)model_below(2) : (enum signer)model_below(SIGNERS),
                      .role = roles[model_below(8)],
                      .subject = subjects[model_below(5)],
                      .id = ids[model_below(5)],
                      .team_count = model_below(TEAMS_MAX + 1),
                      .expires_s = MODEL_NOW + expiries[model_below(11)]};
  long long start = starts[model_below(9)];
  if (start) spec.not_before_s = MODEL_NOW + start;
  if (model_below(4)) spec.issued_s = MODEL_NOW - issues[model_below(6)];
  for (unsigned i = 0; i < spec.team_count; i++)
    spec.teams[i] = names[model_below(20) ? model_below(10) : model_below(NAMES)];
  spec.as_array = spec.team_count != 1 || model_below(2);
  spec.has_teams = spec.team_count || model_below(2);
  // Restricted to one worker, rightly or not.
  if (model_below(strcmp(spec.role, "viewer") == 0 ? 2 : 40) == 0) spec.worker = workers[model_below(4)];
  return spec;
}

static void write_spec(const struct spec *spec, char out[MODEL_TOKEN_BYTES]) {
  char claims[1024];
  int n = snprintf(claims, sizeof claims, "{\"sub\":\"%s\",\"role\":\"%s\",\"exp\":%lld", spec->subject, spec->role,
                   spec->expires_s);
  if (spec->not_before_s) n += snprintf(claims + n, sizeof claims - (size_t)n, ",\"nbf\":%lld", spec->not_before_s);
  if (spec->issued_s) n += snprintf(claims + n, sizeof claims - (size_t)n, ",\"iat\":%lld", spec->issued_s);
  if (spec->worker) n += snprintf(claims + n, sizeof claims - (size_t)n, ",\"worker\":\"%s\"", spec->worker);
  if (spec->id) n += snprintf(claims + n, sizeof claims - (size_t)n, ",\"jti\":\"%s\"", spec->id);
  if (spec->has_teams)
    n += snprintf(claims + n, sizeof claims - (size_t)n, spec->as_array ? ",\"teams\":[" : ",\"team\":");
  for (unsigned i = 0; i < spec->team_count; i++) {
    n += snprintf(claims + n, sizeof claims - (size_t)n, "%s\"%s\"", i ? "," : "", spec->teams[i]);
  }
  snprintf(claims + n, sizeof claims - (size_t)n, spec->has_teams && spec->as_array ? "]}" : "}");
  static const char *const headers[SIGNERS] = {"{\"alg\":\"HS256\"}", "{\"alg\":\"HS256\",\"kid\":\"second\"}",
                                               "{\"alg\":\"HS256\"}", "{\"alg\":\"HS256\",\"kid\":\"third\"}",
                                               "{\"alg\":\"none\"}"};
  bool other = spec->signer == SIGNED_BY_KID || spec->signer == WRONG_SECRET;
  model_sign(out, headers[spec->signer], claims, other ? MODEL_OTHER_SECRET : MODEL_SECRET);
  if (spec->signer == UNSIGNED) *(strrchr(out, '.') + 1) = '\0';
}

static bool is_id(const char *text) {
  size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
  return len >= 1 && len <= 64 && !text[len];
}

static bool is_sound(const struct spec *spec) {
  bool worker = strcmp(spec->role, "worker") == 0, admin = strcmp(spec->role, "admin") == 0;
  bool viewer = strcmp(spec->role, "viewer") == 0;
  if (!worker && !admin && !viewer && strcmp(spec->role, "manager") != 0) return false;
  if (viewer && spec->team_count != 1) return false;
  if (spec->worker && (!viewer || !is_id(spec->worker))) return false;
  for (unsigned i = 0; i < spec->team_count; i++) {
    if (!is_id(spec->teams[i])) return false;
  }
  if (!admin && !spec->has_teams) return false;
  if (spec->id && !is_id(spec->id)) return false;
  return !worker || (spec->team_count == 1 && is_id(spec->subject));
}

// "gone" was revoked; so were ben's tokens up to a minute ago, and those of van-7 of team red.
static bool is_revoked(const struct spec *spec) {
  bool worker = strcmp(spec->role, "worker") == 0;
  if (spec->id && strcmp(spec->id, "gone") == 0) return true;
  if (!worker && strcmp(spec->subject, "ben") == 0 && spec->issued_s <= MODEL_NOW - 60) return true;
  bool red = worker && strcmp(spec->subject, "van-7") == 0 && strcmp(spec->teams[0], "red") == 0;
  return (red || (!worker && strcmp(spec->subject, "red/van-7") == 0)) && spec->issued_s <= MODEL_NOW;
}

// The code that it is refused with, or "".
static const char *verdict_on(const struct spec *spec) {
  if (spec->signer > SIGNED_BY_KID) return "token_signature";
  if (!is_sound(spec)) return "token_malformed";
  if (MODEL_NOW >= spec->expires_s + 2) return "token_expired";
  if (MODEL_NOW < spec->not_before_s - 5) return "token_early";
  return is_revoked(spec) ? "token_revoked" : "";
}

static bool names_team(const struct spec *spec, const char *team) {
  for (unsigned i = 0; i < spec->team_count; i++) {
    if (strcmp(spec->teams[i], team) == 0) return true;
  }
  return false;
}

static bool may_see(const struct spec *spec, const char *team) {
  if (strcmp(spec->role, "admin") == 0) return true;
  return strcmp(spec->role, "worker") != 0 && names_team(spec, team);
}

// ---- a request ----

enum route {
  TEAMS,
  POSITIONS,
  STREAM,
  SOCKET,
  TRACK,
  WORKER_TRACK,
  CLUSTER,
  SHARES,
  SHARE,
  UNSHARE,
  SESSION,
  CONFIG,
  ROUTES
};

static const struct {
  const char *method, *format, *query;
} routes[ROUTES] = {{"GET", "/api/v1/teams", NULL},
                    {"GET", "/api/v1/teams/%s/positions", NULL},
                    {"GET", "/api/v1/teams/%s/stream", NULL},
                    {"GET", "/api/v1/teams/%s/socket", NULL},
                    {"GET", "/api/v1/teams/%s/track", "from=1&to=2"},
                    {"GET", "/api/v1/teams/%s/workers/walk/track", "from=1&to=2"},
                    {"GET", "/api/v1/cluster", NULL},
                    {"GET", "/api/v1/teams/%s/shares", NULL},
                    {"POST", "/api/v1/teams/%s/shares", "expires_in_s=60"},
                    {"DELETE", "/api/v1/teams/%s/shares/link", NULL},
                    {"POST", "/api/v1/session", NULL},
                    {"GET", "/api/v1/config", NULL}};

struct answer {
  int status;
  char code[32];
  char *body;
};

static struct answer ask(struct gateway *gateway, enum route route, bool shared, const char *team,
                         const char *authorization, const char *cookie) {
  char path[256] = "/api/v1/shared";
  struct http_response response = {0};
  size_t at = shared ? strlen("/api/v1/shared") : 0;
  snprintf(path + at, sizeof path - at, routes[route].format + (shared ? strlen("/api/v1") : 0), team);
  struct http_request request = {.method = routes[route].method,
                                 .path = path,
                                 .query = routes[route].query,
                                 .authorization = authorization,
                                 .cookie = cookie};
  *seen_team = *seen_worker = '\0';
  routes_answer(gateway, &request, &response);
  struct answer answer = {
      .status = response.status,
      .body = strndup(response.body.len ? (const char *)response.body.data : "", response.body.len)};
  const char *code = answer.body ? strstr(answer.body, "\"error\":{\"code\":\"") : NULL;
  if (code) snprintf(answer.code, sizeof answer.code, "%.*s", (int)strcspn(code + 17, "\""), code + 17);
  http_response_fini(&response);
  token_fini(&request.token);
  return answer;
}

// What the answer's code must be, "" for a good one.
static const char *expected(const struct spec *spec, enum route route, bool shared, const char *team, bool by_cookie) {
  const char *verdict = verdict_on(spec);
  bool viewer = strcmp(spec->role, "viewer") == 0;
  // An empty or slashed name makes another path, and that is looked at before the token.
  if (strchr(routes[route].format, '%') && (!*team || strchr(team, '/'))) return "not_found";
  if (route == CONFIG) return "";
  if (*verdict) return verdict;
  if (strcmp(spec->role, "worker") == 0 || (shared && !viewer)) return "forbidden";
  if (viewer && route >= CLUSTER && route <= UNSHARE) return "forbidden";
  if (route == SESSION) return by_cookie ? "token_missing" : "";
  if (route == TEAMS || route == CLUSTER) return "";
  if (!is_id(team)) return "unknown_team";
  if (!may_see(spec, team)) return "forbidden";
  if (route == WORKER_TRACK && spec->worker && strcmp(spec->worker, "walk") != 0) return "forbidden";
  if (names_team(spec, team) || is_known(team) || strcmp(team, LIVE) == 0) return "";
  return "unknown_team";
}

// Whether anything in it is of a team that the token may not see.
static bool leaks(const struct spec *spec, const char *body) {
  static const char *const marks[] = {"worker-of-", "\"team\":\""};
  for (size_t i = 0; i < 2; i++) {
    for (const char *at = body; (at = strstr(at, marks[i]));) {
      char team[128];
      at += strlen(marks[i]);
      snprintf(team, sizeof team, "%.*s", (int)strcspn(at, "\""), at);
      if (!may_see(spec, team)) return true;
    }
  }
  return false;
}

static bool is_listed(const char *body, const char *team) {
  char mark[128];
  snprintf(mark, sizeof mark, "\"team\":\"%s\"", team);
  return strstr(body, mark) != NULL;
}

// Whether a good answer has what it should, all of it and nothing else.
static bool is_right(const struct spec *spec, enum route route, const char *team, const struct answer *answer) {
  bool whole = true;
  switch (route) {
    case TEAMS:
      for (size_t i = 0; i < NAMES; i++) {
        bool should = (may_see(spec, names[i]) && is_known(names[i])) || names_team(spec, names[i]);
        whole = whole && is_listed(answer->body, names[i]) == should;
      }
      if (spec->worker) {  // no counts
        char only[256];
        snprintf(only, sizeof only, "{\"teams\":[{\"team\":\"%s\",\"worker\":\"%s\"}]}", spec->teams[0], spec->worker);
        return strcmp(answer->body, only) == 0;
      }
      return whole && !leaks(spec, answer->body);
    case POSITIONS:
      if (spec->worker) {
        bool own = strcmp(spec->worker, "worker-of-red") == 0 && strcmp(team, "red") == 0;
        return own == (strstr(answer->body, "worker-of-") != NULL) && !leaks(spec, answer->body);
      }
      return !leaks(spec, answer->body);
    case STREAM:
    case SOCKET:
    case TRACK:
      return strcmp(seen_team, team) == 0 && strcmp(seen_worker, spec->worker ? spec->worker : "") == 0;
    case SHARES:
    case SHARE:
    case UNSHARE:
      return strcmp(seen_team, team) == 0;
    case WORKER_TRACK:
      return strcmp(seen_team, team) == 0 && strcmp(seen_worker, "walk") == 0;
    default:
      return !*seen_team && !strstr(answer->body, "worker-of-");
  }
}

static bool check_route(struct gateway *gateway, const struct spec *spec, const char *token) {
  enum route route = (enum route)model_below(ROUTES);
  bool shared = route != CONFIG && model_below(5) == 0;  // below the path of share links
  // Half of the teams that are asked for are the token's.
  const char *team =
      spec->team_count && model_below(2) ? spec->teams[model_below(spec->team_count)] : names[model_below(NAMES)];
  static char powerful[MODEL_TOKEN_BYTES];
  if (!*powerful)
    model_sign(powerful, "{\"alg\":\"HS256\"}", "{\"sub\":\"o\",\"role\":\"admin\",\"exp\":1984370000}", MODEL_SECRET);
  char header[MODEL_TOKEN_BYTES + 16], cookie[MODEL_TOKEN_BYTES + 64];
  bool by_cookie = model_below(3) == 0;
  bool both = !by_cookie && model_below(4) == 0;  // the header counts
  snprintf(header, sizeof header, "Bearer %s", token);
  // The other cookie counts for nothing.
  snprintf(cookie, sizeof cookie, "a=b; muster_%s=x; muster_%s=%s", shared ? "token" : "share",
           shared ? "share" : "token", both ? powerful : token);
  struct answer answer =
      ask(gateway, route, shared, team, by_cookie ? NULL : header, by_cookie || both ? cookie : NULL);
  const char *code = expected(spec, route, shared, team, by_cookie);
  bool good = strcmp(answer.code, code) == 0;
  if (!*code) good = good && answer.status < 300 && is_right(spec, route, team, &answer);
  if (*code) good = good && answer.status >= 400 && !*seen_team && !strstr(answer.body, "worker-of-");
  if (!good) {
    printf("%s %s: %d \"%s\" instead of \"%s\", data of \"%s\": %s\n", routes[route].format, team, answer.status,
           answer.code, code, seen_team, token);
  }
  free(answer.body);
  return good;
}

static bool check_device(struct gateway *gateway, const struct spec *spec, const char *token) {
  Muster__Hello hello = MUSTER__HELLO__INIT;
  struct token admitted;
  Muster__ErrorCode code;
  const char *text, *verdict = verdict_on(spec);
  hello.token = (char *)token;
  hello.team = model_below(3) ? NULL : (char *)names[model_below(NAMES)];
  bool worker = strcmp(spec->role, "worker") == 0;
  bool right_team = !hello.team || (spec->team_count == 1 && strcmp(hello.team, spec->teams[0]) == 0);
  bool granted = admission_ask(&gateway->guard, &hello, MODEL_NOW, &admitted, &code, &text) == ADMISSION_GRANTED;
  bool good = granted == (!*verdict && worker && right_team);
  if (granted) {
    good = good && strcmp(admitted.teams[0], spec->teams[0]) == 0 && strcmp(admitted.subject, spec->subject) == 0;
    token_fini(&admitted);
  }
  if (!good) printf("device: %s, should be \"%s\": %s\n", granted ? "let in" : text, verdict, token);
  return good;
}

static void note_revoked(struct revoked *revoked, const char *id, const char *holder, int64_t issued_until_s) {
  struct revocation r = {.issued_until_s = issued_until_s};
  strcpy(r.id, id);
  strcpy(r.holder, holder);
  revoked_add(revoked, &r);
}

static struct token_keys *make_keys(void) {
  char folder[] = "/tmp/muster-model-XXXXXX", path[64], fault[TOKEN_KEYS_FAULT_BYTES];
  if (!mkdtemp(folder)) abort();
  snprintf(path, sizeof path, "%s/second.hs256", folder);
  FILE *file = fopen(path, "w");
  if (!file) abort();
  fputs(MODEL_OTHER_SECRET, file);
  fclose(file);
  struct token_keys *keys = token_keys_new(MODEL_SECRET, folder, fault);
  remove(path);
  remove(folder);
  if (!keys) abort();
  return keys;
}

uint64_t model_who(uint64_t count) {
  static struct gateway gateway;
  uint64_t wrong = 0, good_tokens = 0, i = 0;
  log_setup("muster-model", "model", LOG_ERROR);
  gateway.config.track_max_days = 31;
  gateway.config.share_max_days = 30;
  gateway.config.style_url = (char *)"";
  gateway.guard = (struct token_guard){make_keys(), revoked_new()};
  gateway.places = places_new(&(struct places_limits){0});
  gateway.replicas = replicas_new();
  note_revoked(gateway.guard.revoked, "gone", "", 0);
  note_revoked(gateway.guard.revoked, "", "ben", MODEL_NOW - 60);
  note_revoked(gateway.guard.revoked, "", "red/van-7", MODEL_NOW);
  revoked_set_known(gateway.guard.revoked);
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0) abort();
  for (; i < count && wrong < 20; i++) {
    char token[MODEL_TOKEN_BYTES];
    struct spec spec = random_spec();
    write_spec(&spec, token);
    good_tokens += !*verdict_on(&spec);
    bool good = model_below(10) ? check_route(&gateway, &spec, token) : check_device(&gateway, &spec, token);
    wrong += !good;
  }
  replicas_free(gateway.replicas);
  places_free(gateway.places);
  token_guard_close(&gateway.guard);
  close(pair[0]);
  close(pair[1]);
  printf("who: %llu pairs of token and route, %llu of them with a valid token, %llu answered wrongly\n",
         (unsigned long long)i, (unsigned long long)good_tokens, (unsigned long long)wrong);
  return wrong;
}
