// supervising HELPER WORD...: a stand-in for signetd that supervises one command until it is
// killed.
#include <unistd.h>

#include <iostream>

#include "platform/supervisor.h"

int main(int argc, char** argv) {
  signet::ProcessSpec spec;
  spec.command.assign(argv + 2, argv + argc);
  signet::Supervisor supervisor(argv[1], spec);
  const auto started = supervisor.Start(std::chrono::seconds(30));
  if (!started) {
    std::cout << started.error().ToString() << std::endl;
    return 1;
  }
  std::cout << "pid " << supervisor.Look().pid << "\n" << std::flush;
  while (true) pause();
}
