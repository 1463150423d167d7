// Holds many live views open in one process, cheaply, and keeps what each was shown; see view.h. It is told what to do
// by lines on its standard input, and answers with lines of JSON:
//
//   {"said": "all", …}     every viewer has its first snapshot (again)
//   mark                   {"said": "mark", …}: counts since the start, ages of rows since the last mark
//   stuck                  the first --stuck viewers come, and never read; {"said": "all", …} once they have asked
//   read                   they read after all; {"said": "read", …} once each is exact, or after 5 s
//   part                   they leave
//   states FILE            whether every view shows its team's newest rows, which are written to the file
//   quit
//
// Viewers are of team-1, team-2, … in turn (the first is of the team after --first), each with a token of its own, and
// come from many addresses of 127/8, so that ports do not run out. A viewer that is closed comes back at once, to the
// next of --ports: no jitter, the worst that can happen; one that is refused waits for as long as it is asked to.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "token.h"
#include "view.h"

#define EVENTS 512
#define PORTS_MAX 4
#define VIEWERS_PER_ADDRESS 4000
#define TURN_MS 5  // while there is something to do by the clock
#define RETRY_US 200000
#define READ_PATIENCE_US 5000000
#define TOKEN_VALID_S 86400
#define SCRATCH_BYTES (256 * 1024)
#define EVENT_MAX_BYTES (16 * 1024 * 1024)

enum viewer_state { VIEWER_AWAY, VIEWER_WAITING, VIEWER_CONNECTING, VIEWER_ASKED, VIEWER_OPEN, VIEWER_WATCHING };

struct viewer {
  int fd;
  uint8_t state;
  bool stuck;        // does not read
  bool catching_up;  // was stuck, reads, and was not exact yet
  bool ready;        // watching, or stuck and asked
  unsigned port;     // which of the options' it is at
  int64_t connect_us;
  char *pending;  // of an event that is not whole
  size_t pending_len, pending_capacity, scanned;
  int64_t wait_us;  // what a refusal asked for
  char *request;
  struct view view;
};

struct options {
  uint16_t ports[PORTS_MAX];
  unsigned port_count;
  uint32_t viewers, teams, first, stuck;
  long interval_ms;
  double rate, stuck_rate;  // connects per second; 0: at once
  const char *key;
};

struct crowd {
  struct options options;
  int epoll_fd;
  struct viewer *viewers;
  struct view_team **teams;
  int64_t start_us, lost_us;          // lost_us: when the first viewer was lost since all watched last; 0: none was
  uint32_t expected, waiting, ready;  // viewers that are to be there; not connecting yet; ready
  bool all_said;
  int64_t read_us;  // when those that were stuck began to read; 0: not
  uint32_t catching_up;
  int64_t caught_up_us;  // when the last of them was exact
  uint64_t bytes, losses, refusals, failures;
  struct view_totals totals;
  FILE *record;
  char *scratch;
};

static int64_t now_us(void) {
  static int64_t offset_us;
  if (offset_us == 0) offset_us = clock_wall_us() - clock_mono_us();
  return clock_mono_us() + offset_us;
}

static void say(const char *what) {
  printf("%s\n", what);
  fflush(stdout);
}

static uint32_t number_of(const struct crowd *crowd, const struct viewer *viewer) {
  return (uint32_t)(viewer - crowd->viewers);
}

// ---- coming and going ----

static void lose(struct crowd *crowd, struct viewer *viewer, int64_t wait_us) {
  close(viewer->fd);
  if (viewer->ready) {
    crowd->ready--;
    crowd->losses++;
    if (!crowd->lost_us) crowd->lost_us = now_us();
    crowd->all_said = false;
  }
  viewer->fd = -1;
  viewer->ready = false;
  viewer->state = VIEWER_WAITING;
  viewer->pending_len = viewer->scanned = 0;
  viewer->connect_us = now_us() + wait_us;
  viewer->port = (viewer->port + 1) % crowd->options.port_count;
  view_clear(&viewer->view);
  viewer->view.epoch = viewer->port;
  crowd->waiting++;
}

