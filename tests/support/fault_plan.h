// Drives libfaulty_p11.so (see tests/support/faulty_p11/faulty_p11.cc for the plan's form).
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/soft_token.h"

namespace signet::testing {

// Sets SIGNET_FAULTY_PLAN and SIGNET_FAULTY_LOG of this process. Without Set() nothing is spoiled.
class FaultPlanFile {
 public:
  explicit FaultPlanFile(const TempDirectory& dir) : plan_(dir / "plan"), log_(dir / "calls") {
    ::setenv("SIGNET_FAULTY_PLAN", plan_.c_str(), 1);
    ::setenv("SIGNET_FAULTY_LOG", log_.c_str(), 1);
  }
  // Replaced by a rename, so that no half plan is ever read.
  void Set(const std::string& rules) {
    WriteFile(plan_ + ".new", rules);
    std::filesystem::rename(plan_ + ".new", plan_);
  }
  void Clear() { std::filesystem::remove(plan_); }

  // How often the function was called so far.
  int Calls(const std::string& function) const {
    std::ifstream file(log_);
    int count = 0;
    for (std::string line; std::getline(file, line);) count += line == function;
    return count;
  }

 private:
  std::string plan_;
  std::string log_;
};

}  // namespace signet::testing
