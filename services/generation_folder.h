// A service's folder: generations/<n>, each written whole and never changed, and `current`, a
// symbolic link to one of them. At any instant `current` leads to a whole generation or is not
// there yet.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "platform/error.h"
#include "platform/files.h"
#include "services/generation.h"

namespace signet::services {

// Beside the files of a generation lie `SHA256SUMS` (as sha256sum has it) and `generation.json`.
// Folders stay the daemon's own; the owner's mode and group are theirs, too. Not thread-safe.
class GenerationFolder {
 public:
  struct Generation {
    std::uint64_t number = 0;
    GenerationRecord record;
  };
  // `folder`: absolute.
  GenerationFolder(FileSystem& files, std::string folder);

  // Makes the folder where it is absent and takes away what a crash left. kRefused
  // PUBLISH_FOLDER_UNSAFE when something of somebody else, or something else than a folder, stands
  // in its place.
  Status Prepare(const FileOwner& owner);

  // What `current` leads to; none when there is no link, or it leads to nothing that is whole
  // enough to be described.
  Result<std::optional<Generation>> Current();
  // Each file is as it was written: type, owner, mode and content.
  bool IsIntact(const Generation& generation, const FileOwner& owner);

  // Writes all files and says what became of the trust stores.
  using Writer = std::function<Result<std::vector<PublishedStore>>(GenerationSink& sink)>;
  // Writes the next generation and makes it the current one, which is returned. `record`: inputs
  // and keys.
  Result<Generation> Add(GenerationRecord record, const FileOwner& owner, const Writer& write);

  // Removes what is neither current, nor among the two before it, nor the last one with one of
  // these keys. What Signet did not write stays where it is, and is named in `foreign`.
  Status RemoveOld(const std::set<std::string>& kept_keys, std::vector<std::string>& foreign);

 private:
  std::string PathOf(std::uint64_t number) const;
  Status CheckFolder(const std::string& path, bool parent);
  Status CheckLink(const std::string& path);
  Status MakeFolder(const std::string& path, const FileOwner& owner);
  Result<std::vector<std::uint64_t>> Numbers();  // ascending
  Status Fill(const std::string& temporary, Generation& generation, const FileOwner& owner,
              const Writer& write);
  Status Swap(std::uint64_t number);
  Status RemoveLeftover(const std::string& path, int depth);
  // False: something is left in it.
  Result<bool> RemoveGeneration(std::uint64_t number);

  FileSystem& files_;
  std::string folder_, generations_, current_;
};

}  // namespace signet::services
