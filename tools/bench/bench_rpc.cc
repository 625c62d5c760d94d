// What HTTP and JSON-RPC cost: answers a second over the Unix socket against nginx with one worker
// that returns as small an answer on a Unix socket of its own. Both keep connections alive, with
// their time-outs, and write an access log where the row says so.
#include <cstdio>
#include <fstream>

#include "tools/bench/support.h"

using namespace signet::tools::bench;  // a program's own main

namespace {

std::string WriteNginxConfig(const ScratchFolder& scratch, bool log) {
  const std::string name = log ? "nginx-logged" : "nginx";
  std::ofstream(scratch.Path(name + ".conf"))
      << "daemon off;\nmaster_process off;\nworker_processes 1;\npid " << scratch.Path(name)
      << ".pid;\nerror_log stderr;\nevents {}\nhttp {\n  access_log "
      << (log ? scratch.Path(name + ".access") + " combined buffer=64k flush=1s" : "off")
      << ";\n  keepalive_requests 100000000;\n  client_body_temp_path " << scratch.Path("body")
      << ";\n  proxy_temp_path " << scratch.Path("proxy") << ";\n  fastcgi_temp_path "
      << scratch.Path("fastcgi") << ";\n  uwsgi_temp_path " << scratch.Path("uwsgi")
      << ";\n  scgi_temp_path " << scratch.Path("scgi")
      << ";\n  server {\n    listen unix:" << scratch.Path(name + ".sock")
      << ";\n    location / { default_type application/json; return 200 '{\"ready\":true}'; }\n"
         "  }\n}\n";
  return scratch.Path(name + ".conf");
}

void WaitForFile(const std::string& path) {
  for (int i = 0; i < 200 && !std::ifstream(path + ".pid").good(); ++i) usleep(20'000);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = ReadOptions(argc, argv);
  const ScratchFolder scratch;
  { Daemon(scratch.Path("dev")).WaitUntilReady(); }
  {
    // The same appliance once more, with debug lines and so with an access log.
    const std::string copy = "cp -r '" + scratch.Path("dev") + "' '" + scratch.Path("logged") + "'";
    if (std::system(copy.c_str()) != 0) Die("cannot copy the appliance");
    std::ofstream(scratch.Path("logged/signet.toml"), std::ios::app)
        << "\n[log]\nlevel = \"debug\"\n";
  }
  const Daemon quiet(scratch.Path("dev"));
  const Daemon logged(scratch.Path("logged"));
  const Program nginx({"nginx", "-c", WriteNginxConfig(scratch, false), "-p", scratch.Path("")},
                      scratch.Path("nginx.log"));
  const Program nginx_logged(
      {"nginx", "-c", WriteNginxConfig(scratch, true), "-p", scratch.Path("")},
      scratch.Path("nginx-logged.log"));
  WaitForFile(scratch.Path("nginx"));
  WaitForFile(scratch.Path("nginx-logged"));
  quiet.WaitUntilReady();
  logged.WaitUntilReady();
  PrintMachine();

  const std::string ready = GetRequest("/health/ready");
  const std::string status = RpcRequest("token.status", {});
  const std::string list = RpcRequest("certificate.list", {});
  struct Row {
    const char* name;
    const Daemon& daemon;
    std::string nginx;
    const std::string& request;
    int in_flight;
  };
  const std::string plain = scratch.Path("nginx.sock");
  const std::string with_log = scratch.Path("nginx-logged.sock");
  const Row rows[] = {{"GET /health/ready, 8 in flight", quiet, plain, ready, 8},
                      {"GET /health/ready, 8, access log", logged, with_log, ready, 8},
                      {"GET /health/ready, 1 in flight", quiet, plain, ready, 1},
                      {"token.status, 8 in flight", quiet, plain, status, 8},
                      {"certificate.list, 8 in flight", quiet, plain, list, 8}};
  std::printf("%-34s %10s %10s | %6s   (medians of %d rounds of %.1f s)\n", "request", "nginx/s",
              "signetd/s", "ratio", options.rounds, options.seconds);
  for (const Row& row : rows) {
    std::vector<double> theirs, ours, ratio;
    for (int round = 0; round < options.rounds; ++round) {
      theirs.push_back(Rate(row.nginx, ready, row.in_flight, options.seconds));
      ours.push_back(Rate(row.daemon.socket(), row.request, row.in_flight, options.seconds));
      ratio.push_back(ours.back() / theirs.back());
    }
    std::printf("%-34s %10.0f %10.0f | %6.2f\n", row.name, Median(theirs), Median(ours),
                Median(ratio));
  }
}
