// Reading settings: defaults first, then the environment, then the flags, each overwriting the one before.
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "version.h"

#define SECRET_MAX_BYTES 65536

static void env_name(const struct setting *setting, const char *suffix, char *out, size_t out_bytes) {
  if (setting->env) {
    snprintf(out, out_bytes, "%s%s", setting->env, suffix);
    return;
  }
  size_t at = (size_t)snprintf(out, out_bytes, "MUSTER_");
  for (const char *c = setting->name; *c && at + 1 < out_bytes; c++) {
    out[at++] = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
  }
  snprintf(out + at, out_bytes - at, "%s", suffix);
}

static void set_string(const struct setting *setting, void *target, const char *value) {
  char **field = (char **)((char *)target + setting->offset);
  char *copy = strdup(value);
  if (!copy) abort();
  free(*field);
  *field = copy;
}

static bool parse_bool(const char *text, bool *out) {
  static const char *const yes[] = {"1", "true", "yes", "on"}, *const no[] = {"0", "false", "no", "off", ""};
  for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
    if (strcasecmp(text, yes[i]) == 0) return *out = true, true;
  }
  for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
    if (strcasecmp(text, no[i]) == 0) return *out = false, true;
  }
  return false;
}

// Returns NULL, or what the value should have been.
static const char *set_value(const struct setting *setting, void *target, const char *value) {
  static _Thread_local char wanted[96];
  void *field = (char *)target + setting->offset;
  char *end;
  errno = 0;
  switch (setting->type) {
    case SETTING_STRING:
    case SETTING_SECRET:
      set_string(setting, target, value);
      return NULL;
    case SETTING_BOOL:
      return parse_bool(value, field) ? NULL : "true or false";
    case SETTING_INT: {
      long number = strtol(value, &end, 10);
      if (end != value && !*end && !errno && number >= setting->min && number <= setting->max) {
        *(long *)field = number;
        return NULL;
      }
      snprintf(wanted, sizeof wanted, "a whole number from %ld to %ld", setting->min, setting->max);
      return wanted;
    }
    case SETTING_NUMBER: {
      double number = strtod(value, &end);
      if (end != value && !*end && !errno && number >= (double)setting->min && number <= (double)setting->max) {
        *(double *)field = number;
        return NULL;
      }
      snprintf(wanted, sizeof wanted, "a number from %ld to %ld", setting->min, setting->max);
      return wanted;
    }
  }
  return "a known type";
}

static enum config_status bad_value(const struct config *config, const char *source, const char *value,
                                    const char *wanted) {
  fprintf(stderr, "%s: %s: \"%s\" is not %s\n", config->program, source, value, wanted);
  return CONFIG_BAD;
}

// Reads the secret in a file, without the newline at its end.
static enum config_status load_secret(const struct config *config, const struct setting *setting, void *target,
                                      const char *path) {
  char text[SECRET_MAX_BYTES];
  FILE *file = fopen(path, "re");
  if (!file) {
    fprintf(stderr, "%s: cannot read the file of %s: %s: %s\n", config->program, setting->name, path, strerror(errno));
    return CONFIG_BAD;
  }
  size_t len = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r')) len--;
  text[len] = '\0';
  set_string(setting, target, text);
  return CONFIG_OK;
}

static enum config_status load_environment(const struct config *config, void *target) {
  char name[128];
  for (size_t i = 0; i < config->count; i++) {
    const struct setting *setting = &config->settings[i];
    env_name(setting, "", name, sizeof name);
    const char *value = getenv(name);
    if (value) {
      const char *wanted = set_value(setting, target, value);
      if (wanted) return bad_value(config, name, value, wanted);
    }
    if (setting->type != SETTING_SECRET) continue;
    env_name(setting, "_FILE", name, sizeof name);
    if ((value = getenv(name)) && *value) {
      if (load_secret(config, setting, target, value) != CONFIG_OK) return CONFIG_BAD;
    }
  }
  return CONFIG_OK;
}

