// What the certificate monitor's look costs while it watches the certificates of endpoints: a
// register of a tenth of them and one of all, of which none, one in a hundred and all are due. Runs
// in this process; the register is filled with what the daemon would write down of certificates.
#include <malloc.h>
#include <unistd.h>

#include <cstdio>

#include "platform/encoding.h"
#include "services/lscs.h"
#include "services/monitor/digest.h"
#include "services/monitor/expiry_look.h"
#include "services/monitor/notices.h"
#include "tools/bench/monitor_parts.h"

namespace signet::tools::bench {

keystore::LscEntry SweepEntry(std::size_t i, std::size_t due, WallTime now) {
  keystore::LscEntry entry;
  const std::string device = "SEP" + Sha256Hex(std::to_string(i)).substr(0, 12);
  entry.row.common_name = device;
  entry.row.subject = "CN=" + device + ",OU=Phones,O=Example,L=Berlin,C=DE";
  entry.row.issuer = "CN=CAPF-4f3a91c2,OU=Voice,O=Example,L=Berlin,C=DE";
  entry.row.serial = Sha256Hex(device).substr(0, 32);
  entry.row.fingerprint = Sha256Hex(entry.row.serial);
  entry.holder = Sha256Hex(entry.row.subject);
  entry.row.not_before = now - std::chrono::days(100);
  const bool is_due = i % 100 < due;
  entry.row.not_after = now + std::chrono::days(is_due ? 2 : 200) + std::chrono::seconds(i * 10);
  entry.row.registered = now;
  return entry;
}

double FillRegister(keystore::LscRegister& lscs, std::size_t count, std::size_t due, WallTime now) {
  constexpr std::size_t kPiece = 5000;
  double seconds = 0;
  for (std::size_t i = 0; i < count; i += kPiece) {
    std::vector<keystore::LscEntry> entries;
    for (std::size_t k = i; k < std::min(count, i + kPiece); ++k)
      entries.push_back(SweepEntry(k, due, now));
    seconds += SecondsOf([&] { Must(lscs.Register(entries)); });
  }
  return seconds;
}

namespace {

constexpr auto kStart = std::chrono::days(30);
constexpr double kTarget = 0.5;  // seconds, none due
constexpr double kMemory = 150;  // MB

struct Figures {
  double fill = 0, open = 0, look = 0;  // seconds
  double memory = 0;                    // MB, of this process
};

Figures Measure(std::size_t count, std::size_t due, int rounds) {
  const ScratchFolder scratch;
  const auto now = MakeSystemClock()->Now();
  auto lscs = Must(keystore::LscRegister::Open(scratch.Path("lsc.db")));
  Figures figures;
  figures.fill = FillRegister(*lscs, count, due, now);
  lscs.reset();
  figures.open =
      SecondsOf([&] { lscs = Must(keystore::LscRegister::Open(scratch.Path("lsc.db"))); });
  malloc_trim(0);
  const keystore::Catalogue catalogue = Must(keystore::LoadCatalogue("cucm"));
  const keystore::NodeNames names{"bench", "node1.example.com", "example.com", {}, {}, true};
  const keystore::Snapshot snapshot;
  std::vector<double> looks;
  std::size_t found = 0;
  for (int round = 0; round < rounds; ++round) {
    looks.push_back(SecondsOf([&] {
      services::OtherPlaces others;
      others.lscs = Must(lscs->Count(now, kStart, services::kNamedLscs));
      const services::ExpiryLook look =
          services::LookAtExpiry({catalogue, names, snapshot, kStart, now, std::move(others)});
      std::ignore = services::DecideNotices({}, look.items, std::chrono::hours(168), now);
      std::ignore = services::DigestOf(look, names, now);
      found = look.soon;
    }));
  }
  if (found != count * due / 100) Die("the look found " + std::to_string(found));
  figures.look = Median(looks);
  figures.memory = Memory(getpid(), "VmRSS:");
  return figures;
}

}  // namespace

void MeasureSweep(const Options& options, const MonitorSizes& sizes) {
  const std::size_t few = sizes.lscs / 10;
  std::printf("Sweep over %zu and %zu certificates of endpoints; medians of %d\n", few, sizes.lscs,
              options.rounds);
  for (const std::size_t due : {0u, 1u, 100u}) {
    const Figures small = Measure(few, due, options.rounds);
    const Figures large = Measure(sizes.lscs, due, options.rounds);
    std::printf(
        "%3zu %% due: %.2f and %.2f ms (x %.1f)%s; registering the many %.2f s, opening "
        "their register %.3f s; VmRSS %.1f MB (target %.0f)\n",
        due, small.look * 1e3, large.look * 1e3, large.look / small.look,
        due == 0 ? (", target " + std::to_string(static_cast<int>(kTarget * 1e3)) + " ms").c_str()
                 : "",
        large.fill, large.open, large.memory, kMemory);
  }
}

}  // namespace signet::tools::bench