static void become_ready(struct crowd *crowd, struct viewer *viewer) {
  if (viewer->ready) return;
  viewer->ready = true;
  if (++crowd->ready < crowd->expected || crowd->all_said) return;
  char text[200];
  int64_t since_us = crowd->lost_us ? crowd->lost_us : crowd->start_us;
  snprintf(text, sizeof text,
           "{\"said\": \"all\", \"ms\": %" PRId64 ", \"refusals\": %" PRIu64 ", \"failures\": %" PRIu64 "}",
           (now_us() - since_us) / 1000, crowd->refusals, crowd->failures);
  crowd->all_said = true;
  crowd->lost_us = 0;
  say(text);
}

static void watch(struct crowd *crowd, struct viewer *viewer, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = viewer};
  if (epoll_ctl(crowd->epoll_fd, operation, viewer->fd, &event) < 0) abort();
}

static void open_connection(struct crowd *crowd, struct viewer *viewer) {
  uint32_t place = number_of(crowd, viewer) / VIEWERS_PER_ADDRESS;
  struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000101U + place)};
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int one = 1;
  to.sin_port = htons(crowd->options.ports[viewer->port]);
  crowd->waiting--;
  viewer->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (viewer->fd < 0 || setsockopt(viewer->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one) < 0 ||
      bind(viewer->fd, (struct sockaddr *)&from, sizeof from) < 0) {
    perror("crowd: socket");
    exit(1);
  }
  viewer->state = VIEWER_CONNECTING;
  if (connect(viewer->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) {
    crowd->failures++;
    lose(crowd, viewer, RETRY_US);
    return;
  }
  watch(crowd, viewer, EPOLL_CTL_ADD, EPOLLOUT);
}

static void ask(struct crowd *crowd, struct viewer *viewer) {
  ssize_t len = (ssize_t)strlen(viewer->request);
  if (send(viewer->fd, viewer->request, (size_t)len, MSG_NOSIGNAL) != len) {
    crowd->failures++;
    lose(crowd, viewer, RETRY_US);
    return;
  }
  viewer->wait_us = RETRY_US;
  viewer->state = VIEWER_ASKED;
  watch(crowd, viewer, EPOLL_CTL_MOD, viewer->stuck ? 0 : EPOLLIN);
  if (viewer->stuck) become_ready(crowd, viewer);
}

// Those whose time has come; the first ones are spread over time by the rate.
static void open_due(struct crowd *crowd) {
  int64_t now = now_us();
  for (uint32_t i = 0; crowd->waiting && i < crowd->options.viewers; i++) {
    struct viewer *viewer = &crowd->viewers[i];
    if (viewer->state == VIEWER_WAITING && viewer->connect_us <= now) open_connection(crowd, viewer);
  }
}

// ---- what they are shown ----

static void note_event(struct crowd *crowd, struct viewer *viewer, const char *event, size_t len, int64_t now) {
  struct view_totals *totals = &crowd->totals;
  uint64_t differing = totals->differing, snapshots = totals->snapshots;
  view_take(&viewer->view, event, len, now, totals);
  if (crowd->record && number_of(crowd, viewer) < crowd->options.teams) {  // the first viewer of each team
    uint32_t head[4] = {(uint32_t)now, (uint32_t)(now >> 32), number_of(crowd, viewer), (uint32_t)len + 2};
    fwrite(head, sizeof head, 1, crowd->record);
    fwrite(event, len, 1, crowd->record);
    fwrite("\n\n", 2, 1, crowd->record);
  }
  if (viewer->state == VIEWER_OPEN && totals->snapshots > snapshots) {
    viewer->state = VIEWER_WATCHING;
    become_ready(crowd, viewer);
  }
  if (viewer->catching_up && totals->differing == differing && view_is_newest(&viewer->view)) {
    viewer->catching_up = false;
    crowd->catching_up--;
    crowd->caught_up_us = now;
  }
}

// Returns the bytes of the answer's head, 0 if it is not whole yet, -1 if it is no stream. Then *wait_us is what it
// asks to wait, if it does.
static ssize_t take_head(const char *bytes, size_t len, int64_t *wait_us) {
  static const char good[] = "HTTP/1.1 200 ", retry[] = "\r\nRetry-After: ";
  const char *end = memmem(bytes, len, "\r\n\r\n", 4);
  if (!end) return 0;
  if (memcmp(bytes, good, sizeof good - 1) == 0) return end + 4 - bytes;
  const char *after = memmem(bytes, (size_t)(end - bytes), retry, sizeof retry - 1);
  if (after) *wait_us = strtoll(after + sizeof retry - 1, NULL, 10) * 1000000;
  return -1;
}

