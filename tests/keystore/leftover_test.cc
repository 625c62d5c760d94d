// Which self-signed leftovers may be deleted, of every purpose of both products.
#include <gmock/gmock.h>

#include <map>

#include "keystore/plan_deletion.h"
#include "tests/keystore/plan_world.h"
#include "tests/support/test_ca.h"

namespace signet::keystore {
namespace {

using signet::testing::TestCa;
using ::testing::HasSubstr;

// A purpose's self-signed certificate in its trust store, and perhaps a CA-signed one in place.
class Leftover {
 public:
  Leftover(const std::string& product, const std::string& purpose, TestCa* ca)
      : world_(product), store_(world_.catalogue.FindPurpose(purpose)->trust_store) {
    IdentityRequest request;
    request.purpose = purpose;
    const KeyPlan plan = PlanSelfSigned(world_.In(), request).value();
    const SoftKey key(plan.spec);
    const std::string der =
        x509::BuildSelfSigned(plan.content, *plan.validity, key.spki, key.evp.get()).value();
    const auto own = x509::Certificate::FromDer(der).value();
    fingerprint_ = own.fingerprint();
    world_.AddPinned(store_, own, purpose);
    const std::string csr = world_.AddCsr(purpose);
    if (ca == nullptr) {
      world_.Install("c1", own);
      return;
    }
    json::object how;
    if (world_.catalogue.FindPurpose(purpose)->profile.ca) {
      how = {{"ca", true}, {"path", 0}, {"issuer", "second"}};
    }
    world_.Install("c1", x509::ReadCertificates(ca->Sign(csr, how), 1).value().front());
    world_.snapshot->identities.at(purpose).value.current->chain = {std::string(64, 'a')};
  }
  const std::string& store() const { return store_; }
  // The word of the refusal, or "planned".
  std::string Delete() {
    const auto plan = PlanDeletion(world_.In(), {store_, fingerprint_, "", {}});
    if (plan) return "planned";
    EXPECT_FALSE(plan.error().remedy.empty());
    detail = plan.error().findings.empty() ? "" : plan.error().findings.front().text;
    return plan.error().word;
  }
  std::string detail;

 private:
  PlanWorld world_;
  std::string store_, fingerprint_;
};

// SPEC C10, typed from there; `tomcat` and `ipsec` are purposes of the call control too.
const std::map<std::string, std::map<std::string, std::string>> kDeletable = {
    {"imp",
     {{"tomcat", "tomcat-trust"},
      {"tomcat-ECDSA", "tomcat-trust"},
      {"cup-xmpp", "cup-xmpp-trust"},
      {"cup-xmpp-ECDSA", "cup-xmpp-trust"},
      {"cup-xmpp-s2s", "cup-xmpp-trust"},
      {"cup-xmpp-s2s-ECDSA", "cup-xmpp-trust"},
      {"cup", "cup-trust"},
      {"cup-ECDSA", "cup-trust"},
      {"ipsec", "ipsec-trust"}}},
    {"cucm",
     {{"tomcat", "tomcat-trust"}, {"tomcat-ECDSA", "tomcat-trust"}, {"ipsec", "ipsec-trust"}}},
};

// SPEC C9, C10.
TEST(Leftover, MayGoWhereTheSpecificationSaysSoAndOnlyOnceItIsReplaced) {
  TestCa ca;
  for (const auto& [product, deletable] : kDeletable) {
    const Catalogue catalogue = LoadCatalogue(product).value();
    for (const Purpose& purpose : catalogue.purposes) {
      if (purpose.internal) continue;
      SCOPED_TRACE(product + " " + purpose.name);
      Leftover replaced(product, purpose.name, &ca);
      const auto row = deletable.find(purpose.name);
      EXPECT_EQ(replaced.Delete(), row == deletable.end() ? "LEFTOVER_STAYS" : "planned");
      if (row != deletable.end()) {
        EXPECT_EQ(replaced.store(), row->second);
      }
      EXPECT_EQ(Leftover(product, purpose.name, nullptr).Delete(), "TRUST_IN_USE");
    }
  }
}

}  // namespace
}  // namespace signet::keystore
