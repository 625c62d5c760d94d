#include "services/connections/ike_peers.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>

#include "keystore/x509/pem.h"
#include "platform/encoding.h"
#include "platform/run_once.h"
#include "services/connections/ike_certificates.h"
#include "services/connections/ike_listing.h"

namespace signet::services {
namespace {

using keystore::x509::Certificate;

constexpr std::size_t kOutput = std::size_t{32} << 20;  // octets; an IKE_SA has one or two thousand
constexpr std::size_t kCertificates = 20000;
constexpr std::size_t kIdDigits = 10;

SteadyTime Now() { return std::chrono::steady_clock::now(); }

// swanctl would take a number of more than 32 bits for another one.
bool IsId(const std::string& text) {
  return !text.empty() && text.size() <= kIdDigits && text.front() != '0' &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
         std::stoull(text) <= std::numeric_limits<std::uint32_t>::max();
}

// The line of `text` that begins so, without that; empty when there is none.
std::string_view LineAfter(std::string_view text, std::string_view begin) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.starts_with(begin)) return line.substr(begin.size());
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return {};
}

Result<RunOutput> Run(const IkeDoor& door, std::vector<std::string> words, SteadyTime until) {
  ProcessSpec spec;
  spec.command = std::move(words);
  spec.command.insert(spec.command.begin(), door.swanctl);
  // No more of its libraries' messages than it must have.
  spec.command.insert(spec.command.end(), {"--debug", "0"});
  if (!door.uri.empty()) spec.command.insert(spec.command.end(), {"--uri", door.uri});
  const Duration left = std::max<Duration>(until - Now(), Duration::zero());
  auto ran = RunOnce(door.helper, spec, left, kOutput);
  if (ran || ran.error().word != "PROCESS_NOT_STARTED") return ran;
  return MakeError(Kind::kUnavailable, "SWANCTL_NOT_STARTED", ran.error().detail,
                   "Install the package strongswan-swanctl, or say where swanctl lies; the user "
                   "whom signetd runs as must be allowed to execute it.");
}

// Why swanctl ended with another code than 0.
Error FailureOf(const IkeDoor& door, const RunOutput& ran) {
  const std::string_view connecting = LineAfter(ran.output, "Error: connecting to ");
  const std::string where = door.uri.empty() ? "its default" : EscapeLine(door.uri);
  if (connecting.ends_with("URI failed: Permission denied")) {
    return MakeError(Kind::kUnavailable, "IKE_SOCKET_DENIED",
                     "strongSwan's VICI socket (" + where + ") lets signetd's user not in",
                     "Name a group of that user as 'group' in the charon-systemd section of "
                     "strongswan.conf, and restart strongSwan.");
  }
  if (connecting.ends_with("URI failed: No such file or directory") ||
      connecting.ends_with("URI failed: Connection refused")) {
    return MakeError(Kind::kUnavailable, "IKE_DAEMON_NOT_RUNNING",
                     "nobody answers at strongSwan's VICI socket (" + where + ")",
                     "Start strongSwan ('systemctl start strongswan') with its plugin vici; where "
                     "that listens elsewhere, say where.");
  }
  std::string_view said = LineAfter(ran.output, "Error: ");
  if (said.empty()) said = LineAfter(ran.output, "terminate failed: ");
  if (said.empty()) said = LineAfter(ran.output, "");
  return MakeError(Kind::kUnavailable, "SWANCTL_FAILED",
                   "swanctl " + ran.ended + (said.empty() ? "" : ": " + EscapeLine(said)),
                   "Run it by hand as the user whom signetd runs as, and read strongSwan's log.");
}

Result<std::vector<IkeSa>> ListSas(const IkeDoor& door, SteadyTime until) {
  SIGNET_TRY(const RunOutput ran, Run(door, {"--list-sas", "--pretty"}, until));
  if (!ran.ended.empty()) return FailureOf(door, ran);
  return ReadIkeSas(ran.output);
}

// What charon knows; what cannot be read is as good as unknown.
Result<std::vector<Certificate>> ListCertificates(const IkeDoor& door, SteadyTime until) {
  SIGNET_TRY(const RunOutput ran, Run(door, {"--list-certs", "--type", "x509", "--pem"}, until));
  if (!ran.ended.empty()) return FailureOf(door, ran);
  if (ran.output.find("-----BEGIN ") == std::string::npos) return std::vector<Certificate>{};
  SIGNET_TRY(auto bundle, keystore::x509::ReadBundle(ran.output, kCertificates,
                                                     keystore::x509::kPublicSiteSans));
  return std::move(bundle.certificates);
}

}  // namespace

Result<std::vector<IkePeer>> ListIkePeers(const IkeDoor& door, Duration limit) {
  const SteadyTime until = Now() + limit;
  SIGNET_TRY(auto sas, ListSas(door, until));
  std::erase_if(sas, [](const IkeSa& sa) { return !sa.IsUp(); });
  std::vector<IkePeer> peers;
  if (sas.empty()) return peers;
  SIGNET_TRY(const auto known, ListCertificates(door, until));
  const IkeCertificates certificates(known);
  for (IkeSa& sa : sas) {
    auto chain = certificates.ChainOf(sa.identity);
    peers.push_back({std::move(sa.id), std::move(sa.connection), std::move(sa.host),
                     std::move(sa.identity), std::move(chain)});
  }
  return peers;
}

Status CloseIke(const IkeDoor& door, const std::string& id, Duration limit) {
  const SteadyTime until = Now() + limit;
  if (!IsId(id)) {
    return MakeError(Kind::kUsage, "IKE_SA_ID_INVALID",
                     EscapeLine(id, 40) + " is no id of an IKE_SA",
                     "List them: an id is a number.");
  }
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limit / 2).count();
  const std::string wait = std::to_string(std::clamp<std::int64_t>(seconds, 1, 3600));
  SIGNET_TRY(const RunOutput ran,
             Run(door, {"--terminate", "--ike-id", id, "--force", "--timeout", wait}, until));
  if (ran.ended.empty()) return Ok();
  if (LineAfter(ran.output, "terminate failed: ").starts_with("no matching SAs")) {
    return MakeError(Kind::kNotFound, "IKE_SA_GONE", "there is no IKE_SA " + id + " any more",
                     "List them again: the peer has gone, or rekeying gave it another id.");
  }
  // One whose peer does not answer is called a failure, and is gone all the same.
  const Error failure = FailureOf(door, ran);
  if (failure.word != "SWANCTL_FAILED") return failure;
  SIGNET_TRY(const auto sas, ListSas(door, until));
  if (std::none_of(sas.begin(), sas.end(), [&id](const IkeSa& sa) { return sa.id == id; }))
    return Ok();
  return MakeError(Kind::kUnavailable, "IKE_SA_NOT_CLOSED",
                   "IKE_SA " + id + " is still there: " + failure.detail,
                   "Terminate it by hand ('swanctl --terminate --ike-id " + id +
                       " --force'), and read strongSwan's log.");
}

}  // namespace signet::services
