// key.sign through the whole daemon against C_Sign by two threads on a token of the same kind.
#include <cstdio>

#include "platform/encoding.h"
#include "tools/bench/support.h"

using namespace signet::tools::bench;  // a program's own main

int main(int argc, char** argv) {
  const Options options = ReadOptions(argc, argv);
  const ScratchFolder scratch;
  const Daemon daemon(scratch.Path("dev"));
  daemon.WaitUntilReady();
  DirectToken direct(scratch.Path("token"));
  PrintMachine();
  std::printf("%-9s %12s %12s %12s | %11s %11s   (medians of %d rounds of %.1f s)\n", "key",
              "direct 2/s", "8 flying/s", "1 flying/s", "8 / direct", "1 / direct", options.rounds,
              options.seconds);
  struct Kind {
    const char* name;
    const char* purpose;
    signet::hsm::KeySpec spec;
  };
  for (const Kind& kind : {Kind{"RSA-2048", "tomcat", {signet::hsm::KeyAlgorithm::kRsa, 2048}},
                           Kind{"P-256", "tomcat-ECDSA", {signet::hsm::KeyAlgorithm::kEc, 256}}}) {
    CK_OBJECT_HANDLE key = 0;
    {
      signet::hsm::Session session = direct.Open();
      key = direct.Generate(session, kind.spec, kind.name);
    }
    const std::string request =
        RpcRequest("key.sign", {{"purpose", kind.purpose},
                                {"hash", "sha256"},
                                {"digest", signet::Base64Encode(signet::RandomBytes(32))}});
    std::vector<double> plain, eight, one, eight_ratio, one_ratio;
    for (int round = 0; round < options.rounds; ++round) {
      plain.push_back(direct.SignRate(key, kind.spec, 2, options.seconds));
      eight.push_back(Rate(daemon.socket(), request, 8, options.seconds));
      one.push_back(Rate(daemon.socket(), request, 1, options.seconds));
      eight_ratio.push_back(eight.back() / plain.back());
      one_ratio.push_back(one.back() / plain.back());
    }
    std::printf("%-9s %12.0f %12.0f %12.0f | %11.2f %11.2f\n", kind.name, Median(plain),
                Median(eight), Median(one), Median(eight_ratio), Median(one_ratio));
  }
}
