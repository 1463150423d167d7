// stdio streams.
#include "outputs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool unwritable(const char *path) {
  fprintf(stderr, "%s: cannot write %s: %s\n", SETTINGS_PROGRAM, path, strerror(errno));
  return false;
}

static bool open_file(FILE **out, const char *path) {
  if (!*path) return true;
  *out = fopen(path, "we");
  return *out || unwritable(path);
}

static bool open_views(struct outputs *outputs) {
  if (!outputs->states) return true;
  outputs->views = calloc(outputs->processes, sizeof(FILE *));
  if (!outputs->views) abort();
  for (uint32_t i = 0; i < outputs->processes; i++) {
    outputs->views[i] = tmpfile();
    if (!outputs->views[i]) return unwritable("a temporary file");
  }
  return true;
}

bool outputs_open(struct outputs *outputs, const struct settings *settings) {
  *outputs = (struct outputs){.settings = settings, .processes = (uint32_t)settings->processes};
  if (!open_file(&outputs->report, settings->report) || !open_file(&outputs->timeline, settings->timeline))
    return false;
  if (!open_file(&outputs->states, settings->view_states) || !open_views(outputs)) return false;
  if (!*settings->ledger) return true;
  outputs->ledger = ledger_open(settings->ledger);
  return outputs->ledger || unwritable(settings->ledger);
}

// Viewer i is the next of process i modulo processes: see share.h.
static void merge_states(const struct outputs *outputs) {
  char *line = NULL;
  size_t capacity = 0;
  const char *comma = "";
  for (uint32_t i = 0; i < outputs->processes; i++) rewind(outputs->views[i]);
  fputs("[", outputs->states);
  for (uint32_t i = 0;; i++) {
    ssize_t len = getline(&line, &capacity, outputs->views[i % outputs->processes]);
    if (len <= 0) break;
    fprintf(outputs->states, "%s\n%.*s", comma, (int)len - 1, line);
    comma = ",";
  }
  fputs("\n]\n", outputs->states);
  free(line);
}

void outputs_finish(struct outputs *outputs, const struct buffer *report) {
  if (outputs->states) merge_states(outputs);
  if (outputs->report) fwrite(report->data, 1, report->len, outputs->report);
}

static bool close_file(FILE *file, const char *path) {
  if (!file) return true;
  bool good = !ferror(file);
  if (fclose(file) != 0) good = false;
  return good || unwritable(path);
}

bool outputs_close(struct outputs *outputs) {
  const struct settings *s = outputs->settings;
  bool report = close_file(outputs->report, s->report), states = close_file(outputs->states, s->view_states);
  bool timeline = close_file(outputs->timeline, s->timeline);
  bool ledger = ledger_close(outputs->ledger) || unwritable(s->ledger);
  for (uint32_t i = 0; outputs->views && i < outputs->processes; i++) {
    if (outputs->views[i]) fclose(outputs->views[i]);
  }
  free(outputs->views);
  return report && states && timeline && ledger;
}
