#include "hsm/keyd/throttle_file.h"

#include "platform/json.h"

namespace signet::hsm {
namespace {

struct ThrottleRecord {
  std::int64_t failures = 0;
  WallTime last{};
};
BOOST_DESCRIBE_STRUCT(ThrottleRecord, (), (failures, last))

Error Unreadable(const std::string& path, const Error& why) {
  return MakeError(Kind::kUnavailable, "THROTTLE_UNREADABLE",
                   "the count of wrong PINs cannot be read: " + why.detail,
                   "Repair " + path + ", or remove it once you know why it is damaged.");
}

}  // namespace

Result<ThrottleStore::Entry> ThrottleFile::Load() {
  auto text = files_.Read(path_, 4096);
  if (!text) {
    if (text.error().word == "FILE_NOT_FOUND") return Entry{};
    return Unreadable(path_, text.error());
  }
  auto value = ParseJson(text.value());
  if (!value) return Unreadable(path_, value.error());
  auto record = FromJson<ThrottleRecord>(value.value());
  if (!record) return Unreadable(path_, record.error());
  if (record.value().failures < 0) return Entry{};
  return Entry{static_cast<std::uint64_t>(record.value().failures), record.value().last};
}

Status ThrottleFile::Save(const Entry& entry) {
  const ThrottleRecord record{static_cast<std::int64_t>(entry.failures), entry.last};
  return files_.WriteAtomic(path_, json::serialize(ToJson(record)), 0600);
}

}  // namespace signet::hsm
