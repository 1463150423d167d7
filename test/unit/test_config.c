// config.c: where settings come from, and what is said of wrong ones.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "config.h"

struct target {
  char *name, *secret;
  long count;
  bool loud;
  double ratio;
};

#define AT(field) offsetof(struct target, field)
static const struct setting settings[] = {
    {"name", SETTING_STRING, AT(name), "nobody", .help = "a name", .env = "TEST_OTHER_NAME"},
    {"max-count", SETTING_INT, AT(count), "5", 1, 10, .help = "a count"},
    {"loud", SETTING_BOOL, AT(loud), "false", .help = "a flag"},
    {"ratio", SETTING_NUMBER, AT(ratio), "0.5", 0, 2, .help = "a ratio"},
    {"secret", SETTING_SECRET, AT(secret), "", .help = "a secret"},
};
static const struct config config = {"test-program", "About it.", settings, sizeof settings / sizeof *settings};

static struct target target;
static char said[8192];  // what was written to standard output and standard error
static int real_out, real_err;
static FILE *catcher;

static int setup(void **state) {
  (void)state;
  static const char *const names[] = {"TEST_OTHER_NAME", "MUSTER_NAME",   "MUSTER_MAX_COUNT",  "MUSTER_LOUD",
                                      "MUSTER_RATIO",    "MUSTER_SECRET", "MUSTER_SECRET_FILE"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) unsetenv(names[i]);
  memset(&target, 0, sizeof target);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  config_free(&config, &target);
  return target.name || target.secret;
}

static void catch_output(void) {
  fflush(NULL);
  real_out = dup(1), real_err = dup(2);
  catcher = tmpfile();
  dup2(fileno(catcher), 1), dup2(fileno(catcher), 2);
}

static void release_output(void) {
  fflush(NULL);
  dup2(real_out, 1), dup2(real_err, 2);
  close(real_out), close(real_err);
  rewind(catcher);
  said[fread(said, 1, sizeof said - 1, catcher)] = '\0';
  fclose(catcher);
}

// Loads with up to four arguments.
static enum config_status load(const char *a, const char *b, const char *c, const char *d) {
  char *argv[6] = {(char *)"test-program"};
  const char *const args[] = {a, b, c, d};
  int argc = 1;
  for (int i = 0; i < 4 && args[i]; i++) argv[argc++] = (char *)(uintptr_t)args[i];
  catch_output();
  enum config_status status = config_load(&config, &target, argc, argv);
  release_output();
  return status;
}

static void defaults_come_from_the_table(void **state) {
  (void)state;
  assert_int_equal(load(NULL, NULL, NULL, NULL), CONFIG_OK);
  assert_string_equal(target.name, "nobody");
  assert_string_equal(target.secret, "");
  assert_int_equal(target.count, 5);
  assert_false(target.loud);
  assert_true(target.ratio > 0.49 && target.ratio < 0.51);
  assert_string_equal(said, "");
}

static void the_environment_beats_defaults_and_flags_beat_both(void **state) {
  (void)state;
  setenv("TEST_OTHER_NAME", "env", 1);
  setenv("MUSTER_NAME", "wrong", 1);
  setenv("MUSTER_MAX_COUNT", "7", 1);
  setenv("MUSTER_LOUD", "yes", 1);
  setenv("MUSTER_RATIO", "1.25", 1);
  assert_int_equal(load("--max-count", "9", NULL, NULL), CONFIG_OK);
  assert_string_equal(target.name, "env");
  assert_int_equal(target.count, 9);
  assert_true(target.loud);
  assert_true(target.ratio > 1.24 && target.ratio < 1.26);
}

static void a_flag_takes_its_value_after_a_space_or_an_equals_sign(void **state) {
  (void)state;
  assert_int_equal(load("--name=a=b", "--loud", "--max-count", "3"), CONFIG_OK);
  assert_string_equal(target.name, "a=b");
  assert_true(target.loud);
  assert_int_equal(target.count, 3);
  assert_int_equal(load("--loud=no", "--name", "--loud", NULL), CONFIG_OK);
  assert_false(target.loud);
  assert_string_equal(target.name, "--loud");
  assert_int_equal(load("--name=", NULL, NULL, NULL), CONFIG_OK);
  assert_string_equal(target.name, "");
}

