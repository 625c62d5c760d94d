#include "tests/e2e/served_world.h"

#include <gtest/gtest.h>
#include <pwd.h>

#include <filesystem>
#include <functional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "tests/e2e/invariants.h"
#include "tests/support/renewal.h"

namespace signet::testing {
namespace {

// Relative to the folder of signet.toml. strongSwan and two programs of the user sys come by the
// common socket.
constexpr char kServices[] = R"(
[service.nginx]
server = "nginx"
user = "nobody"
socket = "run/nginx.sock"
purposes = ["tomcat", "tomcat-ECDSA"]
[service.apache]
server = "apache"
group = "www-data"
socket = "run/apache.sock"
purposes = ["cup-xmpp", "cup-xmpp-ECDSA"]
[service.stunnel]
server = "stunnel"
user = "nobody"
socket = "run/stunnel.sock"
purposes = ["cup", "cup-ECDSA"]
[service.tomcat]
server = "tomcat"
user = "nobody"
socket = "run/tomcat.sock"
purposes = ["cup-xmpp-s2s", "cup-xmpp-s2s-ECDSA"]
[service.strongswan]
server = "strongswan"
user = "root"
purposes = ["ipsec", "tomcat-ECDSA"]
[service.backup]
user = "sys"
purposes = ["ipsec"]
[service.mail]
group = "sys"
purposes = ["cup"]
)";

// Of the family's samples whose labels contain all of `labels`.
long Sum(const std::string& metrics, const std::string& name,
         const std::vector<std::string>& labels) {
  std::istringstream lines(metrics);
  double sum = 0;
  bool found = false;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t end = line.find_first_of("{ ");
    if (line.substr(0, end) != name) continue;
    bool all = true;
    for (const std::string& label : labels) all = all && line.find(label) != std::string::npos;
    if (!all) continue;
    found = true;
    sum += std::stod(line.substr(line.rfind(' ')));
  }
  EXPECT_TRUE(found || !labels.empty()) << "no " << name << " in " << metrics;
  return static_cast<long>(sum);
}

// Made for the first test, and ended before the program does.
class Owner : public ::testing::Environment {
 public:
  static ServedWorld& Get(const std::function<std::unique_ptr<ServedWorld>()>& make) {
    // Once: a second one would not fare better.
    if (!std::exchange(tried_, true)) world_ = make();
    if (world_ == nullptr) throw std::runtime_error("there is no appliance");
    return *world_;
  }
  void TearDown() override {
    if (world_ == nullptr) return;
    EXPECT_EQ(world_->appliance().Stop(), 0);
    EXPECT_EQ(world_->appliance().StopKeyd(), 0);
    world_.reset();
  }

 private:
  inline static std::unique_ptr<ServedWorld> world_;
  inline static bool tried_ = false;
};
const ::testing::Environment* const kOwner = ::testing::AddGlobalTestEnvironment(new Owner);

}  // namespace

ServedWorld& ServedWorld::Get() {
  return Owner::Get([] {
    auto world = std::make_unique<ServedWorld>(Pin::kFromSource);
    world->appliance_.StartAndWait();
    world->SignAll();
    return world;
  });
}

std::string ServedWorld::WhyNot() { return Installation::WhyNot(); }

ServedWorld::ServedWorld(Pin pin) : appliance_({.installed = true, .config = kServices}) {
  if (pin == Pin::kFromSource) return;
  appliance_.EditConfig("pin-source = \"credential:pin\"\n", "");
  std::filesystem::remove(appliance_.Path("credentials/keyd/pin"));
}

void ServedWorld::SignAll() const {
  Trust(appliance_, ca_, {"tomcat-trust", "ipsec-trust", "cup-trust", "cup-xmpp-trust"});
  std::set<std::string> purposes = {"ipsec"};
  for (const ServedRow& row : kServedRows) purposes.insert({row.rsa, row.ec});
  for (const std::string& purpose : purposes) Sign(purpose);
}

