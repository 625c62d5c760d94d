#include "keystore/x509/issued.h"

#include <openssl/objects.h>

#include <algorithm>
#include <set>

#include "keystore/x509/lint.h"
#include "keystore/x509/names.h"
#include "keystore/x509/path_check.h"

namespace signet::keystore::x509 {
namespace {

constexpr std::string_view kAnyUsage = "2.5.29.37.0";
constexpr std::string_view kClientAuth = "1.3.6.1.5.5.7.3.2";

// Names compare as what they name: case of DNS names and the spelling of addresses do not count.
std::string Comparable(const std::string& san) {
  const auto parsed = ParseGeneralName(san);
  return parsed ? ToString(parsed.value()) : san;
}

std::set<std::string> ComparableSet(const std::vector<std::string>& sans) {
  std::set<std::string> out;
  for (const std::string& san : sans) out.insert(Comparable(san));
  return out;
}

// Public CAs add these by themselves.
std::string HabitOf(const std::string& added, const std::set<std::string>& asked) {
  constexpr std::string_view kWww = "DNS:www.";
  if (added.starts_with(kWww) && asked.count("DNS:" + added.substr(kWww.size())) > 0) {
    return " (this CA adds 'www.' to a name)";
  }
  if (!added.starts_with("DNS:")) return {};
  const std::string ending = "." + added.substr(4);
  for (const std::string& name : asked) {
    const bool child = name.starts_with("DNS:") && name.ends_with(ending);
    if (child && name.find('.') + ending.size() == name.size()) {
      return " (this CA adds the parent domain)";
    }
  }
  return {};
}

class Comparison {
 public:
  Comparison(const Certificate& issued, const RequestFields& request, const Profile& profile)
      : issued_(issued.fields()), request_(request), profile_(profile) {
    out_ = Lint(issued, profile.ca ? LintRole::kIntermediate : LintRole::kEndEntity);
  }

  Findings Run() {
    if (issued_.key.spki_sha256 != request_.key.spki_sha256) {
      Add(Severity::kError, "KEY_MISMATCH",
          "the certificate is for another key than the CSR's; it answers another CSR, or none");
    }
    CompareNames();
    CompareKeyUsage();
    CompareExtended();
    ComparePathLength();
    if (issued_.subject_der != request_.subject_der) {
      Add(Severity::kWarning, "SUBJECT_ALTERED",
          "the CA changed the subject from '" + request_.subject + "' to '" + issued_.subject +
              "'");
    }
    return std::move(out_);
  }

 private:
  void Add(Severity severity, std::string id, std::string text) {
    out_.push_back({severity, std::move(id), std::move(text), issued_.fingerprint});
  }

  void CompareNames() {
    const std::set<std::string> asked = ComparableSet(request_.sans);
    const std::set<std::string> got = ComparableSet(issued_.sans);
    for (const std::string& name : asked) {
      if (got.count(name) == 0) {
        Add(Severity::kError, "SAN_MISSING",
            "the CSR asked for " + name + ", the certificate lacks it");
      }
    }
    for (const std::string& name : got) {
      if (asked.count(name) == 0) {
        Add(Severity::kWarning, "SAN_ADDED",
            "the certificate has " + name + ", which the CSR did not ask for" +
                HabitOf(name, asked));
      }
    }
  }

  void CompareKeyUsage() {
    const std::vector<bool> got = issued_.key_usage.value_or(std::vector<bool>(kKeyUsageBits));
    for (std::size_t i = 0; i < kKeyUsageBits; ++i) {
      const UsageRule& rule = profile_.key_usage[i];
      const std::string name(KeyUsageName(i));
      if (request_.key_usage[i] && !got[i]) {
        Add(rule.lost, "KEY_USAGE_LOST_" + name, "the CA dropped the key usage " + name);
      } else if (!request_.key_usage[i] && got[i]) {
        Add(rule.ask == Ask::kMustNot ? Severity::kError : rule.added, "KEY_USAGE_ADDED_" + name,
            "the CA added the key usage " + name);
      }
    }
  }

  const ExtendedUsageRule* RuleOf(const std::string& oid) const {
    for (const ExtendedUsageRule& rule : profile_.extended) {
      if (rule.oid == oid) return &rule;
    }
    return nullptr;
  }

  static std::string NameOf(const ExtendedUsageRule* rule, const std::string& oid) {
    if (rule != nullptr) return rule->name;
    const int nid = OBJ_txt2nid(oid.c_str());
    return nid == NID_undef ? oid : OBJ_nid2sn(nid);
  }

  void CompareExtended() {
    const std::vector<std::string> got = issued_.extended.value_or(std::vector<std::string>());
    const auto has = [](const std::vector<std::string>& list, const std::string& oid) {
      return std::find(list.begin(), list.end(), oid) != list.end();
    };
    for (const std::string& oid : request_.extended) {
      if (has(got, oid)) continue;
      const ExtendedUsageRule* rule = RuleOf(oid);
      const std::string name = NameOf(rule, oid);
      std::string text = "the CA dropped the extended key usage " + name;
      if (oid == kClientAuth) text += " (public CAs are ceasing to issue it: use a private CA)";
      Add(rule == nullptr ? Severity::kError : rule->rule.lost, "EKU_LOST_" + name,
          std::move(text));
    }
    for (const std::string& oid : got) {
      if (has(request_.extended, oid)) continue;
      const ExtendedUsageRule* rule = RuleOf(oid);
      if (oid == kAnyUsage) {
        AddOnce(out_, {Severity::kError, "EKU_ANY",
                       "anyExtendedKeyUsage: the certificate limits its use to nothing",
                       issued_.fingerprint});
        continue;
      }
      const bool forbidden = rule != nullptr && rule->rule.ask == Ask::kMustNot;
      const Severity severity = rule == nullptr ? Severity::kInfo : rule->rule.added;
      Add(forbidden ? Severity::kError : severity, "EKU_ADDED_" + NameOf(rule, oid),
          "the CA added the extended key usage " + NameOf(rule, oid));
    }
  }

  void ComparePathLength() {
    if (!profile_.ca || !issued_.ca || issued_.path_length == request_.path_length) return;
    const auto text = [](const std::optional<int>& length) {
      return length ? std::to_string(*length) : std::string("none");
    };
    Add(Severity::kWarning, "PATH_LENGTH_ALTERED",
        "the CA changed the path length from " + text(request_.path_length) + " to " +
            text(issued_.path_length));
  }

  const Certificate::Fields& issued_;
  const RequestFields& request_;
  const Profile& profile_;
  Findings out_;
};

}  // namespace

Findings CompareIssued(const Certificate& issued, const RequestFields& request,
                       const Profile& profile) {
  return Comparison(issued, request, profile).Run();
}

}  // namespace signet::keystore::x509
