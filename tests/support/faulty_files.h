// A FileSystem that forwards to another one and fails where a plan says so.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/files.h"

namespace signet::testing {

// Fails the nth call (from 1) of an operation: "read", "write_atomic", "sync_file",
// "sync_directory", "make_directory", "remove", "list", "info", "write_new", "set_owner",
// "make_link", "read_link", "rename", "link_file", "sync_all", or "*" for the nth call of all.
struct Fault {
  std::string operation;
  int nth = 1;
  int error_number = 0;       // errno
  bool after = false;         // the operation is done, and then reported as failed (a failed fsync)
  bool from_then_on = false;  // the nth and every later call
};
using FaultPlan = std::vector<Fault>;

// Thread-safe. `real` outlives it.
class FaultyFileSystem final : public FileSystem {
 public:
  explicit FaultyFileSystem(FileSystem& real, FaultPlan plan = {});

  // A new plan; the counts begin again.
  void Plan(FaultPlan plan);
  // "operation path" of each call since the plan began, so that a test can fail each of them in
  // turn.
  std::vector<std::string> Calls() const;

  Result<std::string> Read(const std::string& path, std::size_t limit) override;
  Status WriteAtomic(const std::string& path, std::string_view content,
                     std::uint32_t mode) override;
  Status SyncFile(const std::string& path) override;
  Status SyncDirectory(const std::string& path) override;
  Status MakeDirectory(const std::string& path, std::uint32_t mode) override;
  Status Remove(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& path) override;
  Result<FileInfo> Info(const std::string& path) override;
  Status WriteNew(const std::string& path, std::string_view content,
                  const FileOwner& owner) override;
  Status SetOwner(const std::string& path, const FileOwner& owner) override;
  Status MakeLink(const std::string& target, const std::string& path) override;
  Result<std::string> ReadLink(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status LinkFile(const std::string& from, const std::string& to) override;
  Status SyncAll(const std::string& folder) override;

 private:
  // The fault of this call, if any.
  std::optional<Fault> Count(std::string_view operation, const std::string& path);
  template <class Call>
  auto Through(std::string_view operation, const std::string& path, Call call) -> decltype(call());

  FileSystem& real_;
  mutable std::mutex mutex_;
  FaultPlan plan_;
  std::map<std::string, int, std::less<>> counts_;
  std::vector<std::string> calls_;
};

}  // namespace signet::testing
