// Servers to look at, each a process that ends with its object: tls_peers.py, nginx, openssl
// s_server. TLS_PEERS is the script's path.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include "platform/tls_fetch.h"
#include "tests/support/loopback.h"
#include "tests/support/running_program.h"

namespace signet::testing {

class Server : public RunningProgram {
 public:
  // Waits until the output matches `ready`, whose first group is the port.
  Server(const std::vector<std::string>& arguments, const std::string& ready)
      : RunningProgram(arguments),
        port_(static_cast<std::uint16_t>(std::atoi(Await(ready).c_str()))) {}
  std::uint16_t port() const { return port_; }

 private:
  std::uint16_t port_;
};

// tls_peers.py in one of its modes.
class Peer : public Server {
 public:
  explicit Peer(const std::string& mode, const std::vector<std::string>& files = {})
      : Server(Words(mode, files), "port ([0-9]+)\n") {}

 private:
  static std::vector<std::string> Words(const std::string& mode,
                                        const std::vector<std::string>& files) {
    std::vector<std::string> words{"/usr/bin/python3", "-B", TLS_PEERS, mode};
    words.insert(words.end(), files.begin(), files.end());
    return words;
  }
};

// A certificate with its key, made by openssl.
struct Pair {
  std::string certificate, key;  // paths
  std::vector<std::string> Files() const { return {certificate, key}; }
  std::string Der() const {
    return MustRun({"openssl", "x509", "-in", certificate, "-outform", "DER"});
  }
};

// `key`: of "openssl req -newkey"; `more` may name an issuer (-CA, -CAkey).
inline Pair MakePair(const std::string& prefix, const std::vector<std::string>& key,
                     const std::vector<std::string>& more = {}) {
  Pair pair{prefix + ".pem", prefix + ".key"};
  std::vector<std::string> words{
      "openssl",          "req",     "-x509",  "-nodes", "-days",          "30",     "-subj",
      "/CN=peer.example", "-keyout", pair.key, "-out",   pair.certificate, "-newkey"};
  words.insert(words.end(), key.begin(), key.end());
  words.insert(words.end(), more.begin(), more.end());
  MustRun(words);
  return pair;
}
inline const std::vector<std::string> kRsaKey{"rsa:2048"};
inline const std::vector<std::string> kEcKey{"ec", "-pkeyopt", "ec_paramgen_curve:P-256"};

// A request to `host`, with loopback allowed and a limit that a loaded machine keeps.
inline TlsFetchRequest RequestTo(const std::string& host, std::uint16_t port) {
  TlsFetchRequest request;
  auto target = ParseHostPort(host, port);
  if (!target) std::abort();
  request.target = std::move(target).value();
  request.time_limit = std::chrono::seconds(20);
  auto policy = AddressPolicy::Make({"127.0.0.0/8", "::1"}, {});
  if (!policy) std::abort();
  request.policy = std::move(policy).value();
  return request;
}

inline std::string Word(const TlsFetched& fetched) {
  return fetched.error ? fetched.error->word : "";
}

}  // namespace signet::testing
