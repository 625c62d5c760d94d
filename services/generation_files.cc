#include "services/generation_files.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "platform/encoding.h"

namespace signet::services {
namespace {

constexpr std::size_t kMaxSums = 64u << 20;
constexpr std::size_t kMaxFile = 1u << 30;
constexpr std::size_t kDigestDigits = 64;
constexpr std::size_t kSyncedOneByOne = 64;  // files; for more the whole file system is synced

bool BelongsToStore(const std::string& name, const std::string& store) {
  return name.starts_with(store + "/") || name == store + ".pem" || name == store + ".p12";
}

}  // namespace

FileOwner FolderOwnerOf(const FileOwner& file) {
  FileOwner folder{std::nullopt, file.gid, 0700};
  if ((file.mode & 0040u) != 0) folder.mode |= 0050u;
  if ((file.mode & 0004u) != 0) folder.mode |= 0005u;
  if (file.uid && *file.uid != ::geteuid()) folder.mode |= 0001u;
  return folder;
}

FileOwner ListOwnerOf(const FileOwner& file) { return {std::nullopt, file.gid, file.mode}; }

bool IsPlainName(std::string_view name) {
  return !name.empty() && name.front() != '/' && name.find("..") == std::string_view::npos &&
         EscapeLine(name) == name;
}

Result<std::vector<FileSum>> ReadSums(FileSystem& files, const std::string& folder) {
  SIGNET_TRY(const std::string content, files.Read(folder + "/" + kSumsFile, kMaxSums));
  std::string_view text = content;
  std::vector<FileSum> sums;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.size() < kDigestDigits + 3) continue;
    std::string name(line.substr(kDigestDigits + 2));
    if (IsPlainName(name)) sums.push_back({std::string(line.substr(0, kDigestDigits)), name});
  }
  return sums;
}

Result<GenerationRecord> ReadRecord(FileSystem& files, const std::string& folder) {
  SIGNET_TRY(const std::string text, files.Read(folder + "/" + kRecordFile, kMaxSums));
  JsonLimits limits;
  limits.max_bytes = kMaxSums;
  limits.may_hold_secret = false;
  SIGNET_TRY(const json::value value, ParseJson(text, limits));
  return FromJson<GenerationRecord>(value);
}

bool HasOwner(FileSystem& files, const std::string& path, FileInfo::Type type,
              const FileOwner& owner) {
  const Result<FileInfo> info = files.Info(path);
  return info && info.value().type == type && info.value().mode == owner.mode &&
         info.value().uid == owner.uid.value_or(::geteuid()) &&
         info.value().gid == owner.gid.value_or(::getegid());
}

bool IsAsWritten(FileSystem& files, const std::string& path, const std::string& digest,
                 const FileOwner& owner) {
  if (!HasOwner(files, path, FileInfo::Type::kRegular, owner)) return false;
  const auto content = files.Read(path, kMaxFile);
  // What its owner alone may read is the owner's to keep.
  if (!content) return content.error().origin.value == EACCES;
  return Sha256Hex(content.value()) == digest;
}

GenerationWriter::GenerationWriter(FileSystem& files, std::string temporary, std::string folder,
                                   std::string former, FileOwner owner)
    : files_(files),
      temporary_(std::move(temporary)),
      folder_(std::move(folder)),
      former_(std::move(former)),
      owner_(owner) {}

Status GenerationWriter::MakeFolderOf(const std::string& name) {
  for (std::size_t at = name.find('/'); at != std::string::npos; at = name.find('/', at + 1)) {
    if (!folders_.insert(name.substr(0, at)).second) continue;
    SIGNET_TRY(files_.MakeDirectory(temporary_ + "/" + name.substr(0, at), 0700));
  }
  return Ok();
}

Status GenerationWriter::Put(const std::string& name, std::string_view content,
                             const FileOwner& owner) {
  written_.push_back(temporary_ + "/" + name);
  return files_.WriteNew(written_.back(), content, owner);
}

Status GenerationWriter::Write(const std::string& name, std::string_view content) {
  if (!IsPlainName(name)) return InternalError("'" + EscapeLine(name) + "' is published nowhere");
  SIGNET_TRY(MakeFolderOf(name));
  if (name.ends_with('/')) return Ok();
  sums_ += Sha256Hex(content) + "  " + name + "\n";
  return Put(name, content, owner_);
}

Result<std::optional<PublishedStore>> GenerationWriter::Reuse(const std::string& store,
                                                              const std::string& digest) {
  const std::optional<PublishedStore> none;
  if (former_.empty()) return none;
  const auto record = ReadRecord(files_, former_);
  const auto sums = ReadSums(files_, former_);
  if (!record || !sums) return none;
  const auto& stores = record.value().stores;
  const auto same = std::find_if(stores.begin(), stores.end(), [&](const PublishedStore& found) {
    return found.store == store && found.digest == digest;
  });
  if (same == stores.end()) return none;
  std::vector<FileSum> wanted;
  for (const FileSum& sum : sums.value()) {
    if (!BelongsToStore(sum.name, store)) continue;
    if (!IsAsWritten(files_, former_ + "/" + sum.name, sum.digest, owner_)) return none;
    wanted.push_back(sum);
  }
  SIGNET_TRY(MakeFolderOf(store + "/"));
  for (const FileSum& sum : wanted) {
    // A link may be refused where a copy is not (other file system, too many links).
    const std::string from = former_ + "/" + sum.name;
    if (!files_.LinkFile(from, temporary_ + "/" + sum.name)) {
      SIGNET_TRY(const std::string content, files_.Read(from, kMaxFile));
      SIGNET_TRY(Put(sum.name, content, owner_));
    }
    sums_ += sum.digest + "  " + sum.name + "\n";
  }
  return *same;
}

Status GenerationWriter::Finish(GenerationRecord& record) {
  record.folders.assign(folders_.begin(), folders_.end());
  record.sums = Sha256Hex(sums_);
  const FileOwner own = ListOwnerOf(owner_);
  SIGNET_TRY(Put(kSumsFile, sums_, own));
  SIGNET_TRY(Put(kRecordFile, json::serialize(ToJson(record)) + "\n", own));
  const FileOwner folder_owner = FolderOwnerOf(owner_);
  for (const std::string& folder : folders_) {
    SIGNET_TRY(files_.SetOwner(temporary_ + "/" + folder, folder_owner));
  }
  SIGNET_TRY(files_.SetOwner(temporary_, folder_owner));
  return Sync();
}

Status GenerationWriter::Sync() {
  // Files of another owner cannot be opened any more; the folder around is ours.
  const bool given_away = owner_.uid && *owner_.uid != geteuid();
  if (written_.size() > kSyncedOneByOne || given_away)
    return files_.SyncAll(temporary_.substr(0, temporary_.rfind('/')));
  for (const std::string& path : written_) {
    SIGNET_TRY(files_.SyncFile(path));
  }
  for (const std::string& folder : folders_) {
    SIGNET_TRY(files_.SyncDirectory(temporary_ + "/" + folder));
  }
  return files_.SyncDirectory(temporary_);
}

}  // namespace signet::services
