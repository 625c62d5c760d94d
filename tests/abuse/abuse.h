// One development appliance for the whole program, a CA, and the promise that refused input changes
// nothing.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/appliance.h"
#include "tests/support/test_ca.h"
#include "tests/support/tls_login.h"

namespace signet::testing {

// Everything that a refused request must leave as it was.
struct World {
  std::vector<std::string> csrs, trust, certificates, keys, settings, connections, lscs;
  bool operator==(const World&) const = default;
};

class AbuseTest : public ::testing::Test {
 protected:
  static constexpr char kPurpose[] = "cup-ECDSA";

  // The appliance, with the test CA's chain in cup-trust and one CSR of kPurpose that stays
  // pending.
  static Appliance& appliance();
  static TestCa& ca();
  static const std::string& csr();
  // Over the TLS port.
  static const TlsLogin& administrator();
  static const TlsLogin& auditor();

  static World Look();
  static std::int64_t AuditRecords();
  static json::object LastAudit();

  // The call is refused with that word and a remedy; nothing changed; one audit record says so
  // (unless the request never became a change). The refusal.
  static Answer Refused(const std::string& word, const std::string& method,
                        const json::object& params, bool audited = true);
  static Answer UploadRefused(const std::string& word, const std::string& pem,
                              const std::string& purpose = kPurpose);
  static Answer CsrRefused(const std::string& word, json::object params);

  // A CSR of its own for a test: id and PEM.
  struct OwnCsr {
    std::string id, pem;
  };
  static OwnCsr MakeCsr(const std::string& purpose = kPurpose, json::object params = {});
  static Answer Upload(const std::string& pem, const std::string& purpose = kPurpose);
};

// The finding with that id, as "error SAN_MISSING: text"; empty when there is none.
std::string FindingOf(const json::value& findings, const std::string& id);
std::string FindingOf(const json::object& error, const std::string& id);

// A PEM block of a label around octets.
std::string PemBlock(const std::string& label, const std::string& octets);

}  // namespace signet::testing
