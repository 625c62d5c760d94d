#include "keystore/x509/key_strength.h"

#include <openssl/core_names.h>
#include <openssl/rsa.h>

#include <array>

#include "keystore/x509/openssl_ptr.h"

namespace signet::keystore::x509 {
namespace {

using PssPtr = std::unique_ptr<RSA_PSS_PARAMS, Deleter<RSA_PSS_PARAMS_free>>;

constexpr int kMinimumBits = 2048;
constexpr BN_ULONG kMinimumExponent = 65537;
constexpr int kFermatRounds = 100;  // as zlint; primes this close come from a broken generator

BnPtr Parameter(const EVP_PKEY* key, const char* name) {
  BIGNUM* value = nullptr;
  EVP_PKEY_get_bn_param(key, name, &value);
  return BnPtr(value);
}

// The integer square root by Newton's method from above; false when memory is out.
bool SquareRoot(BIGNUM* root, const BIGNUM* n, BN_CTX* context) {
  const BnPtr next(BN_new());
  if (!next || BN_set_word(root, 1) != 1 || BN_lshift(root, root, (BN_num_bits(n) + 1) / 2) != 1) {
    return false;
  }
  while (true) {
    if (BN_div(next.get(), nullptr, n, root, context) != 1 ||
        BN_add(next.get(), next.get(), root) != 1 || BN_rshift1(next.get(), next.get()) != 1) {
      return false;
    }
    if (BN_cmp(next.get(), root) >= 0) return true;
    if (BN_copy(root, next.get()) == nullptr) return false;
  }
}

// Most non-squares are no square modulo a small number already.
constexpr std::array<unsigned, 4> kModuli{64, 63, 65, 11};
constexpr unsigned kLargestModulus = 65;
using SquareTable = std::array<std::array<bool, kLargestModulus>, kModuli.size()>;
constexpr SquareTable kSquares = [] {
  SquareTable squares{};
  for (std::size_t m = 0; m < kModuli.size(); ++m) {
    for (unsigned i = 0; i < kModuli[m]; ++i) squares[m][i * i % kModuli[m]] = true;
  }
  return squares;
}();

// a² - n modulo each of kModuli, for one a after the other: words only, no big numbers.
class Residues {
 public:
  Residues(const BIGNUM* a, const BIGNUM* n) {
    for (std::size_t m = 0; m < kModuli.size(); ++m) {
      a_[m] = static_cast<unsigned>(BN_mod_word(a, kModuli[m]));
      n_[m] = static_cast<unsigned>(BN_mod_word(n, kModuli[m]));
    }
  }
  bool MayBeSquare() const {
    for (std::size_t m = 0; m < kModuli.size(); ++m) {
      if (!kSquares[m][(a_[m] * a_[m] + kModuli[m] - n_[m]) % kModuli[m]]) return false;
    }
    return true;
  }
  void Next() {
    for (std::size_t m = 0; m < kModuli.size(); ++m) a_[m] = (a_[m] + 1) % kModuli[m];
  }

 private:
  std::array<unsigned, kModuli.size()> a_{}, n_{};
};

// Fermat's factorisation: n = a² - b² is found at once when the primes are close (CVE-2022-26320).
bool HasClosePrimes(const BIGNUM* n) {
  const BnCtxPtr context(BN_CTX_new());
  const BnPtr a(BN_new());
  const BnPtr rest(BN_new());
  const BnPtr root(BN_new());
  if (!context || !a || !rest || !root || !SquareRoot(a.get(), n, context.get())) return false;
  BN_ULONG ahead = 0;  // of the a that `residues` is about
  Residues residues(a.get(), n);
  for (int i = 0; i < kFermatRounds; ++i, ++ahead, residues.Next()) {
    if (!residues.MayBeSquare()) continue;
    if (BN_add_word(a.get(), ahead) != 1 || BN_sqr(rest.get(), a.get(), context.get()) != 1 ||
        BN_sub(rest.get(), rest.get(), n) != 1) {
      return false;
    }
    ahead = 0;
    if (BN_is_negative(rest.get())) continue;
    if (BN_is_zero(rest.get())) return true;
    if (!SquareRoot(root.get(), rest.get(), context.get()) ||
        BN_sqr(root.get(), root.get(), context.get()) != 1) {
      return false;
    }
    if (BN_cmp(root.get(), rest.get()) == 0) return true;
  }
  return false;
}

// Nemec and others, "The Return of Coppersmith's Attack" (2017) §2.3: the primes of the faulty
// library are k·M + 65537^a mod M, so the modulus is a power of 65537 modulo each small prime. By
// chance that is one key in 2^27.
bool HasRocaFingerprint(const BIGNUM* n) {
  constexpr std::array<unsigned, 17> kPrimes{11, 13, 17,  19,  37,  53,  61,  71, 73,
                                             79, 97, 103, 107, 109, 127, 151, 157};
  for (const unsigned prime : kPrimes) {
    const auto residue = static_cast<unsigned>(BN_mod_word(n, prime));
    unsigned power = 1;
    bool member = false;
    for (unsigned i = 0; i < prime && !member; ++i) {
      member = power == residue;
      power = power * (65537u % prime) % prime;
    }
    if (!member) return false;
  }
  return true;
}

}  // namespace

std::vector<std::string> RsaWeaknesses(const EVP_PKEY* key) {
  const BnPtr n = Parameter(key, OSSL_PKEY_PARAM_RSA_N);
  const BnPtr e = Parameter(key, OSSL_PKEY_PARAM_RSA_E);
  if (!n || !e) return {"the RSA key can not be read"};
  std::vector<std::string> out;
  const int bits = BN_num_bits(n.get());
  if (bits < kMinimumBits) {
    out.push_back("an RSA key of " + std::to_string(bits) + " bits, at least 2048 are needed");
  } else if (bits % 8 != 0) {
    out.push_back("an RSA key of " + std::to_string(bits) +
                  " bits, which is no whole number of octets");
  }
  if (BN_is_odd(n.get()) == 0) {
    out.push_back("an RSA modulus that is even");
    return out;
  }
  const BN_ULONG small = BN_get_word(e.get());  // all ones when it is wider than a word
  if (BN_is_odd(e.get()) == 0 || small < kMinimumExponent) {
    out.push_back("an RSA exponent that is even or below 65537");
  }
  if (HasClosePrimes(n.get())) out.push_back("an RSA modulus whose primes are close to each other");
  if (HasRocaFingerprint(n.get())) {
    out.push_back("an RSA modulus with the ROCA fingerprint (CVE-2017-15361)");
  }
  return out;
}

bool IsBrokenHash(int digest) {
  return digest == NID_md2 || digest == NID_md4 || digest == NID_md5 || digest == NID_sha1 ||
         digest == NID_md5_sha1;
}

int SignatureHash(const X509_ALGOR* algorithm) {
  int hash = NID_undef;
  const int nid = OBJ_obj2nid(algorithm->algorithm);
  if (nid != NID_rsassaPss) {
    OBJ_find_sigid_algs(nid, &hash, nullptr);
    return hash;
  }
  const PssPtr parameters(static_cast<RSA_PSS_PARAMS*>(
      ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(RSA_PSS_PARAMS), algorithm->parameter)));
  if (!parameters || parameters->hashAlgorithm == nullptr) return NID_sha1;  // RFC 4055 §3.1
  return OBJ_obj2nid(parameters->hashAlgorithm->algorithm);
}

}  // namespace signet::keystore::x509
