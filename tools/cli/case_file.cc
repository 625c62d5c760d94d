#include "tools/cli/case_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "platform/encoding.h"
#include "platform/files.h"
#include "tools/cli/input.h"
#include "tools/cli/message.h"

namespace signet::tools {
namespace {

constexpr std::size_t kMaxLine = 1u << 20;
constexpr std::size_t kMaxFile = 4u << 20;
constexpr std::size_t kMaxDepth = 8;
constexpr std::size_t kMaxReports = 100;

// The suites write snake_case, FromJson reads what goes over the wire.
json::object AsWire(const json::object& row) {
  json::object out;
  for (const auto& member : row) {
    out[WireName(std::string(member.key().data(), member.key().size()).c_str())] = member.value();
  }
  return out;
}

Result<json::object> ReadRow(std::string_view line) {
  if (line.size() > kMaxLine) {
    return MakeError(Kind::kUsage, "CASE_INVALID", "the line is longer than 1 MiB",
                     "Write one object a line.");
  }
  SIGNET_TRY(const json::value value, ParseJson(line, {kMaxLine, kMaxDepth}));
  if (!value.is_object()) {
    return MakeError(Kind::kUsage, "CASE_INVALID", "the line is no JSON object",
                     "Write one object a line.");
  }
  return AsWire(value.get_object());
}

Status PrintLine(const json::object& verdict) {
  const std::string line = json::serialize(verdict) + "\n";
  if (std::fwrite(line.data(), 1, line.size(), stdout) != line.size()) {
    return ErrnoError(errno, "write", "standard output");
  }
  return Ok();
}

}  // namespace

CaseFolder::CaseFolder(const std::string& cases_file) {
  const std::size_t slash = cases_file.rfind('/');
  folder_ = slash == std::string::npos ? "" : cases_file.substr(0, slash + 1);
}

Result<std::string> CaseFolder::Read(const std::string& path) const {
  if (path.empty() || path.find('\0') != std::string::npos) {
    return MakeError(Kind::kUsage, "CASE_INVALID", "a file's name is empty or holds a NUL",
                     "Give paths relative to the cases file.");
  }
  return MakeFileSystem()->Read(path.front() == '/' ? path : folder_ + path, kMaxFile);
}

Result<int> JudgeCases(const std::string& cases_file, const Judge& judge) {
  SIGNET_TRY(const WipedString content, ReadInput(cases_file));
  std::string_view rest(content.data(), content.size());
  std::size_t number = 0;
  std::size_t failed = 0;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    Result<json::object> verdict = ReadRow(line);
    if (verdict) {
      const json::object row = std::move(verdict).value();
      verdict = judge(row);
    }
    if (verdict) {
      SIGNET_TRY(PrintLine(verdict.value()));
      continue;
    }
    if (++failed > kMaxReports) continue;
    Error error = std::move(verdict).error();
    error.detail = cases_file + " line " + std::to_string(number) + ": " + error.detail;
    PrintError(error);
  }
  if (failed == 0) return 0;
  PrintNote(std::to_string(failed) + " of the lines could not be judged");
  return ExitCode(Kind::kUsage);
}

}  // namespace signet::tools