static void wrong_values_are_refused_in_one_line_that_names_them(void **state) {
  (void)state;
  static const char *const wrong[][3] = {
      {"--max-count=0", "--max-count=0", "from 1 to 10"},
      {"--max-count=11", "11", "from 1 to 10"},
      {"--max-count=5x", "5x", "whole number"},
      {"--max-count=", "\"\"", "whole number"},
      {"--max-count=99999999999999999999", "9999", "whole number"},
      {"--ratio=2.5", "2.5", "from 0 to 2"},
      {"--ratio=nan", "nan", "number"},
      {"--loud=perhaps", "perhaps", "true or false"},
      {"--nome=x", "--nome", "--help"},
      {"name", "name", "unknown option"},
      {"-name", "-name", "unknown option"},
      {"--", "--", "unknown option"},
      {"--name", "--name", "wants a value"},
      {"--secret=hush", "--secret", "unknown option"},
      {"--name-file=/dev/null", "--name-file", "unknown option"},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    if (load(wrong[i][0], NULL, NULL, NULL) != CONFIG_BAD) fail_msg("%s was taken", wrong[i][0]);
    assert_non_null(strstr(said, wrong[i][1]));
    assert_non_null(strstr(said, wrong[i][2]));
    assert_non_null(strstr(said, "test-program"));
    assert_null(strstr(said, "hush"));  // what was meant as a secret stays one
    assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
  }
}

static void wrong_variables_are_named(void **state) {
  (void)state;
  setenv("MUSTER_MAX_COUNT", "many", 1);
  assert_int_equal(load(NULL, NULL, NULL, NULL), CONFIG_BAD);
  assert_non_null(strstr(said, "MUSTER_MAX_COUNT"));
}

// Writes a file and returns its path.
static const char *secret_file(const char *text) {
  static char path[] = "/tmp/test_config_XXXXXX";
  memcpy(path + sizeof path - 7, "XXXXXX", 6);
  int fd = mkstemp(path);
  assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
  close(fd);
  return path;
}

static void secrets_come_from_the_environment_or_a_file(void **state) {
  (void)state;
  setenv("MUSTER_SECRET", "hush", 1);
  assert_int_equal(load(NULL, NULL, NULL, NULL), CONFIG_OK);
  assert_string_equal(target.secret, "hush");
  const char *path = secret_file("from file\r\n\n");
  setenv("MUSTER_SECRET_FILE", path, 1);
  assert_int_equal(load(NULL, NULL, NULL, NULL), CONFIG_OK);
  assert_string_equal(target.secret, "from file");
  unlink(path);
  path = secret_file(" flag's ");
  unsetenv("MUSTER_SECRET_FILE");
  assert_int_equal(load("--secret-file", path, NULL, NULL), CONFIG_OK);
  assert_string_equal(target.secret, " flag's ");
  unlink(path);
  assert_int_equal(load("--secret-file", "/nonexistent/file", NULL, NULL), CONFIG_BAD);
  assert_non_null(strstr(said, "/nonexistent/file"));
}

static void help_lists_everything_but_secrets(void **state) {
  (void)state;
  static const char *const wanted[] = {"About it.", "--name TEXT",        "[TEST_OTHER_NAME, default nobody]",
                                       "--loud",    "--max-count N",      "[MUSTER_MAX_COUNT, default 5]",
                                       "a ratio",   "--secret-file PATH", "MUSTER_SECRET or"};
  setenv("MUSTER_SECRET", "hush-hush", 1);
  assert_int_equal(load("--max-count=0", "--help", NULL, NULL), CONFIG_DONE);
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    if (!strstr(said, wanted[i])) fail_msg("--help says nothing of %s:\n%s", wanted[i], said);
  }
  assert_null(strstr(said, "hush-hush"));
  assert_int_equal(load("--version", NULL, NULL, NULL), CONFIG_DONE);
  assert_non_null(strstr(said, "test-program"));
}

static void an_address_is_a_host_and_a_port(void **state) {
  (void)state;
  char host[20];
  int port;
  assert_true(config_address("127.0.0.1:7300", host, sizeof host, &port));
  assert_string_equal(host, "127.0.0.1");
  assert_int_equal(port, 7300);
  assert_true(config_address("[::1]:0", host, sizeof host, &port));
  assert_string_equal(host, "[::1]");
  assert_true(config_address("h:65535", host, sizeof host, &port));
  static const char *const bad[] = {"",
                                    "host",
                                    "host:",
                                    ":80",
                                    "host:80x",
                                    "host:-1",
                                    "host:+1",
                                    "host: 1",
                                    "host:65536",
                                    "host:99999999999999999999",
                                    "a-host-name-of-20-ch:1"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    if (config_address(bad[i], host, sizeof host, &port)) fail_msg("\"%s\" was taken", bad[i]);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(defaults_come_from_the_table),
      TEST(the_environment_beats_defaults_and_flags_beat_both),
      TEST(a_flag_takes_its_value_after_a_space_or_an_equals_sign),
      TEST(wrong_values_are_refused_in_one_line_that_names_them),
      TEST(wrong_variables_are_named),
      TEST(secrets_come_from_the_environment_or_a_file),
      TEST(help_lists_everything_but_secrets),
      TEST(an_address_is_a_host_and_a_port),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
