#include "services/generation_folder.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

#include "platform/encoding.h"
#include "platform/failpoint.h"
#include "services/generation_files.h"

namespace signet::services {

namespace {

constexpr std::string_view kNew = ".new";  // what is being written: ".7.new", ".current.new"
constexpr std::size_t kOldKept = 2;
constexpr int kDeepest = 4;  // folders in each other
constexpr std::uint32_t kOthersWrite = 0002, kAnyWrite = 0022, kSticky = 01000;

Error Unsafe(const std::string& path, const std::string& problem) {
  return MakeError(Kind::kRefused, "PUBLISH_FOLDER_UNSAFE", "'" + EscapeLine(path) + "' " + problem,
                   "Move it away, or name another folder ('publish') in the configuration.");
}

bool IsOurs(const FileInfo& info) { return info.uid == 0 || info.uid == ::geteuid(); }
bool IsAbsent(const Error& error) { return error.origin.value == ENOENT; }

std::optional<std::uint64_t> NumberOf(std::string_view name) {
  std::uint64_t number = 0;
  const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), number);
  const bool whole = problem == std::errc() && end == name.data() + name.size();
  if (!whole || number == 0 || name.front() == '0') return std::nullopt;
  return number;
}

// "7" of "generations/7".
std::optional<std::uint64_t> NumberOfLink(std::string_view target) {
  constexpr std::string_view kFolder = "generations/";
  if (!target.starts_with(kFolder)) return std::nullopt;
  return NumberOf(target.substr(kFolder.size()));
}

}  // namespace

GenerationFolder::GenerationFolder(FileSystem& files, std::string folder)
    : files_(files),
      folder_(std::move(folder)),
      generations_(folder_ + "/generations"),
      current_(folder_ + "/current") {}

std::string GenerationFolder::PathOf(std::uint64_t number) const {
  return generations_ + "/" + std::to_string(number);
}

// A parent may let others make files in it when they cannot touch ours (the sticky bit).
Status GenerationFolder::CheckFolder(const std::string& path, bool parent) {
  SIGNET_TRY(const FileInfo info, files_.Info(path));
  if (info.type == FileInfo::Type::kSymlink) return Unsafe(path, "is a symbolic link");
  if (info.type != FileInfo::Type::kDirectory) return Unsafe(path, "is not a folder");
  if (!IsOurs(info)) return Unsafe(path, "belongs to another user");
  const bool sticky = parent && (info.mode & kSticky) != 0;
  if (!sticky && (info.mode & (parent ? kOthersWrite : kAnyWrite)) != 0)
    return Unsafe(path, "may be written by others");
  return Ok();
}

Status GenerationFolder::CheckLink(const std::string& path) {
  const Result<FileInfo> info = files_.Info(path);
  if (!info && IsAbsent(info.error())) return Ok();
  if (!info) return info.error();
  if (info.value().type != FileInfo::Type::kSymlink) return Unsafe(path, "is not a symbolic link");
  if (!IsOurs(info.value())) return Unsafe(path, "belongs to another user");
  SIGNET_TRY(const std::string target, files_.ReadLink(path));
  if (!NumberOfLink(target)) return Unsafe(path, "leads to '" + EscapeLine(target, 256) + "'");
  return Ok();
}

Status GenerationFolder::MakeFolder(const std::string& path, const FileOwner& owner) {
  const bool made = !files_.Info(path);
  if (made) {
    SIGNET_TRY(files_.MakeDirectory(path, 0700));
  }
  SIGNET_TRY(CheckFolder(path, false));
  SIGNET_TRY(files_.SetOwner(path, owner));
  return made ? files_.SyncDirectory(path.substr(0, path.rfind('/'))) : Ok();
}

