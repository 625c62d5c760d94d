#include "services/clients_seen.h"

#include <algorithm>
#include <cctype>
#include <mutex>
#include <tuple>

#include "keystore/x509/certificate.h"
#include "platform/encoding.h"
#include "platform/logging.h"

namespace signet::services {

namespace {

constexpr char kMemory[] = "client-certificates";

struct Remembered : LenientRecord {
  std::vector<SeenClient> clients;
};
BOOST_DESCRIBE_STRUCT(Remembered, (LenientRecord), (clients))

std::string Normal(const std::string& fingerprint) {
  std::string digits;
  for (const char c : fingerprint) {
    if (c != ':') digits.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  }
  return digits;
}

std::vector<SeenClient> Recalled(keystore::NodeLog& log) {
  const Result<std::optional<std::string>> text = log.Recall(kMemory);
  if (!text || !text.value()) return {};
  const Result<json::value> parsed = ParseJson(*text.value());
  Result<Remembered> memory =
      parsed ? FromJson<Remembered>(parsed.value()) : Result<Remembered>(parsed.error());
  if (memory) return std::move(memory.value().clients);
  // They are seen again at their next log-in.
  Log(LogLevel::kError, "which clients were seen is damaged: " + memory.error().ToString());
  return {};
}

}  // namespace

struct ClientsSeen::Impl {
  explicit Impl(keystore::NodeLog& log_in) : log(log_in) {}

  void Keep() {
    Remembered memory;
    {
      const std::lock_guard lock(mutex);
      for (const auto& [fingerprint, client] : seen) memory.clients.push_back(client);
    }
    const Status kept = log.Remember(kMemory, json::serialize(ToJson(memory)));
    if (!kept) Log(LogLevel::kError, "a client's end is not kept: " + kept.error().ToString());
  }

  keystore::NodeLog& log;
  std::map<std::string, std::string> listed;
  mutable std::mutex mutex;
  std::map<std::string, SeenClient> seen;  // by fingerprint
  Lane* lane = nullptr;
};

ClientsSeen::ClientsSeen(keystore::NodeLog& log, Lane& lane,
                         std::map<std::string, std::string> listed)
    : impl_(std::make_shared<Impl>(log)) {
  impl_->lane = &lane;
  for (const auto& [fingerprint, name] : listed) impl_->listed[Normal(fingerprint)] = name;
  for (SeenClient& client : Recalled(log)) {
    const auto known = impl_->listed.find(client.fingerprint);
    if (known == impl_->listed.end()) continue;
    client.name = known->second;
    impl_->seen[client.fingerprint] = std::move(client);
  }
}

ClientsSeen::~ClientsSeen() = default;

void ClientsSeen::See(std::string_view der) {
  const std::string fingerprint = Sha256Hex(der);
  const auto known = impl_->listed.find(fingerprint);
  if (known == impl_->listed.end()) return;
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->seen.contains(fingerprint)) return;
  }
  const auto read = keystore::x509::Certificate::FromDer(der);
  if (!read) return;  // it is a client all the same: by its fingerprint
  const keystore::x509::Certificate::Fields& fields = read.value().fields();
  SeenClient client;
  client.fingerprint = fingerprint;
  client.name = known->second;
  client.subject = fields.subject;
  client.serial = fields.serial;
  client.common_name = fields.common_name;
  client.issuer_common_name = read.value().IssuerCommonName();
  client.not_before = fields.not_before;
  client.not_after = fields.not_after;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->seen.emplace(fingerprint, std::move(client));
  }
  // A lane that is full: it is kept with the next one, or seen again after a restart.
  std::ignore = impl_->lane->TryPost([impl = impl_] { impl->Keep(); });
}

std::vector<SeenClient> ClientsSeen::All() const {
  std::vector<SeenClient> all;
  {
    const std::lock_guard lock(impl_->mutex);
    for (const auto& [fingerprint, client] : impl_->seen) all.push_back(client);
  }
  std::ranges::sort(all, {},
                    [](const SeenClient& one) { return std::tie(one.name, one.fingerprint); });
  return all;
}

}  // namespace signet::services
