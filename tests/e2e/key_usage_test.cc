// What CSRs and self-signed certificates ask for, as openssl reads it. The tables are typed from
// the product's specification, not taken from the catalogue.
#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "tests/e2e/invariants.h"
#include "tests/support/appliance.h"

namespace signet::testing {
namespace {

enum Bit : unsigned {
  sA = 1u << 0,  // serverAuth
  cA = 1u << 1,  // clientAuth
  ip = 1u << 2,  // ipsecEndSystem
  dS = 1u << 3,  // digitalSignature
  kE = 1u << 4,  // keyEncipherment
  dE = 1u << 5,  // dataEncipherment
  kCS = 1u << 6  // keyCertSign
};

struct Row {
  const char* purpose;
  unsigned asked;  // exactly these
  const char* basic_constraints = "";
};

constexpr Row kImp[] = {
    {"cup", sA | cA | ip | dS | kE | dE},
    {"cup-ECDSA", sA | cA | ip | dS | kE | dE},
    {"cup-xmpp", sA | cA | ip | dS | kE | dE},
    {"cup-xmpp-ECDSA", sA | cA | ip | dS | kE | dE},
    {"cup-xmpp-s2s", sA | cA | ip | dS | kE | dE},
    {"cup-xmpp-s2s-ECDSA", sA | cA | ip | dS | kE | dE},
    {"ipsec", sA | cA | ip | dS | kE | dE},
    {"tomcat", sA | cA | dS | kE | dE},
    {"tomcat-ECDSA", sA | cA | dS | kE | dE},
};

constexpr Row kCucm[] = {
    {"CallManager", sA | cA | dS | dE},
    {"CallManager-ECDSA", sA | cA | dS | dE},
    {"CAPF", sA | dS | kCS, "CA:TRUE, pathlen:0"},
    {"ipsec", sA | cA | ip | dS | kE | dE},
    {"tomcat", sA | cA | dS | dE},
    {"tomcat-ECDSA", sA | cA | dS | dE},
    {"TVS", sA | cA | dS | kE | dE},
};

using Names = std::set<std::string>;

Names Split(const std::string& line) {
  Names names;
  std::istringstream words(line);
  for (std::string word; std::getline(words, word, ',');) {
    const std::size_t first = word.find_first_not_of(' ');
    if (first != std::string::npos) names.insert(word.substr(first));
  }
  return names;
}

// The line that follows the extension's title; empty when the extension is not there.
std::string Extension(const std::string& text, const std::string& title) {
  const std::size_t at = text.find(title);
  if (at == std::string::npos) return {};
  const std::size_t line = text.find('\n', at) + 1;
  const std::size_t first = text.find_first_not_of(' ', line);
  std::string value = text.substr(first, text.find('\n', line) - first);
  while (!value.empty() && value.back() == ' ') value.pop_back();
  return value;
}

void Compare(const Row& row, const std::string& text) {
  Names usage, extended;
  if (row.asked & dS) usage.insert("Digital Signature");
  if (row.asked & kE) usage.insert("Key Encipherment");
  if (row.asked & dE) usage.insert("Data Encipherment");
  if (row.asked & kCS) usage.insert("Certificate Sign");
  if (row.asked & sA) extended.insert("TLS Web Server Authentication");
  if (row.asked & cA) extended.insert("TLS Web Client Authentication");
  if (row.asked & ip) extended.insert("IPSec End System");
  EXPECT_EQ(Split(Extension(text, "X509v3 Key Usage:")), usage) << text;
  EXPECT_EQ(Split(Extension(text, "X509v3 Extended Key Usage:")), extended) << text;
  EXPECT_NE(Extension(text, "X509v3 Subject Alternative Name:").find("DNS:node1.signet.localhost"),
            std::string::npos);
  const bool ec = std::string(row.purpose).ends_with("-ECDSA");
  EXPECT_NE(text.find(ec ? "id-ecPublicKey" : "rsaEncryption"), std::string::npos);
}

template <std::size_t n>
void CompareAll(const std::string& product, const Row (&rows)[n]) {
  ApplianceOptions options;
  options.product = product;
  Appliance appliance(options);
  appliance.StartAndWait();
  EXPECT_EQ(appliance.List("certificate.list").size(), n);
  for (const Row& row : rows) {
    SCOPED_TRACE(product + " " + row.purpose);
    const Outcome certificate = appliance.Cli({"certificate", "download", row.purpose});
    ASSERT_EQ(certificate.code, 0) << certificate.err;
    const std::string shown = MustRun({"openssl", "x509", "-noout", "-text"},  //
                                      {certificate.out, "", {}});
    Compare(row, shown);
    const std::string constraints = Extension(shown, "X509v3 Basic Constraints:");
    if (row.basic_constraints[0] != '\0') {
      EXPECT_EQ(constraints, row.basic_constraints);
    } else {
      EXPECT_TRUE(constraints.empty() || constraints == "CA:FALSE") << constraints;
    }

    const json::value made = appliance.CliJson({"csr", "generate", row.purpose});
    ASSERT_TRUE(made.is_object());
    const std::string request =
        MustRun({"openssl", "req", "-noout", "-text", "-verify"}, {Text(made.at("pem")), "", {}});
    Compare(row, request);
    EXPECT_EQ(Extension(request, "X509v3 Basic Constraints:"), row.basic_constraints);
  }
  CheckInvariants(appliance, "CSRs of all purposes of " + product);
}

// SPEC K1.
TEST(KeyUsage, EveryPurposeOfThePresenceProductAsksForExactlyItsUses) { CompareAll("imp", kImp); }
TEST(KeyUsage, EveryPurposeOfTheCallControlProductAsksForExactlyItsUses) {
  CompareAll("cucm", kCucm);
}

}  // namespace
}  // namespace signet::testing
