// What csr.generate costs beside the token's own work: the time of the RPC less the time of the
// C_GenerateKeyPair within it, which signetd's debug log tells. An RSA key takes anything between
// 50 ms and a second, so two medians of independent samples would not tell 15 ms. The same call
// made directly, in the same rounds, shows that the daemon's token is no slower than any.
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "tools/bench/support.h"

using namespace signet::tools::bench;  // a program's own main

namespace {

// Milliseconds of the last "C_GenerateKeyPair of ... took N ms" in the log.
double LastGeneration(const std::string& log, std::streamoff& read_up_to) {
  constexpr std::string_view kMark = " took ";
  for (int i = 0; i < 100; ++i, usleep(50'000)) {  // the log is flushed once a second
    std::ifstream file(log);
    file.seekg(read_up_to);
    double found = -1;
    for (std::string line; std::getline(file, line) && !file.eof(); read_up_to = file.tellg()) {
      if (line.find("C_GenerateKeyPair") != std::string::npos)
        found = std::stod(line.substr(line.find(kMark) + kMark.size()));
    }
    if (found >= 0) return found;
  }
  Die("signetd's log does not tell how long the token took");
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = ReadOptions(argc, argv, {.rounds = 25});
  const ScratchFolder scratch;
  { Daemon(scratch.Path("dev")).WaitUntilReady(); }
  std::ofstream(scratch.Path("dev/signet.toml"), std::ios::app) << "\n[log]\nlevel = \"debug\"\n";
  const Daemon daemon(scratch.Path("dev"));
  daemon.WaitUntilReady();
  DirectToken direct(scratch.Path("token"));
  Connection connection(daemon.socket());
  PrintMachine();
  std::printf("%-9s %14s %14s %14s | %14s %8s %8s   (ms, medians of %d)\n", "key", "csr.generate",
              "token in it", "token direct", "beside the token", "best", "p90", options.rounds);
  struct Kind {
    const char* name;
    const char* purpose;
    signet::hsm::KeySpec spec;
  };
  std::streamoff read_up_to = 0;
  for (const Kind& kind : {Kind{"RSA-2048", "tomcat", {signet::hsm::KeyAlgorithm::kRsa, 2048}},
                           Kind{"P-256", "tomcat-ECDSA", {signet::hsm::KeyAlgorithm::kEc, 256}}}) {
    std::vector<double> whole, inside, alone, beside;
    for (int round = 0; round < options.rounds + 1; ++round) {
      signet::json::value change;
      const double rpc = 1e3 * SecondsOf([&] {
                           change = Call(connection, "csr.generate", {{"purpose", kind.purpose}});
                         });
      const double generation = LastGeneration(scratch.Path("dev.log"), read_up_to);
      Call(connection, "csr.discard", {{"id", change.at("csr")}});
      signet::hsm::Session session = direct.Open();
      const double plain = 1e3 * SecondsOf([&] { direct.Generate(session, kind.spec, "bench"); });
      direct.DestroyLabelled(session, "bench");
      if (round == 0) continue;  // rehearses with a throw-away key that is kept from then on
      whole.push_back(rpc);
      inside.push_back(generation);
      alone.push_back(plain);
      beside.push_back(rpc - generation);
    }
    std::printf("%-9s %14.1f %14.1f %14.1f | %16.1f %8.1f %8.1f\n", kind.name, Median(whole),
                Median(inside), Median(alone), Median(beside), Quantile(beside, 0),
                Quantile(beside, 0.9));
  }
}
