#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <system_error>

#include "app/cli/command.h"

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  // A file that may not grow any more (ulimit -f) is an error of the write, and told as one.
  ::signal(SIGXFSZ, SIG_IGN);
  std::error_code error;
  slipway::app::Surroundings surroundings{std::filesystem::current_path(error), std::cout,
                                          std::cerr};
  surroundings.colours = slipway::app::may_have_colours(
      isatty(STDOUT_FILENO) != 0, std::getenv("NO_COLOR"), std::getenv("TERM"));
  if (error) {
    std::cerr << "slipway: error: the current folder is gone: " << error.message() << "\n";
    return slipway::app::kCouldNotBeDone;
  }
  std::vector<std::string> arguments(argv + 1, argv + argc);
  // Linked as `dvc` it is `slipway dvc`, for scripts that call that name.
  if (argc > 0 && std::filesystem::path(argv[0]).filename() == "dvc")
    arguments.insert(arguments.begin(), "dvc");
  int status = slipway::app::run_command_line(arguments, surroundings);
  std::cout.flush();
  return status;
}
