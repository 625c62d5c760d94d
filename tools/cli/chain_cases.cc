#include "tools/cli/chain_cases.h"

#include <openssl/objects.h>

#include <algorithm>
#include <array>
#include <optional>

#include "keystore/x509/chain.h"
#include "keystore/x509/pem.h"
#include "platform/clock.h"
#include "platform/encoding.h"
#include "tools/cli/case_file.h"

namespace signet::tools {

namespace x509 = keystore::x509;

struct PeerRow : LenientRecord {
  std::string kind, value;
};
BOOST_DESCRIBE_STRUCT(PeerRow, (LenientRecord), (kind, value))

struct ChainRow : LenientRecord {
  std::string id, profile, peer;
  std::optional<std::string> purpose;
  std::optional<WallTime> time;
  std::optional<PeerRow> peer_name;
  std::optional<std::int64_t> max_chain_depth;
  std::vector<std::string> untrusted, trusted, crls;
  bool crl_check = false;
  std::optional<std::vector<std::string>> eku, key_usage;
  std::optional<json::value> policy;
};
BOOST_DESCRIBE_STRUCT(ChainRow, (LenientRecord),
                      (id, profile, peer, purpose, time, peer_name, max_chain_depth, untrusted,
                       trusted, crls, crl_check, eku, key_usage, policy))

namespace {

constexpr std::size_t kMaxFiles = 100;
constexpr std::size_t kMaxCertificates = 200;  // of all files of a row
constexpr std::size_t kMaxLists = 100;

Error Invalid(std::string detail) {
  return MakeError(Kind::kUsage, "CASE_INVALID", std::move(detail),
                   "See tools/README.md for the form of the rows.");
}

struct Named {
  std::string_view name;
  std::string_view oid;
};
constexpr std::array<Named, 2> kPurposes{
    {{"server", "1.3.6.1.5.5.7.3.1"}, {"client", "1.3.6.1.5.5.7.3.2"}}};
constexpr std::string_view kAnyPolicy = "anyPolicy";
// The names that PKITS writes for policies of NIST's arc for tests.
constexpr std::string_view kTestPolicy = "NIST-test-policy-";
constexpr std::string_view kTestPolicyArc = "2.16.840.1.101.3.2.1.48.";

// By OpenSSL's names ("serverAuth") or dotted.
Result<std::string> Oid(const std::string& name) {
  const std::unique_ptr<ASN1_OBJECT, decltype(&ASN1_OBJECT_free)> object(
      OBJ_txt2obj(name.c_str(), 0), &ASN1_OBJECT_free);
  std::array<char, 128> text{};
  if (!object || OBJ_obj2txt(text.data(), text.size(), object.get(), 1) <= 0) {
    return Invalid("'" + EscapeLine(name, 64) + "' is no OID and no name of one");
  }
  return std::string(text.data());
}

Result<std::vector<std::string>> PolicySet(std::string_view names) {
  std::vector<std::string> oids;
  while (!names.empty()) {
    const std::size_t comma = std::min(names.find(','), names.size());
    std::string name(names.substr(0, comma));
    names.remove_prefix(std::min(comma + 1, names.size()));
    if (name == kAnyPolicy) return std::vector<std::string>();
    if (name.starts_with(kTestPolicy)) {
      name = std::string(kTestPolicyArc) + name.substr(kTestPolicy.size());
    }
    SIGNET_TRY(auto oid, Oid(name));
    oids.push_back(std::move(oid));
  }
  return oids;
}

Result<bool> PolicyFlag(const json::object& policy, std::string_view name) {
  const json::value* value = policy.if_contains(name);
  if (value == nullptr) return false;
  if (value->is_bool()) return value->get_bool();
  if (value->is_string() && value->get_string() == "true") return true;
  if (value->is_string() && value->get_string() == "false") return false;
  return Invalid("the policy's " + std::string(name) + " is neither true nor false");
}

Result<x509::PolicyInputs> ReadPolicy(const json::value& value) {
  x509::PolicyInputs inputs;
  if (!value.is_object()) return Invalid("policy is no object");
  const json::object& policy = value.get_object();
  if (const json::value* set = policy.if_contains("InitialPolicySet")) {
    if (!set->is_string()) return Invalid("InitialPolicySet is no string");
    SIGNET_TRY(inputs.initial_set, PolicySet({set->get_string().data(), set->get_string().size()}));
  }
  SIGNET_TRY(inputs.require_explicit, PolicyFlag(policy, "InitialExplicitPolicy"));
  SIGNET_TRY(inputs.inhibit_mapping, PolicyFlag(policy, "InitialPolicyMappingInhibit"));
  SIGNET_TRY(inputs.inhibit_any, PolicyFlag(policy, "InitialInhibitAnyPolicy"));
  return inputs;
}

Result<x509::PeerName> ReadPeerName(const PeerRow& row) {
  using Type = x509::PeerName::Type;
  for (const auto& [type, name] : {std::pair(Type::kDns, "DNS"), std::pair(Type::kIp, "IP"),
                                   std::pair(Type::kEmail, "RFC822")}) {
    if (row.kind == name) return x509::PeerName{type, row.value};
  }
  return Invalid("a peer name of the kind '" + EscapeLine(row.kind, 64) + "'");
}

Status ReadUsages(const ChainRow& row, x509::ChainPolicy& policy) {
  if (row.purpose) {
    const auto* known = std::find_if(kPurposes.begin(), kPurposes.end(),
                                     [&](const Named& n) { return n.name == *row.purpose; });
    if (known == kPurposes.end()) {
      return Invalid("the purpose '" + EscapeLine(*row.purpose, 64) + "' is not known");
    }
    policy.required_ekus.emplace_back(known->oid);
  }
  for (const std::string& name : row.eku.value_or(std::vector<std::string>())) {
    SIGNET_TRY(auto oid, Oid(name));
    policy.required_ekus.push_back(std::move(oid));
  }
  for (const std::string& name : row.key_usage.value_or(std::vector<std::string>())) {
    std::size_t bit = 0;
    while (bit < x509::kKeyUsageBits && x509::KeyUsageName(bit) != name) ++bit;
    if (bit == x509::kKeyUsageBits) {
      return Invalid("the key usage '" + EscapeLine(name, 64) + "' is not known");
    }
    policy.required_usages.push_back(static_cast<x509::KeyUsage>(bit));
  }
  return Ok();
}

Result<x509::ChainPolicy> ReadPolicies(const ChainRow& row) {
  x509::ChainPolicy policy;
  policy.time = row.time ? *row.time : MakeSystemClock()->Now();
  SIGNET_TRY(ReadUsages(row, policy));
  if (row.peer_name) {
    SIGNET_TRY(auto name, ReadPeerName(*row.peer_name));
    policy.peer_name = std::move(name);
  }
  if (row.max_chain_depth) {
    policy.max_intermediates = static_cast<int>(
        std::clamp<std::int64_t>(*row.max_chain_depth, 0, std::int64_t{x509::kMaxDepth}));
  }
  if (row.policy) {
    SIGNET_TRY(policy.policies, ReadPolicy(*row.policy));
  }
  if (row.profile != "strict" && row.profile != "legacy") {
    return Invalid("the profile '" + EscapeLine(row.profile, 64) + "' is not known");
  }
  // What is judged as the peer of a connection is held to the rules of public CAs too.
  const bool connection = row.peer_name || row.purpose == "client";
  policy.rigour = row.profile == "legacy" ? x509::Rigour::kLegacy
                  : connection            ? x509::Rigour::kConforming
                                          : x509::Rigour::kUpload;
  return policy;
}

// Reads the files of a row. What a file holds may be refused: that is a finding of the row.
class Material {
 public:
  explicit Material(const CaseFolder& folder) : folder_(folder) {}

