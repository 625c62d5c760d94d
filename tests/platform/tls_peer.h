// Servers to look at, each a process that ends with its object: tls_peers.py, nginx, openssl
// s_server. TLS_PEERS is the script's path.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "platform/tls_fetch.h"
#include "tests/support/command.h"

namespace signet::testing {

// A program whose output goes to a file.
class Server {
 public:
  // Waits until the output matches `ready`, whose first group is the port.
  Server(const std::vector<std::string>& arguments, const std::string& ready)
      : output_(folder_ / "output") {
    const int out = ::open(output_.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    const int in = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    child_ = Spawn(arguments, {}, in, out, out);
    ::close(in);
    ::close(out);
    if (!ready.empty()) port_ = static_cast<std::uint16_t>(std::atoi(Await(ready).c_str()));
  }
  ~Server() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  std::uint16_t port() const { return port_; }
  // The first group of `pattern` in the output, awaited for 20 s.
  std::string Await(const std::string& pattern) const {
    const std::regex regex(pattern);
    for (int i = 0; i < 2000; ++i) {
      const std::string text = ReadWhole(output_);
      std::smatch match;
      if (std::regex_search(text, match, regex)) return match[1];
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ADD_FAILURE() << "no " << pattern << " in: " << ReadWhole(output_);
    return {};
  }

 private:
  ScratchFolder folder_;
  std::string output_;
  pid_t child_ = -1;
  std::uint16_t port_ = 0;
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

// A port of `address` on which nobody listens (for a moment at least).
inline std::uint16_t FreePort(const char* address = "127.0.0.1") {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  ::inet_pton(AF_INET, address, &name.sin_addr);
  socklen_t size = sizeof name;
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&name), size) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) != 0) {
    std::abort();
  }
  ::close(fd);
  return ntohs(name.sin_port);
}

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
