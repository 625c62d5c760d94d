#include "platform/tls_fetch.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <array>
#include <boost/asio/ip/address.hpp>
#include <memory>
#include <utility>

#include "platform/dialer.h"

namespace signet {
namespace {

constexpr std::size_t kMaxHandshake = 256 * 1024;
constexpr int kMaxCertificates = 32;

struct SslContextDelete {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct SslDelete {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using SslContext = std::unique_ptr<SSL_CTX, SslContextDelete>;
using Ssl = std::unique_ptr<SSL, SslDelete>;

// What is offered for each kind of certificate: suites decide for TLS 1.2, signature algorithms for
// TLS 1.3. Null: OpenSSL's list, or nothing more to try.
struct Offer {
  PeerKey key;
  std::string_view name;
  const char* ciphers;
  const char* signatures;
  // The second try. A list of ECDSA algorithms alone also says that the issuer must have signed by
  // ECDSA (RFC 5246 section 7.4.1.4.1, RFC 8446 section 4.2.3), so a strict server hides its ECDSA
  // certificate from an RSA CA. Here the wanted ones come first and all others after them.
  const char* wide_signatures;
};
#define SIGNET_RSA_SIGNATURES                                    \
  "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:" \
  "rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512:"    \
  "RSA+SHA256:RSA+SHA384:RSA+SHA512:RSA+SHA224:RSA+SHA1"
#define SIGNET_ECDSA_SIGNATURES "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ECDSA+SHA224:ECDSA+SHA1"
constexpr std::array<Offer, 3> kOffers{{
    {PeerKey::kAny, "", "ALL:!aNULL:!eNULL:!PSK:!SRP", nullptr, nullptr},
    {PeerKey::kRsa, "RSA", "aRSA:!eNULL:!PSK:!SRP", SIGNET_RSA_SIGNATURES,
     SIGNET_RSA_SIGNATURES ":" SIGNET_ECDSA_SIGNATURES ":ed25519:ed448"},
    {PeerKey::kEcdsa, "ECDSA", "aECDSA:!eNULL:!PSK:!SRP", SIGNET_ECDSA_SIGNATURES,
     SIGNET_ECDSA_SIGNATURES ":" SIGNET_RSA_SIGNATURES ":ed25519:ed448"},
}};

const Offer& OfferOf(PeerKey key) {
  for (const Offer& offer : kOffers) {
    if (offer.key == key) return offer;
  }
  return kOffers.front();
}

// A path through the certificates would cost time and decide nothing.
int VerifyNothing(X509_STORE_CTX*, void*) { return 1; }

int NoteClientCertificate(SSL* ssl, X509**, EVP_PKEY**) {
  *static_cast<bool*>(SSL_get_app_data(ssl)) = true;
  return 0;  // none
}

Result<SslContext> MakeContext(const Offer& offer, const char* signatures) {
  SslContext context(SSL_CTX_new(TLS_client_method()));
  if (!context) return InternalError("OpenSSL has no TLS");
  SSL_CTX* const c = context.get();
  SSL_CTX_set_security_level(c, 0);  // before the lists, which it filters
  SSL_CTX_set_options(c, SSL_OP_LEGACY_SERVER_CONNECT | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                             SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_cert_list(c, static_cast<long>(kMaxHandshake));
  SSL_CTX_set_verify(c, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_cert_verify_callback(c, &VerifyNothing, nullptr);
  SSL_CTX_set_client_cert_cb(c, &NoteClientCertificate);
  const bool ok = SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1 &&
                  SSL_CTX_set_max_proto_version(c, TLS1_3_VERSION) == 1 &&
                  SSL_CTX_set_cipher_list(c, offer.ciphers) == 1 &&
                  (signatures == nullptr || SSL_CTX_set1_sigalgs_list(c, signatures) == 1);
  if (!ok) return OpenSslError(Kind::kInternal, "INTERNAL", "the TLS client cannot be set up");
  return context;
}

// How a handshake ended.
struct Ending {
  Connection::Io io = Connection::Io::kOk;
  unsigned long code = 0;  // of OpenSSL, where the octets arrived and were not liked
  std::string reason;
  bool done = false;
  std::string first;  // the first octets that came back
};

Connection::Io Flush(BIO* out, Connection& connection) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(out, &data);
  if (size <= 0) return Connection::Io::kOk;
  const Connection::Io io = connection.Send(std::string_view(data, static_cast<std::size_t>(size)));
  BIO_reset(out);
  return io;
}

Ending RunHandshake(SSL* ssl, BIO* in, BIO* out, Connection& connection) {
  Ending ending;
  for (;;) {
    ERR_clear_error();
    const int code = SSL_do_handshake(ssl);
    const int why = SSL_get_error(ssl, code);
    if (code != 1 && why != SSL_ERROR_WANT_READ) {
      ending.code = ERR_peek_error();
      const char* reason = ERR_reason_error_string(ending.code);
      ending.reason = reason == nullptr ? "no reason given" : reason;
    }
    // Also what is left to say after a failure: the alert. A peer that does not listen any more may
    // have told why, so its words are read all the same.
    const Connection::Io sent = Flush(out, connection);
    ending.done = code == 1;
    if (ending.done || why != SSL_ERROR_WANT_READ) return ending;
    ending.io = sent;
    if (sent == Connection::Io::kTimedOut) return ending;
    std::string bytes;
    ending.io = connection.Receive(bytes);
    if (ending.io != Connection::Io::kOk) return ending;
    if (ending.first.size() < 2) ending.first += bytes.substr(0, 2);
    if (BIO_write(in, bytes.data(), static_cast<int>(bytes.size())) !=
        static_cast<int>(bytes.size())) {
      ending.reason = "out of memory";
      return ending;
    }
  }
}

// A record of TLS begins with its type (here: alert or handshake) and 3 as the major version.
bool BeginsLikeTls(const std::string& first) {
  if (first.empty()) return false;
  return (first[0] == 0x15 || first[0] == 0x16) && (first.size() < 2 || first[1] == 3);
}

Error NoSuchCertificate(const Offer& offer, const std::string& why) {
  return MakeError(Kind::kRefused, "NO_SUCH_CERTIFICATE",
                   "the server shows no " + std::string(offer.name) + " certificate: " + why,
                   "Fetch the other kind, or give the server such a certificate first.");
}

Error TooLarge(const std::string& what) {
  return MakeError(Kind::kRefused, "PEER_TOO_LARGE", "the server sent " + what,
                   "Check the host and port: no sound server does that. If it is the right one, "
                   "upload its certificate as a file.");
}

Error NoTls(const std::string& what) {
  return MakeError(Kind::kRefused, "NO_TLS", "the server does not speak TLS here: " + what,
                   "Check the port. Where the protocol starts TLS by a command, say which one: "
                   "--starttls xmpp, smtp or ldap.");
}

// Reasons of OpenSSL that say that the server has no certificate for the offer.
bool MeansNoCertificate(int reason) {
  return reason == SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE ||
         reason == SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY ||
         reason == SSL_R_WRONG_SIGNATURE_TYPE || reason == SSL_R_WRONG_CERTIFICATE_TYPE;
}

Error HandshakeError(const Ending& ending, const Offer& offer) {
  const bool tls = BeginsLikeTls(ending.first);
  switch (ending.io) {
    case Connection::Io::kTimedOut:
      return MakeError(Kind::kTimeout, "HANDSHAKE_TIMED_OUT",
                       "the server did not finish the TLS handshake in time",
                       "Check that the port speaks TLS at once (else: --starttls) and that the "
                       "server is not overloaded, then try again.");
    case Connection::Io::kTooLarge:
      return TooLarge("more than 256 KiB in the handshake");
    case Connection::Io::kEnd:
      if (!tls) return NoTls("it closed the connection");
      return MakeError(Kind::kUnavailable, "HANDSHAKE_FAILED",
                       "the server closed the connection in the TLS handshake",
                       "Look at the server's log; it may allow certain clients or names only.");
    case Connection::Io::kOk:
      break;
  }
  const int reason = ERR_GET_REASON(ending.code);
  if (!tls) return NoTls(ending.reason);
  if (reason == SSL_R_EXCESSIVE_MESSAGE_SIZE) {
    return TooLarge("a handshake message over the limit (" + ending.reason + ")");
  }
  if (offer.key != PeerKey::kAny && MeansNoCertificate(reason)) {
    return NoSuchCertificate(offer, ending.reason);
  }
  Error error =
      MakeError(Kind::kUnavailable, "HANDSHAKE_FAILED", "no TLS with the server: " + ending.reason,
                "The server must offer TLS 1.2 or 1.3 and have a certificate for this "
                "name; look at its log, or upload its certificate as a file.");
  error.origin = {"OpenSSL", ending.code};
  return error;
}

// The peer's chain as it was sent.
Status TakeChain(SSL* ssl, const Offer& offer, std::vector<Bytes>& chain) {
  const STACK_OF(X509)* const sent = SSL_get_peer_cert_chain(ssl);
  const int count = sent == nullptr ? 0 : sk_X509_num(sent);
  if (count > kMaxCertificates) {
    return TooLarge(std::to_string(count) + " certificates (at most 32 are taken)");
  }
  std::vector<Bytes> taken;
  for (int i = 0; i < count; ++i) {
    unsigned char* der = nullptr;
    const int size = i2d_X509(sk_X509_value(sent, i), &der);
    if (size <= 0) return OpenSslError(Kind::kInternal, "INTERNAL", "a certificate has no DER");
    taken.emplace_back(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
  }
  if (count > 0 && offer.key != PeerKey::kAny) {
    const EVP_PKEY* const key = X509_get0_pubkey(sk_X509_value(sent, 0));
    const int type = key == nullptr ? EVP_PKEY_NONE : EVP_PKEY_get_base_id(key);
    const bool rsa = type == EVP_PKEY_RSA || type == EVP_PKEY_RSA_PSS;
    if (offer.key == PeerKey::kRsa ? !rsa : type != EVP_PKEY_EC) {
      return NoSuchCertificate(offer, "it sent one with another kind of key");
    }
  }
  chain = std::move(taken);
  return Ok();
}

Status Look(const TlsFetchRequest& request, const char* signatures, Connection& connection,
            TlsFetched& fetched) {
  const Offer& offer = OfferOf(request.key);
  SIGNET_TRY(const SslContext context, MakeContext(offer, signatures));
  const Ssl ssl(SSL_new(context.get()));
  BIO* const in = BIO_new(BIO_s_mem());
  BIO* const out = BIO_new(BIO_s_mem());
  if (!ssl || in == nullptr || out == nullptr) {
    BIO_free(in);
    BIO_free(out);
    return InternalError("no memory for TLS");
  }
  SSL_set_bio(ssl.get(), in, out);
  SSL_set_connect_state(ssl.get());
  SSL_set_app_data(ssl.get(), &fetched.client_certificate_wanted);
  std::string name = request.server_name.empty() ? request.target.host : request.server_name;
  boost::system::error_code no_address;
  boost::asio::ip::make_address(name, no_address);
  if (!no_address) name.clear();
  if (!name.empty() && SSL_set_tlsext_host_name(ssl.get(), name.c_str()) != 1) {
    return OpenSslError(Kind::kInternal, "INTERNAL", "the server's name cannot be sent");
  }
  connection.AllowBytes(kMaxHandshake);
  const Ending ending = RunHandshake(ssl.get(), in, out, connection);
  // Once the server has asked for our certificate it has shown its own, and with a suite that signs
  // the key exchange proved to have the key.
  const bool shown = fetched.client_certificate_wanted && ending.io != Connection::Io::kTooLarge &&
                     SSL_get_peer_cert_chain(ssl.get()) != nullptr;
  if (!ending.done && !shown) return HandshakeError(ending, offer);
  SIGNET_TRY(TakeChain(ssl.get(), offer, fetched.chain));
  if (fetched.chain.empty()) {
    return MakeError(Kind::kUnavailable, "HANDSHAKE_FAILED", "the server sent no certificate",
                     "Check that the port belongs to a server with certificates.");
  }
  fetched.protocol = SSL_get_version(ssl.get());
  if (const char* cipher = SSL_get_cipher_name(ssl.get()); cipher != nullptr) {
    fetched.cipher = cipher;
  }
  if (ending.done) {
    SSL_shutdown(ssl.get());
    static_cast<void>(Flush(out, connection));  // a courtesy: the result stands
  }
  return Ok();
}

Status FetchInto(TlsFetched& fetched, const TlsFetchRequest& request, const char* signatures,
                 SteadyTime deadline) {
  SIGNET_TRY(Connection connection, Dial(request.target, request.policy, deadline));
  fetched.reached = true;
  fetched.address = connection.address().to_string();
  const std::string& host = request.server_name.empty() ? request.target.host : request.server_name;
  Status status = NegotiateStartTls(request.starttls, host, connection);
  if (status) status = Look(request, signatures, connection, fetched);
  fetched.bytes_read = connection.bytes_read();
  return status;
}

TlsFetched FetchOnce(const TlsFetchRequest& request, const char* signatures, SteadyTime deadline) {
  TlsFetched fetched;
  if (Status status = FetchInto(fetched, request, signatures, deadline); !status) {
    fetched.error = std::move(status).error();
  }
  // OpenSSL's queue belongs to the thread, and the lane's next job must not find ours in it.
  ERR_clear_error();
  return fetched;
}

}  // namespace

TlsFetched FetchTls(const TlsFetchRequest& request) {
  const SteadyTime deadline = std::chrono::steady_clock::now() + request.time_limit;
  const Offer& offer = OfferOf(request.key);
  TlsFetched fetched = FetchOnce(request, offer.signatures, deadline);
  if (fetched.error && fetched.error->word == "NO_SUCH_CERTIFICATE") {
    TlsFetched second = FetchOnce(request, offer.wide_signatures, deadline);
    // Otherwise the first answer is the clearer one.
    if (!second.error) return second;
  }
  return fetched;
}

}  // namespace signet