IkePair::Peer ServedWorld::Peer() const {
  const IkePair::Peer peer = {appliance_.Spare("peer.pem"), appliance_.Spare("peer.key"),
                              ca_.File("root")};
  WriteWhole(peer.certificate,
             ca_.Sign(MustRun({"openssl", "req", "-new", "-nodes", "-newkey", "ec", "-pkeyopt",
                               "ec_paramgen_curve:P-256", "-keyout", peer.key, "-subj",
                               "/CN=peer.example"})));
  return peer;
}

PrintedSnippet ServedWorld::Snippet(const std::string& server, const std::string& purpose,
                                    const std::string& service) const {
  const Outcome printed =
      appliance_.Cli({"service", "snippet", server, purpose, "--service", service});
  EXPECT_EQ(printed.code, 0) << printed.err;
  return PrintedSnippet(printed.out);
}

KeyAccess ServedWorld::Access(const std::string& purpose, const std::string& service) const {
  const Outcome printed = appliance_.Cli({"key", "agent-env", purpose, "--service", service});
  EXPECT_EQ(printed.code, 0) << printed.err;
  std::istringstream lines(MustRun({"env", "-i", "/bin/sh", "-c",
                                    "eval \"$1\"; printf '%s\\n%s\\n' \"$P11_KIT_SERVER_ADDRESS\" "
                                    "\"$PKCS11_MODULE_PATH\"",
                                    "sh", printed.out}));
  KeyAccess access;
  std::getline(lines, access.address);
  std::getline(lines, access.module);
  return access;
}

std::vector<std::string> ServedWorld::Purposes(const ServedRow& row) {
  if (!Traits(row.kind).two_keys) return {row.ec};
  return {row.rsa, row.ec};
}

std::unique_ptr<ServedServer> ServedWorld::Server(const ServedRow& row,
                                                  const std::vector<std::string>& purposes) const {
  std::vector<PrintedSnippet> printed;
  const KeyAccess access = Access(purposes[0], row.service);
  for (const std::string& purpose : purposes) {
    printed.push_back(Snippet(row.server, purpose, row.service));
    // The unit gives the server what agent-env gives a shell.
    Environment unit = printed.back().UnitEnvironment();
    EXPECT_EQ(unit["P11_KIT_SERVER_ADDRESS"], access.address);
    if (unit.contains("PKCS11_MODULE_PATH")) {
      EXPECT_EQ(unit["PKCS11_MODULE_PATH"], access.module);
    }
  }
  return std::make_unique<ServedServer>(row.kind, printed, access);
}

std::string ServedWorld::Serial(const std::string& purpose) const {
  return testing::Serial(appliance_, purpose);
}

ShownIdentity ServedWorld::Shown(const std::string& purpose) const {
  ShownIdentity identity;
  identity.serial = Serial(purpose);
  const Outcome chain = appliance_.Cli({"certificate", "download", purpose, "--format", "chain"});
  for (const std::string& pem : CertificatesIn(chain.out))
    identity.chain.push_back(Fingerprint(pem));
  const json::value shown = appliance_.CliJson({"certificate", "show", purpose});
  EXPECT_EQ(identity.chain.at(0), Text(shown.at("fingerprint")));
  // A root is not served.
  if (identity.chain.size() > 1) identity.chain.pop_back();
  return identity;
}

void ServedWorld::Generate(const std::string& purpose) const {
  testing::Generate(appliance_, purpose);
}

void ServedWorld::Sign(const std::string& purpose) const {
  testing::Sign(appliance_, ca_, purpose);
}

long ServedWorld::Signatures(const std::string& purpose, const std::string& user) const {
  const passwd* account = ::getpwnam(user.c_str());
  if (account == nullptr) return -1;
  return Sum(appliance_.Get("/metrics").second, "signet_signatures_total",
             {"purpose=\"" + purpose + "\"", "uid=\"" + std::to_string(account->pw_uid) + "\""});
}

long ServedWorld::Metric(const std::string& name) const {
  return Sum(appliance_.Get("/metrics").second, name, {});
}

}  // namespace signet::testing
