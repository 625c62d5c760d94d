#include "tests/support/faulty_files.h"

#include <optional>
#include <utility>

namespace signet::testing {

FaultyFileSystem::FaultyFileSystem(FileSystem& real, FaultPlan plan)
    : real_(real), plan_(std::move(plan)) {}

void FaultyFileSystem::Plan(FaultPlan plan) {
  const std::lock_guard lock(mutex_);
  plan_ = std::move(plan);
  counts_.clear();
  calls_.clear();
}

std::vector<std::string> FaultyFileSystem::Calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

std::optional<Fault> FaultyFileSystem::Count(std::string_view operation, const std::string& path) {
  const std::lock_guard lock(mutex_);
  calls_.push_back(std::string(operation) + " " + path);
  const int own = ++counts_[std::string(operation)];
  const int all = ++counts_["*"];
  for (const Fault& fault : plan_) {
    const bool any = fault.operation == "*";
    if (!any && fault.operation != operation) continue;
    const int count = any ? all : own;
    if (count == fault.nth || (fault.from_then_on && count > fault.nth)) return fault;
  }
  return std::nullopt;
}

template <class Call>
auto FaultyFileSystem::Through(std::string_view operation, const std::string& path, Call call)
    -> decltype(call()) {
  const std::optional<Fault> fault = Count(operation, path);
  if (!fault) return call();
  if (fault->after) {
    auto result = call();
    if (!result) return result;
  }
  return ErrnoError(fault->error_number, std::string(operation) + " (injected)", path);
}

Result<std::string> FaultyFileSystem::Read(const std::string& path, std::size_t limit) {
  return Through("read", path, [&] { return real_.Read(path, limit); });
}
Status FaultyFileSystem::WriteAtomic(const std::string& path, std::string_view content,
                                     std::uint32_t mode) {
  return Through("write_atomic", path, [&] { return real_.WriteAtomic(path, content, mode); });
}
Status FaultyFileSystem::SyncFile(const std::string& path) {
  return Through("sync_file", path, [&] { return real_.SyncFile(path); });
}
Status FaultyFileSystem::SyncDirectory(const std::string& path) {
  return Through("sync_directory", path, [&] { return real_.SyncDirectory(path); });
}
Status FaultyFileSystem::MakeDirectory(const std::string& path, std::uint32_t mode) {
  return Through("make_directory", path, [&] { return real_.MakeDirectory(path, mode); });
}
Status FaultyFileSystem::Remove(const std::string& path) {
  return Through("remove", path, [&] { return real_.Remove(path); });
}
Result<std::vector<std::string>> FaultyFileSystem::List(const std::string& path) {
  return Through("list", path, [&] { return real_.List(path); });
}
Result<FileInfo> FaultyFileSystem::Info(const std::string& path) {
  return Through("info", path, [&] { return real_.Info(path); });
}
Status FaultyFileSystem::WriteNew(const std::string& path, std::string_view content,
                                  const FileOwner& owner) {
  return Through("write_new", path, [&] { return real_.WriteNew(path, content, owner); });
}
Status FaultyFileSystem::SetOwner(const std::string& path, const FileOwner& owner) {
  return Through("set_owner", path, [&] { return real_.SetOwner(path, owner); });
}
Status FaultyFileSystem::MakeLink(const std::string& target, const std::string& path) {
  return Through("make_link", path, [&] { return real_.MakeLink(target, path); });
}
Result<std::string> FaultyFileSystem::ReadLink(const std::string& path) {
  return Through("read_link", path, [&] { return real_.ReadLink(path); });
}
Status FaultyFileSystem::Rename(const std::string& from, const std::string& to) {
  return Through("rename", to, [&] { return real_.Rename(from, to); });
}
Status FaultyFileSystem::LinkFile(const std::string& from, const std::string& to) {
  return Through("link_file", to, [&] { return real_.LinkFile(from, to); });
}
Status FaultyFileSystem::SyncAll(const std::string& folder) {
  return Through("sync_all", folder, [&] { return real_.SyncAll(folder); });
}

}  // namespace signet::testing