// Takes whole events off the front. *scanned: bytes that surely hold no end of one. Returns what it took, -1 for a
// refusal.
static ssize_t take_events(struct crowd *crowd, struct viewer *viewer, const char *bytes, size_t len, int64_t now) {
  size_t taken = 0;
  if (viewer->state == VIEWER_ASKED) {
    ssize_t head = take_head(bytes, len, &viewer->wait_us);
    if (head <= 0) return head;
    viewer->state = VIEWER_OPEN;
    taken = (size_t)head;
    viewer->scanned = 0;
  }
  for (;;) {
    const char *from = bytes + taken + viewer->scanned;
    const char *end = memmem(from, len - taken - viewer->scanned, "\n\n", 2);
    if (!end) break;
    size_t event_len = (size_t)(end - bytes) - taken;
    viewer->scanned = 0;
    bool retry = event_len > 7 && event_len < 32 && memcmp(bytes + taken, "retry: ", 7) == 0;  // alone, at the start
    if (!retry) note_event(crowd, viewer, bytes + taken, event_len, now);
    taken += event_len + 2;
  }
  viewer->scanned = len - taken > 0 ? len - taken - 1 : 0;
  return (ssize_t)taken;
}

static void keep_pending(struct viewer *viewer, const char *bytes, size_t len) {
  if (len > viewer->pending_capacity) {
    viewer->pending_capacity = len * 2;
    viewer->pending = realloc(viewer->pending, viewer->pending_capacity);
    if (!viewer->pending) abort();
  }
  memmove(viewer->pending, bytes, len);
  viewer->pending_len = len;
}

static void receive(struct crowd *crowd, struct viewer *viewer) {
  char *into = crowd->scratch;
  size_t before = viewer->pending_len;
  if (before > EVENT_MAX_BYTES) abort();
  if (before) memcpy(into, viewer->pending, before);
  ssize_t got = recv(viewer->fd, into + before, SCRATCH_BYTES, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    lose(crowd, viewer, viewer->state == VIEWER_WATCHING ? 0 : RETRY_US);
    return;
  }
  crowd->bytes += (uint64_t)got;
  size_t len = before + (size_t)got;
  ssize_t taken = take_events(crowd, viewer, into, len, now_us());
  if (taken < 0) {
    unsigned port = viewer->port;
    crowd->refusals++;
    lose(crowd, viewer, viewer->wait_us);
    viewer->port = viewer->view.epoch = port;  // it lives
    return;
  }
  keep_pending(viewer, into + taken, len - (size_t)taken);
}

static void on_socket(struct crowd *crowd, struct viewer *viewer, uint32_t events) {
  if (viewer->state == VIEWER_CONNECTING) {
    if (events & (EPOLLERR | EPOLLHUP)) {
      crowd->failures++;
      lose(crowd, viewer, RETRY_US);
    } else {
      ask(crowd, viewer);
    }
  } else if (viewer->stuck) {
    lose(crowd, viewer, 0);  // it listens to nothing but the end
  } else {
    receive(crowd, viewer);
  }
}

// ---- commands ----

static void say_mark(struct crowd *crowd) {
  const struct view_totals *t = &crowd->totals;
  printf("{\"said\": \"mark\", \"at_us\": %" PRId64 ", \"ready\": %" PRIu32 ", \"frames\": %" PRIu64
         ", \"rows\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"snapshots\": %" PRIu64 ", \"heartbeats\": %" PRIu64
         ", \"stales\": %" PRIu64,
         now_us(), crowd->ready, t->frames, t->rows, crowd->bytes, t->snapshots, t->heartbeats, t->stales);
  printf(", \"bad\": %" PRIu64 ", \"differing\": %" PRIu64 ", \"backward\": %" PRIu64 ", \"losses\": %" PRIu64
         ", \"refusals\": %" PRIu64 ", \"failures\": %" PRIu64,
         t->bad, t->differing, t->backward, crowd->losses, crowd->refusals, crowd->failures);
  printf(", \"age_p50_us\": %" PRId64 ", \"age_p99_us\": %" PRId64 ", \"age_max_us\": %" PRId64 "}\n",
         hist_percentile_us(&t->age, 50), hist_percentile_us(&t->age, 99), t->age.max_us);
  fflush(stdout);
  memset(&crowd->totals.age, 0, sizeof crowd->totals.age);
}