static void print_help(const struct config *config) {
  char env[128];
  printf("Usage: %s [OPTION]...\n\n%s\n\nOptions, each with its environment variable and default:\n", config->program,
         config->about);
  for (size_t i = 0; i < config->count; i++) {
    const struct setting *s = &config->settings[i];
    bool secret = s->type == SETTING_SECRET;
    static const char *const kinds[] = {" TEXT", " N", "", " X", "-file PATH"};
    env_name(s, secret ? " or …_FILE" : "", env, sizeof env);
    printf("  --%s%s\n      %s\n      [%s%s%s]\n", s->name, kinds[s->type], s->help, env,
           *s->fallback && !secret ? ", default " : "", secret ? "" : s->fallback);
  }
  printf("  -h, --help\n      Print this and exit.\n  --version\n      Print the version and exit.\n");
}

// Finds the setting that the flag `--name`, `--name=value` or, for a secret, `--name-file` names.
static const struct setting *find_flag(const struct config *config, const char *flag, size_t len, bool *out_file) {
  for (size_t i = 0; i < config->count; i++) {
    const struct setting *s = &config->settings[i];
    size_t name = strlen(s->name);
    *out_file = s->type == SETTING_SECRET;
    if (*out_file ? len == name + 5 && memcmp(flag + name, "-file", 5) == 0 : len == name) {
      if (memcmp(flag, s->name, name) == 0) return s;
    }
  }
  return NULL;
}

static enum config_status load_flags(const struct config *config, void *target, int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    const char *arg = argv[i];
    const char *flag = strncmp(arg, "--", 2) == 0 ? arg + 2 : "";
    const char *equals = strchr(flag, '=');
    size_t len = equals ? (size_t)(equals - flag) : strlen(flag);
    bool file;
    const struct setting *setting = find_flag(config, flag, len, &file);
    if (!setting) {
      // Not its value: it may be a secret that somebody meant to give us this way.
      fprintf(stderr, "%s: unknown option \"%.*s\"; --help lists all\n", config->program, (int)strcspn(arg, "="), arg);
      return CONFIG_BAD;
    }
    const char *value = equals ? equals + 1 : setting->type == SETTING_BOOL ? "true" : NULL;
    if (!value && ++i < argc) value = argv[i];
    if (!value) {
      fprintf(stderr, "%s: %s wants a value\n", config->program, arg);
      return CONFIG_BAD;
    }
    if (file) {
      if (load_secret(config, setting, target, value) != CONFIG_OK) return CONFIG_BAD;
      continue;
    }
    const char *wanted = set_value(setting, target, value);
    if (wanted) return bad_value(config, arg, value, wanted);
  }
  return CONFIG_OK;
}

enum config_status config_load(const struct config *config, void *target, int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return print_help(config), CONFIG_DONE;
    if (strcmp(argv[i], "--version") == 0) return printf("%s %s\n", config->program, MUSTER_VERSION), CONFIG_DONE;
  }
  for (size_t i = 0; i < config->count; i++) {
    const struct setting *setting = &config->settings[i];
    const char *wanted = set_value(setting, target, setting->fallback);
    if (wanted) return bad_value(config, setting->name, setting->fallback, wanted);
  }
  enum config_status status = load_environment(config, target);
  return status == CONFIG_OK ? load_flags(config, target, argc, argv) : status;
}

void config_free(const struct config *config, void *target) {
  for (size_t i = 0; i < config->count; i++) {
    const struct setting *setting = &config->settings[i];
    if (setting->type != SETTING_STRING && setting->type != SETTING_SECRET) continue;
    char **field = (char **)((char *)target + setting->offset);
    free(*field);
    *field = NULL;
  }
}

bool config_address(const char *text, char *out_host, size_t host_bytes, int *out_port) {
  const char *colon = strrchr(text, ':');
  if (!colon || colon == text || !colon[1] || (size_t)(colon - text) >= host_bytes) return false;
  char *end;
  long port = strtol(colon + 1, &end, 10);
  if (*end || !isdigit((unsigned char)colon[1]) || port > 65535) return false;
  memcpy(out_host, text, (size_t)(colon - text));
  out_host[colon - text] = '\0';
  *out_port = (int)port;
  return true;
}
