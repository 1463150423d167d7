// What the commands have in common.
#include "command.h"

#include <nats/nats.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config.h"
#include "log.h"
#include "nats_url.h"

int command_run(const struct config *config, void *settings, int argc, char **argv,
                int (*command)(const void *settings)) {
  enum config_status loaded = config_load(config, settings, argc, argv);
  int status = loaded == CONFIG_OK ? command(settings) : loaded == CONFIG_DONE ? 0 : 2;
  config_free(config, settings);
  return status;
}

int command_refuse(const char *format, ...) {
  va_list args;
  fprintf(stderr, "%s: ", COMMAND_PROGRAM);
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  fputc('\n', stderr);
  return 2;
}

char *command_token(const char *text) {
  char line[TOKEN_MAX_BYTES + 2] = "";
  if (!*text) text = fgets(line, sizeof line, stdin) ? line : "";
  text += strspn(text, " \t\r\n");
  size_t len = strcspn(text, " \t\r\n");
  char *token = len ? strndup(text, len) : NULL;
  explicit_bzero(line, sizeof line);
  return token;
}

const char *command_time(int64_t unix_s, char out[COMMAND_TIME_BYTES]) {
  time_t time = (time_t)unix_s;
  struct tm parts;
  bool fits = unix_s && gmtime_r(&time, &parts) && strftime(out, COMMAND_TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return fits ? out : "-";
}

const char *command_nats_open(struct command_nats *nats, const struct command_nats_settings *settings) {
  static char fault[128];
  const char *wrong;
  if (!nats_url_login(settings->url, settings->user, settings->password, &nats->url, &wrong)) {
    snprintf(fault, sizeof fault, "nats-url: %s", wrong);
    return fault;
  }
  log_setup(COMMAND_PROGRAM, "", LOG_ERROR);  // what goes wrong is said by the command
  nats->revoked = revoked_new();
  nats->log = revocation_log_new(&(struct revocation_log_options){
      .nats_url = nats->url, .name = COMMAND_PROGRAM, .creates = true, .revoked = nats->revoked});
  return NULL;
}

void command_nats_close(struct command_nats *nats) {
  revocation_log_free(nats->log);
  revoked_free(nats->revoked);
  explicit_bzero(nats->url, strlen(nats->url));
  free(nats->url);
  nats_CloseAndWait(2000);
}
