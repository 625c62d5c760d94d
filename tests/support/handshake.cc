#include "tests/support/handshake.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cstring>

#include "platform/encoding.h"
#include "tests/support/loopback.h"

namespace signet::testing {
namespace {

// A peer that hangs up is an error of the call, not the end of the test.
class NoPipeSignal {
 public:
  NoPipeSignal() {
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoPipeSignal() {
    const timespec at_once{};
    ::sigtimedwait(&pipe_, nullptr, &at_once);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoPipeSignal(const NoPipeSignal&) = delete;
  NoPipeSignal& operator=(const NoPipeSignal&) = delete;

 private:
  sigset_t pipe_, before_;
};

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::string Hex(const X509* certificate) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  X509_digest(certificate, EVP_sha256(), digest, &size);
  return HexEncode(std::string_view(reinterpret_cast<char*>(digest), size));
}

std::string Serial(const X509* certificate) {
  const std::unique_ptr<BIGNUM, decltype(&BN_free)> number(
      ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr), BN_free);
  char* text = BN_bn2hex(number.get());
  std::string serial = text;
  OPENSSL_free(text);
  return serial;
}

// Why `result` of an SSL call is a failure.
void Fail(const SSL* ssl, int result, const char* when, Shaken* shaken) {
  const int system = errno;
  const int kind = SSL_get_error(ssl, result);
  const unsigned long code = ERR_peek_last_error();
  const bool end = ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
  shaken->lost = code == 0 || ERR_SYSTEM_ERROR(code) || end;
  char text[256] = "the connection was closed";
  if (code != 0) {
    ERR_error_string_n(code, text, sizeof text);
  } else if (kind == SSL_ERROR_WANT_READ) {
    std::strncpy(text, "nothing came within the limit", sizeof text - 1);
    shaken->lost = false;  // a server that hangs is worse than one that is away
  } else if (kind == SSL_ERROR_SYSCALL && system != 0) {
    std::strncpy(text, std::strerror(system), sizeof text - 1);
  }
  shaken->begun = BIO_number_read(SSL_get_rbio(ssl)) > 0;
  shaken->error = std::string(when) + ": " + text;
}

void LimitKey(SSL_CTX* context, LeafKey key, int version) {
  if (key == LeafKey::kAny) return;
  const bool rsa = key == LeafKey::kRsa;
  EXPECT_EQ(SSL_CTX_set_cipher_list(context, rsa ? "aRSA" : "aECDSA"), 1);
  // Up to TLS 1.2 this would bind the issuer's signature, too, and the cipher says enough.
  if (version == TLS1_2_VERSION) return;
  EXPECT_EQ(SSL_CTX_set1_sigalgs_list(context, rsa ? "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384"
                                                   : "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512"),
            1);
}

}  // namespace

TlsClient::TlsClient(TlsClientOptions options)
    : options_(std::move(options)), context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
  SSL_CTX* context = context_.get();
  const int version = options_.version;
  SSL_CTX_set_min_proto_version(context, version == 0 ? TLS1_2_VERSION : version);
  SSL_CTX_set_max_proto_version(context, version == 0 ? TLS1_3_VERSION : version);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  LimitKey(context, options_.key, version);
  if (!options_.certificate.empty()) {
    EXPECT_EQ(SSL_CTX_use_certificate_chain_file(context, options_.certificate.c_str()), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey_file(context, options_.private_key.c_str(), SSL_FILETYPE_PEM),
              1);
  }
  if (options_.trust.empty()) return;
  EXPECT_EQ(SSL_CTX_load_verify_file(context, options_.trust.c_str()), 1) << options_.trust;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
}

Shaken TlsClient::Shake(std::uint16_t port) const {
  const NoPipeSignal no_signal;
  Shaken shaken;
  const Descriptor fd(ConnectTo(port));
  if (fd.get() < 0) {
    shaken.error = std::string("connect: ") + std::strerror(errno);
    shaken.lost = true;
    return shaken;
  }
  const std::unique_ptr<SSL, decltype(&SSL_free)> owner(SSL_new(context_.get()), SSL_free);
  SSL* ssl = owner.get();
  SSL_set_fd(ssl, fd.get());
  ERR_clear_error();
  errno = 0;
  if (const int done = SSL_connect(ssl); done != 1) {
    Fail(ssl, done, "handshake", &shaken);
    return shaken;
  }
  shaken.version = SSL_version(ssl);
  const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl);
  for (int i = 0; i < sk_X509_num(chain); ++i) shaken.chain.push_back(Hex(sk_X509_value(chain, i)));
  if (sk_X509_num(chain) > 0) shaken.serial = Serial(sk_X509_value(chain, 0));
  if (options_.ask) {
    const std::string request = "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n";
    int done = SSL_write(ssl, request.data(), static_cast<int>(request.size()));
    char answer[64];
    if (done > 0) done = SSL_read(ssl, answer, sizeof answer);
    if (done <= 0) Fail(ssl, done, "answer", &shaken);
  }
  if (shaken.ok()) SSL_shutdown(ssl);
  return shaken;
}

HandshakeLoop::HandshakeLoop(std::uint16_t port, const std::vector<TlsClientOptions>& clients,
                             Seconds pause) {
  for (const TlsClientOptions& options : clients)
    threads_.emplace_back([this, port, options, pause] { Run(port, options, pause); });
}

HandshakeLoop::~HandshakeLoop() { Stop(); }

HandshakeLoop::Report HandshakeLoop::Stop() {
  stop_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  return Now();
}

HandshakeLoop::Report HandshakeLoop::Now() const {
  const std::lock_guard lock(mutex_);
  return report_;
}

void HandshakeLoop::Run(std::uint16_t port, const TlsClientOptions& options, Seconds pause) {
  const TlsClient client(options);
  auto served = std::chrono::steady_clock::now();
  while (!stop_) {
    const Shaken shaken = client.Shake(port);
    const auto end = std::chrono::steady_clock::now();
    if (!shaken.lost) served = end;
    Note(shaken, end - served);
    // Nobody listens: no reason to ask ten thousand times a second.
    std::this_thread::sleep_for(shaken.lost ? Seconds(0.002) : pause);
  }
}

void HandshakeLoop::Note(const Shaken& shaken, Seconds gap) {
  const std::lock_guard lock(mutex_);
  if (shaken.ok()) {
    ++report_.handshakes;
    ++report_.serials[shaken.serial];
  } else if (!shaken.lost) {
    report_.failed.push_back(shaken.error);
  } else {
    (shaken.begun ? report_.cut : report_.lost).push_back(shaken.error);
    report_.gap = std::max(report_.gap, gap);
  }
}

}  // namespace signet::testing
