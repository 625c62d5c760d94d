// TLS handshakes as a client (OpenSSL), one at a time or on and on while a server is changed.
#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/command.h"

namespace signet::testing {

enum class LeafKey { kAny, kRsa, kEcdsa };

struct TlsClientOptions {
  int version = 0;  // TLS1_2_VERSION or TLS1_3_VERSION; 0: what the server prefers of the two
  LeafKey key = LeafKey::kAny;
  std::string trust = {};  // a PEM file of roots, against which the chain is verified; empty: not
  // Sends an HTTP request and waits for an answer: with TLS 1.3 a client is done before the server.
  bool ask = false;
  // Of the client, for servers that ask: PEM files.
  std::string certificate = {}, private_key = {};
};

// What came of one connection.
struct Shaken {
  std::string error;               // empty: all went well
  bool lost = false;               // refused or reset by the peer's system, not refused by TLS
  bool begun = false;              // the server had said something
  int version = 0;                 // e.g. TLS1_3_VERSION
  std::string serial;              // of the leaf, as "openssl x509 -serial" prints it
  std::vector<std::string> chain;  // SHA-256 of each certificate, lower-case hex, leaf first
  bool ok() const { return error.empty(); }
};

class TlsClient {
 public:
  explicit TlsClient(TlsClientOptions options = {});
  Shaken Shake(std::uint16_t port) const;

 private:
  TlsClientOptions options_;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
};

// Between two handshakes of a client: enough of them, and time for what they are to disturb.
inline constexpr Seconds kPause(0.005);

// Handshakes without end, a thread for each client, until Stop.
class HandshakeLoop {
 public:
  struct Report {
    int handshakes = 0;                  // those that went well
    std::map<std::string, int> serials;  // how often each leaf was seen
    // Shaken.error of those that were lost before the server said a word, of those that were lost
    // after that, and of those that TLS refused: a wrong key, say.
    std::vector<std::string> lost, cut, failed;
    Seconds gap{};  // the longest time in which one client tried and was lost again and again
  };

  // `pause`: of each client after each handshake.
  HandshakeLoop(std::uint16_t port, const std::vector<TlsClientOptions>& clients,
                Seconds pause = Seconds(0));
  ~HandshakeLoop();
  HandshakeLoop(const HandshakeLoop&) = delete;
  HandshakeLoop& operator=(const HandshakeLoop&) = delete;

  Report Stop();
  // What was seen so far.
  Report Now() const;

 private:
  void Run(std::uint16_t port, const TlsClientOptions& options, Seconds pause);
  void Note(const Shaken& shaken, Seconds gap);

  mutable std::mutex mutex_;
  Report report_;
  std::atomic<bool> stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace signet::testing
