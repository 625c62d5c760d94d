#include "tests/abuse/abuse.h"

#include "platform/encoding.h"

namespace signet::testing {

namespace {

struct Shared {
  Shared() {
    appliance.StartAndWait();
    const std::string chain = ca.Issuer("root") + ca.Issuer("intermediate") + ca.Issuer("second") +
                              ca.Issuer("constrained") + ca.Issuer("short");
    appliance.MustRpc(
        "trust.upload",
        {{"store", "cup-trust"}, {"certificates", json::array{json::object{{"pem", chain}}}}});
    const json::value made = appliance.MustRpc(
        "csr.generate",
        {{"purpose", "cup-ECDSA"}, {"sans", json::array{"DNS:extra.signet.localhost"}}});
    csr = json::value_to<std::string>(made.at("pem"));
  }
  Appliance appliance;
  TlsLogin administrator{appliance, "boss", "role = \"administrator\""};
  TlsLogin auditor{appliance, "looker", "role = \"auditor\""};
  TestCa ca;
  std::string csr;
};

Shared* g_shared = nullptr;

Shared& All() {
  if (g_shared == nullptr) g_shared = new Shared;
  return *g_shared;
}

// The daemon ends as it should, after all that it was sent; its token holds what its records name.
class AbuseEnvironment : public ::testing::Environment {
  void TearDown() override {
    if (g_shared == nullptr) return;
    const json::value verdict = g_shared->appliance.MustRpc("audit.verify");
    EXPECT_TRUE(verdict.at("verified").as_bool());
    for (const json::value& key : g_shared->appliance.List("key.list")) {
      EXPECT_FALSE(json::value_to<std::string>(key.at("owner")).starts_with("none"));
      EXPECT_TRUE(key.at("onToken").as_bool());
    }
    EXPECT_EQ(g_shared->appliance.PrivateKeysOnToken(),
              g_shared->appliance.List("key.list").size());
    EXPECT_EQ(g_shared->appliance.Stop(), 0);
    delete g_shared;
    g_shared = nullptr;
  }
};
[[maybe_unused]] const auto* const kEnvironment =
    ::testing::AddGlobalTestEnvironment(new AbuseEnvironment);

std::vector<std::string> Column(const std::string& method,
                                const std::vector<const char*>& members) {
  std::vector<std::string> rows;
  for (const json::value& item : All().appliance.List(method)) {
    std::string row;
    for (const char* member : members) row += json::serialize(item.at(member)) + " ";
    rows.push_back(row);
  }
  return rows;
}

}  // namespace

Appliance& AbuseTest::appliance() { return All().appliance; }
TestCa& AbuseTest::ca() { return All().ca; }
const std::string& AbuseTest::csr() { return All().csr; }
const TlsLogin& AbuseTest::administrator() { return All().administrator; }
const TlsLogin& AbuseTest::auditor() { return All().auditor; }

World AbuseTest::Look() {
  return {Column("csr.list", {"id"}),
          Column("trust.list", {"store", "id", "kind", "description"}),
          Column("certificate.list", {"purpose", "fingerprint", "previous"}),
          Column("key.list", {"id", "owner", "onToken"}),
          Column("setting.list", {"name", "value"}),
          Column("connection.list", {"id", "kind", "peer"}),
          Column("lsc.list", {"id"})};
}

std::int64_t AbuseTest::AuditRecords() {
  return appliance().MustRpc("audit.verify").at("records").as_int64();
}

json::object AbuseTest::LastAudit() {
  const json::array records =
      appliance().List("audit.list", {{"cursor", std::to_string(AuditRecords() - 1)}});
  return records.empty() ? json::object() : records.back().as_object();
}

Answer AbuseTest::Refused(const std::string& word, const std::string& method,
                          const json::object& params, bool audited) {
  const World before = Look();
  const std::int64_t records = AuditRecords();
  Answer answer = appliance().Rpc(method, params);
  EXPECT_EQ(answer.word(), word) << answer.result << answer.error;
  auto text = [&](const char* member) {
    const json::value* value = answer.error.if_contains(member);
    return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                  : std::string();
  };
  EXPECT_NE(text("remedy"), "") << answer.error;
  EXPECT_NE(text("detail"), "") << answer.error;
  for (const char* member : {"remedy", "detail"}) {
    for (const char c : text(member))
      EXPECT_GE(static_cast<unsigned char>(c), 0x20) << text(member);
  }
  if (const json::value* findings = answer.error.if_contains("findings")) {
    for (const json::value& finding : findings->as_array()) {
      if (finding.at("severity") != "error") continue;
      EXPECT_EQ(json::value_to<std::string>(finding.at("id")), word);
      break;
    }
  }
  EXPECT_EQ(Look(), before);
  EXPECT_EQ(AuditRecords(), records + (audited ? 1 : 0));
  if (audited) {
    const json::object record = LastAudit();
    EXPECT_EQ(json::value_to<std::string>(record.at("outcome")), "failed:" + word);
    EXPECT_EQ(json::value_to<std::string>(record.at("method")), method);
    EXPECT_EQ(record.at("digest").as_string().size(), 64u);
  }
  return answer;
}

Answer AbuseTest::UploadRefused(const std::string& word, const std::string& pem,
                                const std::string& purpose) {
  return Refused(word, "certificate.upload", {{"purpose", purpose}, {"pem", pem}});
}

Answer AbuseTest::CsrRefused(const std::string& word, json::object params) {
  if (!params.contains("purpose")) params["purpose"] = kPurpose;
  return Refused(word, "csr.generate", params);
}

AbuseTest::OwnCsr AbuseTest::MakeCsr(const std::string& purpose, json::object params) {
  params["purpose"] = purpose;
  const json::value made = appliance().MustRpc("csr.generate", std::move(params));
  return {json::value_to<std::string>(made.at("csr")), json::value_to<std::string>(made.at("pem"))};
}

Answer AbuseTest::Upload(const std::string& pem, const std::string& purpose) {
  return appliance().Rpc("certificate.upload", {{"purpose", purpose}, {"pem", pem}});
}

std::string FindingOf(const json::value& findings, const std::string& id) {
  if (!findings.is_array()) return {};
  for (const json::value& finding : findings.as_array()) {
    if (finding.at("id") == json::string(id)) {
      return json::value_to<std::string>(finding.at("severity")) + " " + id + ": " +
             json::value_to<std::string>(finding.at("text"));
    }
  }
  return {};
}

std::string FindingOf(const json::object& error, const std::string& id) {
  const json::value* findings = error.if_contains("findings");
  return findings == nullptr ? std::string() : FindingOf(*findings, id);
}

std::string PemBlock(const std::string& label, const std::string& octets) {
  const std::string text = Base64Encode(octets);
  std::string block = "-----BEGIN " + label + "-----\n";
  for (std::size_t at = 0; at < text.size(); at += 64) block += text.substr(at, 64) + "\n";
  return block + "-----END " + label + "-----\n";
}

}  // namespace signet::testing
