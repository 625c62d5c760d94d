// The files of a generation: their list, their record, and how they are written. For
// generation_folder.cc.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "platform/files.h"
#include "services/generation.h"

namespace signet::services {

inline constexpr char kSumsFile[] = "SHA256SUMS";
inline constexpr char kRecordFile[] = "generation.json";

// Of the folders around files of this owner: the daemon's own, for those to pass who may read the
// files; an owner who is in no such group may pass, too.
FileOwner FolderOwnerOf(const FileOwner& file);
// Of list and record, which stay the daemon's own, too: it must be able to read them again.
FileOwner ListOwnerOf(const FileOwner& file);

struct FileSum {
  std::string digest, name;
};
// The list of a generation; names that would lead out of it are left out.
Result<std::vector<FileSum>> ReadSums(FileSystem& files, const std::string& folder);
Result<GenerationRecord> ReadRecord(FileSystem& files, const std::string& folder);
// Stays inside a folder: names are read back from files, too.
bool IsPlainName(std::string_view name);

// Whether what lies there is still as it was written.
bool HasOwner(FileSystem& files, const std::string& path, FileInfo::Type type,
              const FileOwner& owner);
bool IsAsWritten(FileSystem& files, const std::string& path, const std::string& digest,
                 const FileOwner& owner);

// Fills the folder `temporary`, which is there and empty and will be `folder`.
class GenerationWriter final : public GenerationSink {
 public:
  // `former`: folder of the current generation, or empty.
  GenerationWriter(FileSystem& files, std::string temporary, std::string folder, std::string former,
                   FileOwner owner);

  const std::string& folder() const override { return folder_; }
  Status Write(const std::string& name, std::string_view content) override;
  Result<std::optional<PublishedStore>> Reuse(const std::string& store,
                                              const std::string& digest) override;

  // Writes list and record, gives the folders their owner, and brings all of it to the disk.
  Status Finish(GenerationRecord& record);

 private:
  Status Put(const std::string& name, std::string_view content, const FileOwner& owner);
  Status MakeFolderOf(const std::string& name);
  Status Sync();

  FileSystem& files_;
  const std::string temporary_, folder_, former_;
  const FileOwner owner_;
  std::string sums_;
  std::set<std::string> folders_;
  std::vector<std::string> written_;
};

}  // namespace signet::services
