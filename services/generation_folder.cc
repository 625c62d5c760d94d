#include "services/generation_folder.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

#include "platform/encoding.h"
#include "platform/failpoint.h"
#include "platform/json.h"

namespace signet::services {

// What `generation.json` says.
struct GenerationKey : LenientRecord {
  std::string purpose, key;
};
BOOST_DESCRIBE_STRUCT(GenerationKey, (LenientRecord), (purpose, key))
struct GenerationGap : LenientRecord {
  std::string id, text, certificate;
};
BOOST_DESCRIBE_STRUCT(GenerationGap, (LenientRecord), (id, text, certificate))
struct GenerationRecord : LenientRecord {
  std::string inputs;
  std::string sums;  // SHA-256 of SHA256SUMS
  std::vector<GenerationKey> keys;
  std::vector<std::string> folders;
  std::vector<GenerationGap> left_out;
};
BOOST_DESCRIBE_STRUCT(GenerationRecord, (LenientRecord), (inputs, sums, keys, folders, left_out))

namespace {

constexpr char kSums[] = "SHA256SUMS";
constexpr char kRecord[] = "generation.json";
constexpr std::string_view kNew = ".new";  // what is being written: ".7.new", ".current.new"
constexpr std::size_t kMaxSums = 64u << 20;
constexpr std::size_t kMaxFile = 1u << 30;
constexpr std::size_t kDigestDigits = 64;
constexpr std::size_t kOldKept = 2;
constexpr int kDeepest = 4;  // folders in each other
constexpr std::uint32_t kOthersWrite = 0002, kAnyWrite = 0022, kSticky = 01000;

// Traversable for those who may read the files; an owner who is in no such group may pass, too.
FileOwner FolderOwner(const FileOwner& file) {
  FileOwner folder{std::nullopt, file.gid, 0700};
  if ((file.mode & 0040u) != 0) folder.mode |= 0050u;
  if ((file.mode & 0004u) != 0) folder.mode |= 0005u;
  if (file.uid && *file.uid != ::geteuid()) folder.mode |= 0001u;
  return folder;
}

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

// Stays inside: names are read back from files, too.
bool IsPlainName(std::string_view name) {
  return !name.empty() && name.front() != '/' && name.find("..") == std::string_view::npos &&
         EscapeLine(name) == name;
}

struct Sum {
  std::string digest, name;
};
std::vector<Sum> ReadSums(std::string_view text) {
  std::vector<Sum> sums;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.size() < kDigestDigits + 3) continue;
    std::string name(line.substr(kDigestDigits + 2));
    if (IsPlainName(name)) sums.push_back({std::string(line.substr(0, kDigestDigits)), name});
  }
  return sums;
}