  Status AddCertificates(const std::string& path, std::vector<x509::Certificate>& to) {
    SIGNET_TRY(const std::string file, Read(path));
    auto bundle = x509::ReadCertificates(file, kMaxCertificates - count_, x509::kPublicSiteSans);
    if (!bundle) return Refuse(std::move(bundle).error());
    count_ += bundle.value().size();
    for (auto& certificate : bundle.value()) to.push_back(std::move(certificate));
    return Ok();
  }

  Status AddLists(const std::string& path, std::vector<x509::RevocationList>& to) {
    SIGNET_TRY(const std::string file, Read(path));
    auto lists = x509::ReadRevocationLists(file, kMaxLists - to.size());
    if (!lists) return Refuse(std::move(lists).error());
    for (auto& list : lists.value()) to.push_back(std::move(list));
    return Ok();
  }

  const Findings& refused() const { return refused_; }

 private:
  Result<std::string> Read(const std::string& path) {
    if (++files_ > kMaxFiles) return Invalid("more than 100 files in one row");
    return folder_.Read(path);
  }
  Status Refuse(Error error) {
    refused_.push_back({Severity::kError, std::move(error.word), std::move(error.detail), {}});
    return Ok();
  }

  const CaseFolder& folder_;
  std::size_t files_ = 0, count_ = 0;
  Findings refused_;
};

json::object Verdict(const ChainRow& row, bool accepted, const Findings& findings) {
  return {
      {"id", row.id}, {"verdict", accepted ? "accept" : "reject"}, {"findings", ToJson(findings)}};
}

x509::TrustView Trusting(const std::vector<x509::Certificate>& trusted) {
  x509::TrustView view;
  view.anchors = [&trusted](const std::string& name, const std::string& key_id) {
    std::vector<x509::Certificate> out;
    for (const auto& certificate : trusted) {
      if (certificate.fields().subject_der == name) out.push_back(certificate);
    }
    return x509::BestCandidates(std::move(out), key_id);
  };
  return view;
}

// Who is looked up by a name needs one; of others, a CA may be the one whose path is asked for.
std::optional<x509::LintRole> LeafRole(const ChainRow& row, const x509::Certificate& leaf) {
  if (row.peer_name) return x509::LintRole::kEndEntity;
  if (leaf.fields().ca && !row.purpose) return std::nullopt;
  return x509::LintRole::kClient;
}

Result<json::object> JudgeChain(const CaseFolder& folder, const json::object& object) {
  SIGNET_TRY(const ChainRow row, FromJson<ChainRow>(object));
  if (row.id.empty()) return Invalid("the row has no id");
  SIGNET_TRY(x509::ChainPolicy policy, ReadPolicies(row));
  Material material(folder);
  std::vector<x509::Certificate> peer, untrusted, trusted;
  SIGNET_TRY(material.AddCertificates(row.peer, peer));
  for (const std::string& path : row.untrusted) {
    SIGNET_TRY(material.AddCertificates(path, untrusted));
  }
  for (const std::string& path : row.trusted) {
    SIGNET_TRY(material.AddCertificates(path, trusted));
  }
  std::vector<x509::RevocationList> lists;
  for (const std::string& path : row.crls) {
    SIGNET_TRY(material.AddLists(path, lists));
  }
  if (HasErrors(material.refused())) return Verdict(row, false, material.refused());
  if (row.crl_check) policy.revocation_lists = std::move(lists);
  policy.leaf_role = LeafRole(row, peer.front());
  untrusted.insert(untrusted.end(), peer.begin() + 1, peer.end());
  const x509::TrustView trust = Trusting(trusted);
  const x509::ChainVerdict verdict = x509::VerifyPath(peer.front(), untrusted, trust, policy);
  return Verdict(row, verdict.accepted(), verdict.findings);
}

}  // namespace

Result<int> CheckChainCases(const Invocation& invocation) {
  const std::vector<std::string>& cases = invocation.options.front();
  const CaseFolder folder(cases.front());
  return JudgeCases(cases.front(),
                    [&folder](const json::object& row) { return JudgeChain(folder, row); });
}

}  // namespace signet::tools
