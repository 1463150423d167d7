// muster-token: mints, inspects and revokes tokens. This file finds the command.
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "version.h"

static const struct command {
  const char *name;
  int (*main)(int argc, char **argv);
  const char *help;
} commands[] = {
    {"mint", mint_main, "signs a token and prints it"},
    {"inspect", inspect_main, "says what a token says, whether it is valid, and why not"},
    {"revoke", revoke_main, "ends a token, or all tokens of somebody, everywhere"},
    {"revoked", revoked_main, "lists what is revoked"},
};
#define COMMANDS (sizeof commands / sizeof *commands)

static int print_help(void) {
  printf("Usage: %s COMMAND [OPTION]...\n\n", COMMAND_PROGRAM);
  for (size_t i = 0; i < COMMANDS; i++) printf("  %-9s %s\n", commands[i].name, commands[i].help);
  printf("\n  muster-token mint --role manager --team team-1 --subject anna --days 1 > token.txt\n");
  printf("  muster-token inspect --token-file token.txt\n");
  printf("  muster-token revoke --token-file token.txt --reason \"left the company\"\n");
  printf("  muster-token revoked\n");
  printf("\nEach has a --help of its own. Without a command, options are those of mint.\n");
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) return print_help();
  if (strcmp(argv[1], "--version") == 0) return printf("%s %s\n", COMMAND_PROGRAM, MUSTER_VERSION), 0;
  if (*argv[1] == '-') return mint_main(argc, argv);
  for (size_t i = 0; i < COMMANDS; i++) {
    if (strcmp(argv[1], commands[i].name) == 0) return commands[i].main(argc - 1, argv + 1);
  }
  return command_refuse("unknown command \"%s\"; --help lists all", argv[1]);
}
