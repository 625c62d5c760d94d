// What others wait for a daemon while its monitor sweeps over the certificates of endpoints, again
// and again, against the same daemon left in peace. Measured in turns; one request at a time.
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "platform/encoding.h"
#include "tools/bench/monitor_parts.h"

namespace signet::tools::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr double kTarget = 1.2;

// Another client, who has the monitor run without a pause.
class Sweeper {
 public:
  explicit Sweeper(const std::string& socket) : connection_(socket) {
    thread_ = std::thread([this] {
      while (!stopping_) {
        Call(connection_, "monitor.run", {});
        ++runs_;
      }
    });
  }
  ~Sweeper() {
    stopping_ = true;
    thread_.join();
  }
  Sweeper(const Sweeper&) = delete;
  Sweeper& operator=(const Sweeper&) = delete;
  std::size_t runs() const { return runs_; }

 private:
  Connection connection_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::size_t> runs_{0};
  std::thread thread_;
};

// Seconds of each answer.
std::vector<double> Ask(Connection& connection, const std::string& request, double seconds) {
  std::vector<double> taken;
  const auto end =
      SteadyClock::now() + std::chrono::duration_cast<SteadyClock::duration>(Seconds(seconds));
  while (SteadyClock::now() < end) {
    taken.push_back(SecondsOf([&] {
      const std::string_view body = connection.Ask(request);
      if (body.find("\"error\"") != std::string_view::npos) Die(std::string(body));
    }));
  }
  return taken;
}

// A daemon that was there before, with a register that is full.
void Prepare(const std::string& folder, std::size_t lscs) {
  { Daemon(folder).WaitUntilReady(); }
  const std::string file = folder + "/state/lsc.db";
  if (!std::filesystem::exists(file)) Die("the daemon has no register at " + file);
  const auto opened = Must(keystore::LscRegister::Open(file));
  FillRegister(*opened, lscs, 1, MakeSystemClock()->Now());
}

struct Row {
  const char* name;
  std::string request;
  std::vector<double> quiet = {}, loaded = {};  // medians, seconds
  std::vector<double> quiet_p99 = {}, loaded_p99 = {};
  std::vector<double> ratio = {}, ratio_p99 = {};

  void Take(const std::vector<double>& alone, const std::vector<double>& beside) {
    quiet.push_back(Median(alone));
    loaded.push_back(Median(beside));
    quiet_p99.push_back(Quantile(alone, 0.99));
    loaded_p99.push_back(Quantile(beside, 0.99));
    ratio.push_back(loaded.back() / quiet.back());
    ratio_p99.push_back(loaded_p99.back() / quiet_p99.back());
  }
};

std::string SignRequest(const char* purpose) {
  return RpcRequest(
      "key.sign",
      {{"purpose", purpose}, {"hash", "sha256"}, {"digest", Base64Encode(RandomBytes(32))}});
}

}  // namespace

void MeasureLatency(const Options& options, const MonitorSizes& sizes) {
  const ScratchFolder scratch;
  const std::string folder = scratch.Path("dev");
  Prepare(folder, sizes.lscs);
  const Daemon daemon(folder);
  daemon.WaitUntilReady();
  Connection connection(daemon.socket());
  Call(connection, "monitor.set", {{"lsc", true}});
  const json::value shown = Call(connection, "monitor.show", {});
  if (shown.at("lscs").to_number<std::size_t>() != sizes.lscs) Die("LSCs are missing");
  std::vector<Row> rows;
  rows.push_back({"key.sign RSA-2048", SignRequest("tomcat")});
  rows.push_back({"key.sign P-256", SignRequest("tomcat-ECDSA")});
  rows.push_back({"certificate.list", RpcRequest("certificate.list", {})});
  rows.push_back({"status.show", RpcRequest("status.show", {})});
  double sweeps = 0;
  double swept = 0;
  for (int round = 0; round < options.rounds; ++round) {
    for (Row& row : rows) {
      const std::vector<double> alone = Ask(connection, row.request, options.seconds);
      const Sweeper sweeper(daemon.socket());
      std::vector<double> beside;
      swept += SecondsOf([&] { beside = Ask(connection, row.request, options.seconds); });
      sweeps += static_cast<double>(sweeper.runs());
      row.Take(alone, beside);
    }
  }
  std::printf(
      "\nLatency of a daemon with %zu certificates of endpoints, alone and beside %.0f sweeps "
      "a second;\nmedians of %d rounds of %.1f s, ms; target of the ratios %.1f\n",
      sizes.lscs, sweeps / swept, options.rounds, options.seconds, kTarget);
  std::printf("%-20s %8s %8s %6s | %8s %8s %6s\n", "request", "median", "swept", "ratio", "p99",
              "swept", "ratio");
  for (const Row& row : rows) {
    std::printf("%-20s %8.3f %8.3f %6.2f | %8.3f %8.3f %6.2f\n", row.name, Median(row.quiet) * 1e3,
                Median(row.loaded) * 1e3, Median(row.ratio), Median(row.quiet_p99) * 1e3,
                Median(row.loaded_p99) * 1e3, Median(row.ratio_p99));
  }
  std::printf("VmRSS of the daemon %.1f MB\n", Memory(daemon.pid(), "VmRSS:"));
}

}  // namespace signet::tools::bench