static void bring_stuck(struct crowd *crowd) {
  const struct options *o = &crowd->options;
  for (uint32_t i = 0; i < o->stuck; i++) {
    struct viewer *viewer = &crowd->viewers[i];
    viewer->stuck = true;
    viewer->state = VIEWER_WAITING;
    viewer->connect_us = now_us() + (o->stuck_rate > 0 ? (int64_t)(i * 1e6 / o->stuck_rate) : 0);
  }
  crowd->waiting += o->stuck;
  crowd->expected += o->stuck;
  crowd->all_said = false;
}

static void start_reading(struct crowd *crowd) {
  crowd->read_us = now_us();
  crowd->catching_up = crowd->options.stuck;
  for (uint32_t i = 0; i < crowd->options.stuck; i++) {
    struct viewer *viewer = &crowd->viewers[i];
    viewer->stuck = false;
    viewer->catching_up = true;
    watch(crowd, viewer, EPOLL_CTL_MOD, EPOLLIN);
  }
}

// Once those that read again are exact, or it takes too long.
static void say_read_if_over(struct crowd *crowd) {
  if (!crowd->read_us || (crowd->catching_up && now_us() < crowd->read_us + READ_PATIENCE_US)) return;
  printf("{\"said\": \"read\", \"exact\": %" PRIu32 ", \"ms\": %" PRId64 "}\n",
         crowd->options.stuck - crowd->catching_up, (crowd->caught_up_us - crowd->read_us) / 1000);
  fflush(stdout);
  crowd->read_us = 0;
}

static void send_away(struct crowd *crowd) {
  for (uint32_t i = 0; i < crowd->options.stuck; i++) {
    struct viewer *viewer = &crowd->viewers[i];
    if (viewer->state == VIEWER_WAITING) crowd->waiting--;
    if (viewer->fd >= 0) close(viewer->fd);
    crowd->ready -= viewer->ready;
    viewer->fd = -1;
    viewer->ready = viewer->catching_up = false;
    viewer->pending_len = viewer->scanned = 0;
    viewer->state = VIEWER_AWAY;
    view_clear(&viewer->view);
  }
  crowd->expected -= crowd->options.stuck;
}

static void say_states(struct crowd *crowd, const char *path) {
  FILE *file = fopen(path, "we");
  uint32_t wrong = 0;
  if (!file) abort();
  for (uint32_t i = 0; i < crowd->options.viewers; i++) {
    const struct viewer *viewer = &crowd->viewers[i];
    wrong += viewer->state != VIEWER_AWAY && !view_is_whole(&viewer->view);
  }
  fputs("{", file);
  for (uint32_t i = 0; i < crowd->options.teams; i++) {
    fprintf(file, "%s\"%s\":", i ? "," : "", view_team_name(crowd->teams[i]));
    view_team_write(crowd->teams[i], file);
  }
  fputs("}\n", file);
  if (fclose(file) != 0) abort();
  printf("{\"said\": \"states\", \"viewers\": %" PRIu32 ", \"wrong\": %" PRIu32 "}\n", crowd->expected, wrong);
  fflush(stdout);
}

// False at the end.
static bool obey(struct crowd *crowd) {
  char line[512];
  if (!fgets(line, sizeof line, stdin)) return false;
  line[strcspn(line, "\n")] = '\0';
  if (strcmp(line, "mark") == 0) say_mark(crowd);
  if (strcmp(line, "stuck") == 0) bring_stuck(crowd);
  if (strcmp(line, "read") == 0) start_reading(crowd);
  if (strcmp(line, "part") == 0) send_away(crowd);
  if (strncmp(line, "states ", 7) == 0) say_states(crowd, line + 7);
  return strcmp(line, "quit") != 0;
}

// ---- the loop ----

static void turn(struct crowd *crowd) {
  struct epoll_event events[EVENTS];
  int count = epoll_wait(crowd->epoll_fd, events, EVENTS, crowd->waiting || crowd->read_us ? TURN_MS : 1000);
  for (int i = 0; i < count; i++) {
    if (events[i].data.ptr) {
      on_socket(crowd, events[i].data.ptr, events[i].events);
    } else if (!obey(crowd)) {
      exit(0);
    }
  }
  if (crowd->waiting) open_due(crowd);
  say_read_if_over(crowd);
}

