// The TLS server's rules in OpenSSL's terms: versions, ciphers, who is believed to be what.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "platform/clock.h"
#include "rpc/appliance_view.h"

namespace signet::rpc {

// An identity read once and shared by handshakes. Immutable.
class TlsIdentity {
 public:
  // kRefused TLS_IDENTITY_INVALID: no certificate, one that cannot be read, or a key of another.
  static Result<std::shared_ptr<const TlsIdentity>> Make(const ServerIdentity& identity);
  ~TlsIdentity();
  TlsIdentity(const TlsIdentity&) = delete;
  TlsIdentity& operator=(const TlsIdentity&) = delete;

  // For this connection; false (with OpenSSL's error queue) when it cannot be used.
  bool Give(SSL* ssl) const;

 private:
  TlsIdentity() = default;
  X509* leaf_ = nullptr;
  STACK_OF(X509) * chain_ = nullptr;
  std::shared_ptr<EVP_PKEY> key_;
};

// What the context's callbacks look at; used on the listener's thread, outlives the context.
struct TlsState {
  const Clock& clock;
  std::shared_ptr<const TlsIdentity> identity;  // null: handshakes fail with an alert
};

// TLS 1.2 and 1.3, ephemeral ECDH with AEAD only; no renegotiation, compression, tickets,
// resumption or early data. The context holds no certificate: each handshake takes that of `state`,
// and lets go of it when it is done. A client certificate is requested, not required; one that is
// not valid now, or not for client authentication, ends the handshake. No chain is built: which
// certificates have a role is decided by fingerprint.
Result<SSL_CTX*> MakeServerContext(TlsState* state);

// SHA-256 (hex) of the client's certificate; empty without one.
std::string PeerFingerprint(SSL* ssl);
// The same, its DER.
std::string PeerCertificate(SSL* ssl);

}  // namespace signet::rpc