Status GenerationFolder::Prepare(const FileOwner& owner) {
  const std::string parent = folder_.substr(0, std::max<std::size_t>(folder_.rfind('/'), 1));
  if (!files_.Info(parent)) {
    SIGNET_TRY(files_.MakeDirectory(parent, 0755));
  }
  SIGNET_TRY(CheckFolder(parent, true));
  SIGNET_TRY(MakeFolder(folder_, FolderOwnerOf(owner)));
  SIGNET_TRY(MakeFolder(generations_, FolderOwnerOf(owner)));
  SIGNET_TRY(CheckLink(current_));
  SIGNET_TRY(const std::vector<std::string> names, files_.List(generations_));
  for (const std::string& name : names) {
    const bool leftover = name.starts_with('.') && name.ends_with(kNew) &&
                          NumberOf(name.substr(1, name.size() - 1 - kNew.size()));
    if (leftover) {
      SIGNET_TRY(RemoveLeftover(generations_ + "/" + name, kDeepest));
    }
  }
  const std::string link = folder_ + "/.current" + std::string(kNew);
  SIGNET_TRY(CheckLink(link));
  return files_.Remove(link);
}

// What an earlier Add did not finish: nobody else could write there.
Status GenerationFolder::RemoveLeftover(const std::string& path, int depth) {
  SIGNET_TRY(const FileInfo info, files_.Info(path));
  if (info.type == FileInfo::Type::kDirectory) {
    if (!IsOurs(info) || depth == 0) return Unsafe(path, "is not a folder of this daemon");
    SIGNET_TRY(const std::vector<std::string> names, files_.List(path));
    for (const std::string& name : names) {
      SIGNET_TRY(RemoveLeftover(path + "/" + name, depth - 1));
    }
  }
  return files_.Remove(path);
}

