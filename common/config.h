// Settings of a program: one table says name, type, default and help of each; a flag `--name VALUE` beats the
// environment variable MUSTER_NAME, which beats the default. `--help` prints the table, `--version` the version.
//
//   static const struct setting table[] = {
//     {"listen", SETTING_STRING, offsetof(struct tracker_config, listen), "127.0.0.1:7300", .help = "address for …"},
//
// A SECRET is never a flag, because other users can read a process's arguments: it comes from MUSTER_NAME or from the
// file that MUSTER_NAME_FILE or `--name-file` names.
#ifndef MUSTER_CONFIG_H
#define MUSTER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

enum setting_type {
  SETTING_STRING,  // char *; never NULL, "" if unset
  SETTING_INT,     // long, between min and max
  SETTING_BOOL,    // bool; the flag takes no value, the variable takes 1/0, true/false, yes/no
  SETTING_NUMBER,  // double, between min and max
  SETTING_SECRET,  // char *, as SETTING_STRING
};

struct setting {
  const char *name;  // of the flag, without "--"
  enum setting_type type;
  size_t offset;         // of the field in the program's struct
  const char *fallback;  // the default, as text
  long min, max;
  const char *help;
  const char *env;  // if not the name in capitals after MUSTER_
};

struct config {
  const char *program;
  const char *about;  // a paragraph for --help
  const struct setting *settings;
  size_t count;
};

enum config_status {
  CONFIG_OK,
  CONFIG_DONE,  // --help or --version was printed: exit 0
  CONFIG_BAD,   // what is wrong was printed in one line: exit 2
};

// Fills target. The strings in it are heap copies; config_free frees them.
enum config_status config_load(const struct config *config, void *target, int argc, char **argv)
    __attribute__((warn_unused_result));
void config_free(const struct config *config, void *target);

// Splits "host:port" (host without brackets, port 0 to 65535). False if it is neither.
bool config_address(const char *text, char *out_host, size_t host_bytes, int *out_port)
    __attribute__((warn_unused_result));

#endif
