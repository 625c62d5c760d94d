#include "rpc/tls_context.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "platform/encoding.h"

namespace signet::rpc {

namespace {

Error IdentityError(std::string_view what) {
  Error error = OpenSslError(Kind::kRefused, "TLS_IDENTITY_INVALID", what);
  error.remedy =
      "Look at 'signet certificate list' and 'signet key list'; generate the listener's "
      "certificate anew.";
  return error;
}

int GiveIdentity(SSL* ssl, void* argument) {
  const auto* state = static_cast<const TlsState*>(argument);
  // Without an identity the handshake ends with handshake_failure.
  if (state->identity == nullptr) return 0;
  return state->identity->Give(ssl) ? 1 : 0;
}

// In place of chain building: dates and purpose of the client's certificate alone.
int VerifyClient(X509_STORE_CTX* store, void* argument) {
  const auto* state = static_cast<const TlsState*>(argument);
  X509* certificate = X509_STORE_CTX_get0_cert(store);
  std::time_t now = state->clock.Now().time_since_epoch().count();
  if (X509_cmp_time(X509_get0_notBefore(certificate), &now) >= 0) {
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_NOT_YET_VALID);
    return 0;
  }
  if (X509_cmp_time(X509_get0_notAfter(certificate), &now) <= 0) {
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_HAS_EXPIRED);
    return 0;
  }
  if (X509_check_purpose(certificate, X509_PURPOSE_SSL_CLIENT, 0) != 1) {
    X509_STORE_CTX_set_error(store, X509_V_ERR_INVALID_PURPOSE);
    return 0;
  }
  X509_STORE_CTX_set_error(store, X509_V_OK);
  return 1;
}

int SelectProtocol(SSL*, const unsigned char** out, unsigned char* out_size,
                   const unsigned char* in, unsigned int in_size, void*) {
  static constexpr unsigned char kHttp11[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kHttp11, sizeof(kHttp11) - 1, in, in_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

Result<std::shared_ptr<const TlsIdentity>> TlsIdentity::Make(const ServerIdentity& identity) {
  if (identity.chain.empty() || identity.key == nullptr) {
    return MakeError(Kind::kRefused, "TLS_IDENTITY_INVALID",
                     "the listener's identity lacks its certificate or key",
                     "Generate the certificate that the listener presents.");
  }
  std::shared_ptr<TlsIdentity> out(new TlsIdentity());
  out->key_ = identity.key;
  out->chain_ = sk_X509_new_null();
  for (const std::string& der : identity.chain) {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    X509* certificate = d2i_X509(nullptr, &at, static_cast<long>(der.size()));
    if (certificate == nullptr) return IdentityError("reading the listener's certificate");
    if (out->leaf_ == nullptr) {
      out->leaf_ = certificate;
    } else {
      sk_X509_push(out->chain_, certificate);
    }
  }
  if (EVP_PKEY_eq(X509_get0_pubkey(out->leaf_), out->key_.get()) != 1)
    return IdentityError("the listener's key is not that of its certificate");
  return std::shared_ptr<const TlsIdentity>(std::move(out));
}

TlsIdentity::~TlsIdentity() {
  X509_free(leaf_);
  sk_X509_pop_free(chain_, X509_free);
}

bool TlsIdentity::Give(SSL* ssl) const {
  return SSL_use_cert_and_key(ssl, leaf_, key_.get(), chain_, 1) == 1;
}

Result<SSL_CTX*> MakeServerContext(TlsState* state) {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  if (context == nullptr) return IdentityError("making a TLS context");
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_max_early_data(context, 0);
  SSL_CTX_set_max_cert_list(context, 65536);
  SSL_CTX_set_cert_cb(context, GiveIdentity, state);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(context, VerifyClient, state);
  SSL_CTX_set_alpn_select_cb(context, SelectProtocol, nullptr);
  constexpr unsigned char kName[] = "signet";
  if (SSL_CTX_set_session_id_context(context, kName, sizeof(kName) - 1) != 1 ||
      SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) {
    SSL_CTX_free(context);
    return IdentityError("setting the TLS ciphers");
  }
  return context;
}

std::string PeerFingerprint(SSL* ssl) {
  const X509* certificate = SSL_get0_peer_certificate(ssl);
  if (certificate == nullptr) return {};
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest, &size) != 1) return {};
  return HexEncode(std::string_view(reinterpret_cast<const char*>(digest), size));
}

std::string PeerCertificate(SSL* ssl) {
  const X509* certificate = SSL_get0_peer_certificate(ssl);
  unsigned char* octets = nullptr;
  const int size = certificate == nullptr ? 0 : i2d_X509(certificate, &octets);
  if (size <= 0) return {};
  std::string der(reinterpret_cast<const char*>(octets), static_cast<std::size_t>(size));
  OPENSSL_free(octets);
  return der;
}

}  // namespace signet::rpc