Result<std::vector<std::uint64_t>> GenerationFolder::Numbers() {
  SIGNET_TRY(const std::vector<std::string> names, files_.List(generations_));
  std::vector<std::uint64_t> numbers;
  for (const std::string& name : names) {
    if (const auto number = NumberOf(name)) numbers.push_back(*number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

Result<std::optional<GenerationFolder::Generation>> GenerationFolder::Current() {
  const Result<std::string> target = files_.ReadLink(current_);
  if (!target && IsAbsent(target.error())) return std::optional<Generation>();
  if (!target) return target.error();
  const auto number = NumberOfLink(target.value());
  if (!number) return std::optional<Generation>();
  Result<GenerationRecord> record = ReadRecord(files_, PathOf(*number));
  if (!record) return std::optional<Generation>();
  return std::optional<Generation>({*number, std::move(record).value()});
}

bool GenerationFolder::IsIntact(const Generation& generation, const FileOwner& owner) {
  const std::string folder = PathOf(generation.number);
  const FileOwner folder_owner = FolderOwnerOf(owner);
  if (!HasOwner(files_, folder, FileInfo::Type::kDirectory, folder_owner)) return false;
  for (const std::string& name : generation.record.folders) {
    if (!HasOwner(files_, folder + "/" + name, FileInfo::Type::kDirectory, folder_owner))
      return false;
  }
  const auto sums = ReadSums(files_, folder);
  if (!sums ||
      !IsAsWritten(files_, folder + "/" + kSumsFile, generation.record.sums, ListOwnerOf(owner))) {
    return false;
  }
  return std::all_of(sums.value().begin(), sums.value().end(), [&](const FileSum& sum) {
    return IsAsWritten(files_, folder + "/" + sum.name, sum.digest, owner);
  });
}

Status GenerationFolder::Fill(const std::string& temporary, Generation& generation,
                              const FileOwner& owner, const Writer& write) {
  SIGNET_TRY(const auto current, Current());
  SIGNET_TRY(files_.MakeDirectory(temporary, 0700));
  Failpoint("publish.begun");
  GenerationWriter writer(files_, temporary, PathOf(generation.number),
                          current ? PathOf(current->number) : "", owner);
  SIGNET_TRY(generation.record.stores, write(writer));
  Failpoint("publish.filled");
  SIGNET_TRY(writer.Finish(generation.record));
  Failpoint("publish.synced");
  return Ok();
}

Status GenerationFolder::Swap(std::uint64_t number) {
  const std::string link = folder_ + "/.current" + std::string(kNew);
  SIGNET_TRY(files_.MakeLink("generations/" + std::to_string(number), link));
  Failpoint("publish.linked");
  SIGNET_TRY(files_.Rename(link, current_));
  Failpoint("publish.swapped");
  return files_.SyncDirectory(folder_);
}

Result<GenerationFolder::Generation> GenerationFolder::Add(GenerationRecord record,
                                                           const FileOwner& owner,
                                                           const Writer& write) {
  SIGNET_TRY(const std::vector<std::uint64_t> numbers, Numbers());
  Generation generation{numbers.empty() ? 1 : numbers.back() + 1, std::move(record)};
  const std::string temporary =
      generations_ + "/." + std::to_string(generation.number) + std::string(kNew);
  Status filled = Fill(temporary, generation, owner, write);
  if (filled) filled = files_.Rename(temporary, PathOf(generation.number));
  if (!filled) {
    // The disk may be full: what is half there helps nobody. The next Prepare tries, too.
    std::ignore = RemoveLeftover(temporary, kDeepest);
    return std::move(filled).error();
  }
  SIGNET_TRY(files_.SyncDirectory(generations_));
  Failpoint("publish.renamed");
  SIGNET_TRY(Swap(generation.number));
  return generation;
}

Status GenerationFolder::RemoveOld(const std::set<std::string>& kept_keys,
                                   std::vector<std::string>& foreign) {
  SIGNET_TRY(const std::string target, files_.ReadLink(current_));
  SIGNET_TRY(const std::vector<std::uint64_t> numbers, Numbers());
  std::size_t kept = 0;
  std::set<std::string> wanted = kept_keys;
  for (auto number = numbers.rbegin(); number != numbers.rend(); ++number) {
    if (NumberOfLink(target) == *number) continue;
    bool keep = kept++ < kOldKept;
    if (const auto record = ReadRecord(files_, PathOf(*number))) {
      for (const PublishedKey& key : record.value().keys) keep = wanted.erase(key.key) != 0 || keep;
    }
    if (keep) continue;
    SIGNET_TRY(const bool gone, RemoveGeneration(*number));
    if (!gone) foreign.push_back(PathOf(*number));
    Failpoint("publish.removed");
  }
  return Ok();
}

Result<bool> GenerationFolder::RemoveGeneration(std::uint64_t number) {
  const std::string folder = PathOf(number);
  SIGNET_TRY(const FileInfo info, files_.Info(folder));
  if (info.type != FileInfo::Type::kDirectory || !IsOurs(info)) return false;
  const auto is_folder = [&](const std::string& path) {
    const Result<FileInfo> inner = files_.Info(path);
    return inner && inner.value().type == FileInfo::Type::kDirectory;
  };
  std::set<std::string> folders;
  if (const auto record = ReadRecord(files_, folder)) {
    for (const std::string& name : record.value().folders) {
      if (IsPlainName(name)) folders.insert(name);
    }
  }
  if (const auto sums = ReadSums(files_, folder)) {
    for (const FileSum& sum : sums.value()) {
      const std::string path = folder + "/" + sum.name;
      bool inside = !is_folder(path);
      for (std::size_t at = sum.name.find('/'); inside && at != std::string::npos;
           at = sum.name.find('/', at + 1)) {
        folders.insert(sum.name.substr(0, at));
        inside = is_folder(folder + "/" + sum.name.substr(0, at));
      }
      if (!inside) continue;
      SIGNET_TRY(files_.Remove(path));
    }
  }
  bool empty = true;
  const auto remove_folder = [&](const std::string& path) -> Status {
    if (!is_folder(path)) return Ok();
    Status removed = files_.Remove(path);
    if (removed || removed.error().origin.value != ENOTEMPTY) return removed;
    empty = false;
    return Ok();
  };
  for (auto name = folders.rbegin(); name != folders.rend(); ++name) {
    SIGNET_TRY(remove_folder(folder + "/" + *name));
  }
  if (!empty) return false;  // its record stays, for the next time
  SIGNET_TRY(files_.Remove(folder + "/" + kSumsFile));
  SIGNET_TRY(files_.Remove(folder + "/" + kRecordFile));
  SIGNET_TRY(remove_folder(folder));
  return empty;
}

}  // namespace signet::services
