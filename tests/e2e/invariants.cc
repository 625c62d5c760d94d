#include "tests/e2e/invariants.h"

#include <gtest/gtest.h>

#include <set>

namespace signet::testing {

void CheckInvariants(const Appliance& appliance, const std::string& after) {
  SCOPED_TRACE("after " + after);
  const auto journal = [&] { return appliance.NodeDatabase("SELECT id, method FROM journal"); };
  Eventually([&] { return journal().empty(); }, Seconds(5));
  EXPECT_EQ(journal(), "");
  const json::value verdict = appliance.MustRpc("audit.verify");
  EXPECT_EQ(verdict.at("verified"), true) << verdict;
  const auto warnings = [&] { return appliance.MustRpc("status.show").at("warnings"); };
  Eventually([&] { return warnings().as_array().empty(); }, Seconds(5));
  EXPECT_EQ(warnings(), json::array());

  std::set<std::string> owners;
  const json::array keys = appliance.List("key.list");
  for (const json::value& key : keys) {
    EXPECT_EQ(key.at("onToken"), true) << key;
    EXPECT_FALSE(Text(key.at("owner")).starts_with("none")) << key;
    EXPECT_TRUE(owners.insert(Text(key.at("owner"))).second) << "two keys of one owner: " << key;
  }
  EXPECT_EQ(appliance.PrivateKeysOnToken(), keys.size());
  for (const json::value& identity : appliance.List("certificate.list")) {
    EXPECT_EQ(identity.at("state"), "ok") << identity;
    EXPECT_TRUE(owners.contains(Text(identity.at("purpose")) + " current")) << identity;
  }
  for (const json::value& csr : appliance.List("csr.list")) {
    EXPECT_TRUE(owners.contains(Text(csr.at("purpose")) + " csr " + Text(csr.at("id")))) << csr;
  }
}

std::string Current(const Appliance& appliance, const std::string& purpose) {
  return Text(appliance.MustRpc("certificate.show", {{"purpose", purpose}}).at("fingerprint"));
}

bool HasCsr(const Appliance& appliance, const std::string& id) {
  return appliance.Rpc("csr.show", {{"id", id}}).ok();
}

}  // namespace signet::testing
