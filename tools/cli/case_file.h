// Files of cases: JSON Lines, each line naming further files beside it. What the commands that
// judge without a daemon read.
#pragma once

#include <functional>
#include <string>

#include "platform/error.h"
#include "platform/json.h"

namespace signet::tools {

// Reads the files that rows name. Every path is relative to the folder of the cases file (an
// absolute one stays). At most 4 MiB each, regular files only.
class CaseFolder {
 public:
  explicit CaseFolder(const std::string& cases_file);
  Result<std::string> Read(const std::string& path) const;

 private:
  std::string folder_;
};

// Calls `judge` for each line in order with members as they stand in a struct of ours ("peer_name"
// as "peerName"), and prints what it returns as a line. A line that is no object, or that `judge`
// returns an error for, is reported on standard error with its number, and the next one is read.
// The exit code: 0 when all lines were judged, else that of kUsage. An error when the file itself
// can not be read (kUsage) or standard output not be written.
using Judge = std::function<Result<json::object>(const json::object& row)>;
Result<int> JudgeCases(const std::string& cases_file, const Judge& judge);

}  // namespace signet::tools
