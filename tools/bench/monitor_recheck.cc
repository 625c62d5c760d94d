// A recheck of many chains, as it follows from a change of trust: the peer of every connection
// judged anew (a certificate, its CA in a trust store), and of a store that holds as many
// certificates whose status is to be asked for. Certificates are many.py's: endpoints of one CAPF.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "keystore/certificate_table.h"
#include "keystore/x509/pem.h"
#include "services/connections/connection_rules.h"
#include "services/revocation/status_subjects.h"
#include "tools/bench/monitor_parts.h"

namespace signet::tools::bench {

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) Die("cannot read " + path);
  return {std::istreambuf_iterator<char>(in), {}};
}

namespace {

namespace x509 = keystore::x509;

constexpr char kStore[] = "CallManager-trust";

struct Chains {
  x509::Certificate ca;
  std::vector<x509::Certificate> leaves;
};

Chains Make(const std::string& folder, std::size_t count) {
  const std::string path = folder + "/chains-" + std::to_string(count) + ".pem";
  if (!std::filesystem::exists(path)) {
    Program({"/usr/bin/python3", "-B", "-W", "ignore", MANY_CERTS, "lscs", path,
             std::to_string(count) + ":400"},
            path + ".log")
        .ReadLine();  // until it ends
  }
  if (!std::filesystem::exists(path)) Die("no certificates: see " + path + ".log");
  return {Must(x509::ReadCertificates(ReadAll(path + ".ca"), 1)).front(),
          Must(x509::ReadBundle(ReadAll(path), count)).certificates};
}

// A store with the CA as its anchor, and with these beside it.
std::shared_ptr<const keystore::Snapshot> StoreOf(const x509::Certificate& ca,
                                                  std::span<const x509::Certificate> others) {
  auto snapshot = std::make_shared<keystore::Snapshot>();
  keystore::CertificateTable::Editor editor(*snapshot->certificates);
  std::map<std::string, std::shared_ptr<keystore::TrustShard>> shards;
  const auto add = [&](const x509::Certificate& certificate, const char* kind) {
    const std::string& fingerprint = certificate.fingerprint();
    editor.Put(
        keystore::StoredCertificate::FromRecord(fingerprint, keystore::RecordOf(certificate)));
    auto& shard = shards[fingerprint.substr(0, 2)];
    if (!shard) shard = std::make_shared<keystore::TrustShard>();
    keystore::TrustEntryRecord entry;
    entry.certificate = fingerprint;
    entry.kind = kind;
    shard->entries.push_back(std::move(entry));
  };
  add(ca, "anchor");
  for (const x509::Certificate& one : others) add(one, "pinned");
  keystore::TrustStore store;
  for (auto& [first, shard] : shards) {
    std::sort(shard->entries.begin(), shard->entries.end(),
              [](const auto& a, const auto& b) { return a.certificate < b.certificate; });
    store[first] = shard;
  }
  snapshot->trust[kStore] = std::make_shared<keystore::TrustStore>(std::move(store));
  snapshot->certificates = std::make_shared<keystore::CertificateTable>(editor.Take());
  return snapshot;
}

struct Figures {
  double judge = 0, subjects = 0;  // seconds
  double memory = 0;               // MB, of this process
};

Figures Measure(const Chains& all, std::size_t count, int rounds, WallTime now) {
  const std::span<const x509::Certificate> leaves(all.leaves.data(), count);
  const auto anchors = StoreOf(all.ca, {});
  const auto full = StoreOf(all.ca, leaves);
  std::vector<double> judge;
  std::vector<double> subjects;
  for (int round = 0; round < rounds; ++round) {
    std::size_t good = 0;
    judge.push_back(SecondsOf([&] {
      for (const x509::Certificate& leaf : leaves) {
        const services::PeerVerdict verdict = services::JudgePeer({&leaf, 1}, kStore, anchors, now);
        good += verdict.findings.empty() && verdict.questions.size() == 1 ? 1 : 0;
      }
    }));
    if (good != count) Die("of the chains " + std::to_string(good) + " are good");
    std::size_t asked = 0;
    subjects.push_back(SecondsOf([&] { asked = services::WhoseStatus(full, now).size(); }));
    if (asked != count) Die("of the store " + std::to_string(asked) + " would be asked for");
  }
  return {Median(judge), Median(subjects), Memory(getpid(), "VmRSS:")};
}

}  // namespace

void MeasureRecheck(const Options& options, const MonitorSizes& sizes) {
  const ScratchFolder scratch;
  const std::string folder = options.certs.empty() ? scratch.Path("") : options.certs;
  const Chains all = Make(folder, sizes.chains);
  if (all.leaves.size() != sizes.chains) Die("certificates are missing");
  const WallTime now = MakeSystemClock()->Now();
  const std::size_t few = sizes.chains / 10;
  const Figures small = Measure(all, few, options.rounds, now);
  const Figures large = Measure(all, sizes.chains, options.rounds, now);
  std::printf("\nRecheck of %zu and %zu chains; medians of %d\n", few, sizes.chains,
              options.rounds);
  const auto row = [&](const char* what, double one, double other) {
    std::printf("%-30s %8.3f and %8.3f s (x %.1f, %.0f us each)\n", what, one, other, other / one,
                other / static_cast<double>(sizes.chains) * 1e6);
  };
  row("JudgePeer of each", small.judge, large.judge);
  row("WhoseStatus of their store", small.subjects, large.subjects);
  std::printf("VmRSS %.1f MB, certificates and two stores of them in it\n", large.memory);
}

}  // namespace signet::tools::bench