// Made ahead, token and all: in a storm that must not cost what the servers need.
static char *make_request(const struct options *options, uint32_t number, const char *team) {
  char subject[32], interval[40] = "", *text;
  int64_t now_s = clock_wall_us() / 1000000;
  snprintf(subject, sizeof subject, "viewer-%u", number);
  char *token = token_mint(options->key, subject, TOKEN_MANAGER, &team, 1, now_s, now_s + TOKEN_VALID_S);
  if (!token) abort();
  if (options->interval_ms >= 0) snprintf(interval, sizeof interval, "?interval_ms=%ld", options->interval_ms);
  int len = asprintf(&text,
                     "GET /api/v1/teams/%s/stream%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
                     "Accept: text/event-stream\r\n\r\n",
                     team, interval, token);
  if (len < 0) abort();
  free(token);
  return text;
}

static void set_up(struct crowd *crowd) {
  const struct options *o = &crowd->options;
  struct epoll_event commands = {.events = EPOLLIN};
  crowd->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  crowd->viewers = calloc(o->viewers, sizeof *crowd->viewers);
  crowd->teams = calloc(o->teams, sizeof *crowd->teams);
  crowd->scratch = malloc(EVENT_MAX_BYTES + SCRATCH_BYTES);  // what is pending, and what comes
  crowd->waiting = crowd->expected = o->viewers - o->stuck;
  if (!crowd->viewers || !crowd->teams || !crowd->scratch) abort();
  if (epoll_ctl(crowd->epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &commands) < 0) abort();
  setvbuf(stdin, NULL, _IONBF, 0);  // what was read ahead would not wake us
  for (uint32_t i = 0; i < o->teams; i++) {
    char name[32];
    snprintf(name, sizeof name, "team-%u", i + 1);
    crowd->teams[i] = view_team_new(name);
  }
  for (uint32_t i = 0; i < o->viewers; i++) {
    struct viewer *viewer = &crowd->viewers[i];
    viewer->view.team = crowd->teams[(i + o->first) % o->teams];
    viewer->request = make_request(o, i, view_team_name(viewer->view.team));
    viewer->fd = -1;
  }
  crowd->start_us = now_us();
  for (uint32_t i = o->stuck; i < o->viewers; i++) {
    crowd->viewers[i].state = VIEWER_WAITING;
    crowd->viewers[i].connect_us = crowd->start_us + (o->rate > 0 ? (int64_t)((i - o->stuck) * 1e6 / o->rate) : 0);
  }
}

static void read_ports(struct options *options, char *text) {
  for (char *port = strtok(text, ","); port && options->port_count < PORTS_MAX; port = strtok(NULL, ",")) {
    options->ports[options->port_count++] = (uint16_t)atoi(port);
  }
}

static void read_options(struct crowd *crowd, int argc, char **argv) {
  static const struct option known[] = {{"ports", 1, NULL, 'p'},    {"viewers", 1, NULL, 'v'},
                                        {"teams", 1, NULL, 't'},    {"stuck", 1, NULL, 's'},
                                        {"rate", 1, NULL, 'r'},     {"stuck-rate", 1, NULL, 'q'},
                                        {"interval", 1, NULL, 'i'}, {"record", 1, NULL, 'f'},
                                        {"first", 1, NULL, 'n'},    {0}};
  struct options *o = &crowd->options;
  *o = (struct options){.teams = 1, .interval_ms = -1, .key = getenv("MUSTER_TOKEN_KEY")};
  for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
    if (c == 'p') read_ports(o, optarg);
    if (c == 'v') o->viewers = (uint32_t)atoi(optarg);
    if (c == 't') o->teams = (uint32_t)atoi(optarg);
    if (c == 'n') o->first = (uint32_t)atoi(optarg);
    if (c == 's') o->stuck = (uint32_t)atoi(optarg);
    if (c == 'r') o->rate = atof(optarg);
    if (c == 'q') o->stuck_rate = atof(optarg);
    if (c == 'i') o->interval_ms = atol(optarg);
    if (c == 'f') crowd->record = fopen(optarg, "we");
    if (c == '?') exit(2);
  }
  if (o->viewers && o->teams && o->port_count && o->key && o->stuck <= o->viewers) return;
  fprintf(stderr, "crowd: --ports and --viewers are needed, and MUSTER_TOKEN_KEY\n");
  exit(2);
}

int main(int argc, char **argv) {
  static struct crowd crowd;
  struct rlimit files;
  signal(SIGPIPE, SIG_IGN);
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
  }
  read_options(&crowd, argc, argv);
  set_up(&crowd);
  for (;;) turn(&crowd);
}
