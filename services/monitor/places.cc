#include "services/monitor/places.h"

#include "services/monitor/certificate_monitor.h"

namespace signet::services {

void AddServed(const ControlFigures& figures, const keystore::Snapshot& snapshot,
               OtherPlaces& out) {
  for (const auto& [service, figure] : figures) {
    for (const WireLook& look : figure.looks) {
      if (look.verdict == WireVerdict::kUnreachable || !look.not_after) {
        out.unseen.push_back(look.endpoint + " of " + service + " (" + look.purpose + ")");
        continue;
      }
      const keystore::IdentityVersion* current = snapshot.Current(look.purpose);
      if (current != nullptr && current->certificate == look.fingerprint) continue;
      out.seen.push_back({"served at " + look.endpoint, look.subject, look.serial, look.fingerprint,
                          look.not_before.value_or(*look.not_after), *look.not_after,
                          service + " serves it in place of the current certificate of " +
                              look.purpose + ", and will be refused by its peers",
                          "'signet service plan'"});
    }
  }
}

void AddClients(const std::vector<SeenClient>& clients, OtherPlaces& out) {
  for (const SeenClient& client : clients) {
    const std::string name = client.name.empty() ? client.fingerprint.substr(0, 16) : client.name;
    out.seen.push_back({"client certificate of " + name, client.subject, client.serial,
                        client.fingerprint, client.not_before, client.not_after,
                        name + " will not be let in any more",
                        "have a new one issued to it, put its fingerprint into [client." + name +
                            "] of signet.toml and restart signetd"});
  }
}

OtherPlaces Places::At(WallTime now) const {
  const keystore::PlanInput in = parts_.shared.Input();
  const MonitorSettings settings = MonitorSettingsOf(in);
  OtherPlaces out;
  AddServed(parts_.figures(), *in.snapshot, out);
  AddClients(parts_.clients.All(), out);
  for (const std::string& one : parts_.unproved()) out.unseen.push_back("the status of " + one);
  if (!settings.lsc) return out;
  Result<keystore::LscCount> count = parts_.lscs.Count(now, settings.start);
  if (count) {
    out.lscs = std::move(count).value();
  } else {
    out.unseen.push_back("the register of LSCs: " + count.error().detail + " (" +
                         count.error().word + "). " + count.error().remedy);
  }
  return out;
}

std::size_t Places::Registered(WallTime now) const {
  const Result<keystore::LscCount> count = parts_.lscs.Count(now, std::chrono::hours(24));
  return count ? count.value().total : 0;
}

}  // namespace signet::services