Result<GenerationRecord> ReadRecord(FileSystem& files, const std::string& path) {
  SIGNET_TRY(const std::string text, files.Read(path, kMaxSums));
  SIGNET_TRY(const json::value value, ParseJson(text));
  return FromJson<GenerationRecord>(value);
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
  SIGNET_TRY(MakeFolder(folder_, FolderOwner(owner)));
  SIGNET_TRY(MakeFolder(generations_, FolderOwner(owner)));
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

Result<GenerationFolder::Generation> GenerationFolder::Describe(std::uint64_t number) {
  SIGNET_TRY(const GenerationRecord record, ReadRecord(files_, PathOf(number) + "/" + kRecord));
  Generation generation{number, record.inputs, {}, {}};
  for (const GenerationKey& key : record.keys) generation.keys[key.purpose] = key.key;
  for (const GenerationGap& gap : record.left_out)
    generation.left_out.push_back({Severity::kWarning, gap.id, gap.text, gap.certificate});
  return generation;
}

Result<std::optional<GenerationFolder::Generation>> GenerationFolder::Current() {
  const Result<std::string> target = files_.ReadLink(current_);
  if (!target && IsAbsent(target.error())) return std::optional<Generation>();
  if (!target) return target.error();
  const auto number = NumberOfLink(target.value());
  Result<Generation> generation =
      number ? Describe(*number) : Result<Generation>(Unsafe(current_, "leads astray"));
  return generation ? std::optional<Generation>(std::move(generation).value()) : std::nullopt;
}

bool GenerationFolder::IsIntact(std::uint64_t number, const FileOwner& owner) {
  const std::string folder = PathOf(number);
  const auto record = ReadRecord(files_, folder + "/" + kRecord);
  const auto sums = files_.Read(folder + "/" + kSums, kMaxSums);
  if (!record || !sums || Sha256Hex(sums.value()) != record.value().sums) return false;
  const auto belongs = [&](const std::string& path, FileInfo::Type type, const FileOwner& wanted) {
    const Result<FileInfo> info = files_.Info(path);
    return info && info.value().type == type && info.value().mode == wanted.mode &&
           info.value().uid == wanted.uid.value_or(::geteuid()) &&
           info.value().gid == wanted.gid.value_or(::getegid());
  };
  const FileOwner folder_owner = FolderOwner(owner);
  if (!belongs(folder, FileInfo::Type::kDirectory, folder_owner)) return false;
  for (const std::string& name : record.value().folders) {
    if (!belongs(folder + "/" + name, FileInfo::Type::kDirectory, folder_owner)) return false;
  }
  for (const Sum& sum : ReadSums(sums.value())) {
    const std::string path = folder + "/" + sum.name;
    if (!belongs(path, FileInfo::Type::kRegular, owner)) return false;
    const auto content = files_.Read(path, kMaxFile);
    if (!content || Sha256Hex(content.value()) != sum.digest) return false;
  }
  return true;
}

Status GenerationFolder::Fill(const std::string& temporary, Generation& generation,
                              const FileOwner& owner, const Writer& write) {
  SIGNET_TRY(files_.MakeDirectory(temporary, 0700));
  Failpoint("publish.begun");
  GenerationRecord record;
  record.inputs = generation.inputs;
  for (const auto& [purpose, key] : generation.keys) record.keys.push_back({{}, purpose, key});
  std::string sums;
  std::set<std::string> folders;
  const Sink sink = [&](const std::string& name, std::string_view content) -> Status {
    if (!IsPlainName(name)) return InternalError("'" + EscapeLine(name) + "' is published nowhere");
    const std::size_t slash = name.rfind('/');
    if (slash != std::string::npos && folders.insert(name.substr(0, slash)).second) {
      SIGNET_TRY(files_.MakeDirectory(temporary + "/" + name.substr(0, slash), 0700));
    }
    if (name.ends_with('/')) return Ok();
    sums += Sha256Hex(content) + "  " + name + "\n";
    return files_.WriteNew(temporary + "/" + name, content, owner);
  };
  SIGNET_TRY(write(PathOf(generation.number), sink, generation.left_out));
  Failpoint("publish.filled");
  for (const Finding& gap : generation.left_out)
    record.left_out.push_back({{}, gap.id, gap.text, gap.certificate});
  record.folders.assign(folders.begin(), folders.end());
  record.sums = Sha256Hex(sums);
  SIGNET_TRY(files_.WriteNew(temporary + "/" + kSums, sums, owner));
  SIGNET_TRY(
      files_.WriteNew(temporary + "/" + kRecord, json::serialize(ToJson(record)) + "\n", owner));
  const FileOwner folder_owner = FolderOwner(owner);
  for (const std::string& folder : folders) {
    SIGNET_TRY(files_.SetOwner(temporary + "/" + folder, folder_owner));
  }
  SIGNET_TRY(files_.SetOwner(temporary, folder_owner));
  SIGNET_TRY(files_.SyncTree(temporary));
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

Result<GenerationFolder::Generation> GenerationFolder::Add(Generation generation,
                                                           const FileOwner& owner,
                                                           const Writer& write) {
  SIGNET_TRY(const std::vector<std::uint64_t> numbers, Numbers());
  generation.number = numbers.empty() ? 1 : numbers.back() + 1;
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
    if (const auto generation = Describe(*number)) {
      for (const auto& [purpose, key] : generation.value().keys)
        keep = wanted.erase(key) != 0 || keep;
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
  if (const auto record = ReadRecord(files_, folder + "/" + kRecord)) {
    for (const std::string& name : record.value().folders) {
      if (IsPlainName(name)) folders.insert(name);
    }
  }
  if (const auto sums = files_.Read(folder + "/" + kSums, kMaxSums)) {
    for (const Sum& sum : ReadSums(sums.value())) {
      const std::string path = folder + "/" + sum.name;
      const std::size_t slash = sum.name.rfind('/');
      if (slash != std::string::npos) folders.insert(sum.name.substr(0, slash));
      const bool inside = is_folder(path.substr(0, path.rfind('/'))) && !is_folder(path);
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
  SIGNET_TRY(files_.Remove(folder + "/" + kSums));
  SIGNET_TRY(files_.Remove(folder + "/" + kRecord));
  SIGNET_TRY(remove_folder(folder));
  return empty;
}

}  // namespace signet::services
