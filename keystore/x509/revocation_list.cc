#include "keystore/x509/revocation_list.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "keystore/x509/key_strength.h"
#include "keystore/x509/openssl_ptr.h"
#include "keystore/x509/read.h"

namespace signet::keystore::x509 {
namespace {

constexpr std::string_view kWord = "CRL_MALFORMED";
constexpr std::size_t kMaxListDer = 1u << 20;
constexpr std::size_t kMaxFile = 16u << 20;
// OpenSSL compares each of these names with each name of a certificate's distribution points.
constexpr int kMaxPointNames = 16;

using CrlPtr = std::unique_ptr<X509_CRL, Deleter<X509_CRL_free>>;
using PointPtr = std::unique_ptr<ISSUING_DIST_POINT, Deleter<ISSUING_DIST_POINT_free>>;

CrlPtr Decode(std::string_view der) {
  const unsigned char* p = Octets(der);
  CrlPtr crl(d2i_X509_CRL(nullptr, &p, static_cast<long>(der.size())));
  if (p != Octets(der) + der.size()) crl.reset();
  return crl;
}

// As for certificates: written anew, it must be the same octets. On a copy of its own, since a list
// whose entries OpenSSL sorts would from then on be verified in that order.
bool IsDer(std::string_view der) {
  const CrlPtr copy = Decode(der);
  if (!copy) return false;
  unsigned char* signed_part = nullptr;
  const int size = i2d_re_X509_CRL_tbs(copy.get(), &signed_part);
  OPENSSL_free(signed_part);
  return size > 0 && ToDer(copy.get(), i2d_X509_CRL) == der;
}

Status CheckSize(std::size_t size, std::size_t most) {
  if (size <= most) return Ok();
  return MakeError(Kind::kRefused, "CRL_TOO_LARGE",
                   "revocation lists of " + std::to_string(size) + " octets, at most " +
                       std::to_string(most) + " are taken",
                   "Ask the CA for partitioned lists, or use OCSP.");
}

Status CheckPointNames(const X509_CRL* crl) {
  const PointPtr point(static_cast<ISSUING_DIST_POINT*>(
      X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, nullptr, nullptr)));
  if (!point || point->distpoint == nullptr || point->distpoint->type != 0) return Ok();
  if (sk_GENERAL_NAME_num(point->distpoint->name.fullname) <= kMaxPointNames) return Ok();
  return Malformed(kWord, "the list's distribution point has more than " +
                              std::to_string(kMaxPointNames) + " names");
}

}  // namespace

Result<RevocationList> RevocationList::FromDer(std::string_view der) {
  SIGNET_TRY(CheckSize(der.size(), kMaxListDer));
  auto data = std::make_shared<Data>();
  data->crl.reset(Decode(der).release());
  X509_CRL* crl = data->crl.get();
  if (crl == nullptr) return Malformed(kWord, "this is not a DER revocation list");
  if (!IsDer(der)) return Malformed(kWord, "the revocation list is not in DER");
  SIGNET_TRY(ReadName(X509_CRL_get_issuer(crl), kWord));
  SIGNET_TRY(ReadExtensions(X509_CRL_get0_extensions(crl), kWord));
  SIGNET_TRY(CheckPointNames(crl));
  data->fingerprint = Sha256Hex(der);
  data->issuer = NameText(X509_CRL_get_issuer(crl));
  ERR_clear_error();
  return RevocationList(std::move(data));
}

Result<std::vector<RevocationList>> ReadRevocationLists(std::string_view file, std::size_t most) {
  SIGNET_TRY(CheckSize(file.size(), kMaxFile));
  std::vector<RevocationList> lists;
  if (file.starts_with('\x30')) {
    SIGNET_TRY(auto list, RevocationList::FromDer(file));
    lists.push_back(std::move(list));
    return lists;
  }
  const BioPtr bio(BIO_new_mem_buf(file.data(), static_cast<int>(file.size())));
  for (;;) {
    char* name = nullptr;
    char* header = nullptr;
    unsigned char* octets = nullptr;
    long size = 0;
    if (!bio || PEM_read_bio(bio.get(), &name, &header, &octets, &size) != 1) break;
    const std::unique_ptr<char, Deleter<FreeOpenSsl>> name_owner(name), header_owner(header);
    const std::unique_ptr<unsigned char, Deleter<FreeOpenSsl>> owner(octets);
    if (std::string_view(name) != PEM_STRING_X509_CRL || *header != '\0') {
      return Malformed(kWord, "a block '" + EscapeLine(name, 64) + "' between revocation lists");
    }
    if (lists.size() >= most) {
      return Malformed(kWord, "more than " + std::to_string(most) + " revocation lists");
    }
    SIGNET_TRY(auto list, RevocationList::FromDer({reinterpret_cast<const char*>(octets),
                                                   static_cast<std::size_t>(size)}));
    lists.push_back(std::move(list));
  }
  const bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!ended) return Malformed(kWord, "the file of revocation lists holds a damaged PEM block");
  if (lists.empty()) return Malformed(kWord, "the file holds no revocation list");
  return lists;
}

Findings Lint(const RevocationList& list) {
  Findings out;
  const auto add = [&](const char* id, const std::string& text) {
    out.push_back({Severity::kError, id, "the revocation list of '" + list.issuer() + "' " + text,
                   list.fingerprint()});
  };
  if (X509_CRL_get_ext_by_NID(list.handle(), NID_crl_number, -1) < 0) {
    add("CRL_NUMBER_MISSING", "has no number");
  }
  int digest = NID_undef;
  const int algorithm = X509_CRL_get_signature_nid(list.handle());
  if (OBJ_find_sigid_algs(algorithm, &digest, nullptr) == 1 && IsBrokenHash(digest)) {
    add("CRL_SIGNATURE_WEAK", std::string("is signed with ") + OBJ_nid2ln(algorithm));
  }
  return out;
}

}  // namespace signet::keystore::x509
