// What it takes to ask for the status of many certificates: a thousand at a responder that answers
// after 50 ms, against what 16 threads need when asking itself costs nothing.
#include <cstdio>

#include "keystore/x509/pem.h"
#include "services/revocation/status_source.h"
#include "tools/bench/monitor_parts.h"

namespace signet::tools::bench {
namespace {

namespace x509 = keystore::x509;

constexpr std::size_t kThreads = 16;
constexpr int kLatency = 50;  // ms
constexpr double kTarget = 1.3;

// The responder is another maker's: its certificates and answers are, too.
class Peer {
 public:
  Peer(const ScratchFolder& scratch, std::size_t count)
      : program_({"/usr/bin/python3", "-B", "-W", "ignore", OCSP_PEER, scratch.Path(""),
                  std::to_string(count), std::to_string(kLatency)},
                 scratch.Path("peer.log")) {
    const std::string line = program_.ReadLine();
    if (!line.starts_with("port ")) Die("no responder: " + ReadAll(scratch.Path("peer.log")));
    url_ = "http://127.0.0.1:" + std::to_string(std::stoi(line.substr(5))) + "/";
    const auto ca = Must(x509::Certificate::FromDer(ReadAll(scratch.Path("ca.der"))));
    const x509::Bundle bundle =
        Must(x509::ReadBundle(ReadAll(scratch.Path("certificates.pem")), count));
    for (const x509::Certificate& certificate : bundle.certificates)
      questions_.push_back({certificate, ca});
    if (questions_.size() != count) Die("certificates are missing");
  }
  const std::string& url() const { return url_; }
  const std::vector<services::StatusQuestion>& questions() const { return questions_; }

 private:
  Program program_;
  std::string url_;
  std::vector<services::StatusQuestion> questions_;
};

}  // namespace

void MeasureStatus(const Options& options, const MonitorSizes& sizes) {
  const ScratchFolder scratch;
  const Peer peer(scratch, sizes.questions);
  const auto clock = MakeSystemClock();
  Lane lane("status", kThreads, sizes.questions);
  const AddressPolicy policy = Must(AddressPolicy::Make({"127.0.0.1"}, {}));
  services::StatusSource source({*clock, lane, [policy] { return policy; }});
  const services::StatusRules rules{.responder = peer.url(), .anew = true};
  std::vector<double> seconds;
  for (int round = 0; round < options.rounds + 1; ++round) {
    std::vector<services::StatusAnswer> answers;
    const double taken = SecondsOf([&] { answers = source.AskAll(peer.questions(), rules); });
    for (const services::StatusAnswer& answer : answers) {
      if (answer.word != "OCSP_GOOD") Die(answer.word + ": " + answer.detail);
    }
    if (round > 0) seconds.push_back(taken);  // the first warms up
  }
  const double ideal =
      static_cast<double>((sizes.questions + kThreads - 1) / kThreads) * kLatency / 1e3;
  std::printf("\nStatus: %zu certificates, %zu threads, a responder with %d ms; medians of %d\n",
              sizes.questions, kThreads, kLatency, options.rounds);
  std::printf("%10s %10s %8s %8s\n", "AskAll s", "ideal s", "ratio", "target");
  std::printf("%10.2f %10.2f %8.2f %8.2f\n", Median(seconds), ideal, Median(seconds) / ideal,
              kTarget);
}

}  // namespace signet::tools::bench
